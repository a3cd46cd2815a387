#include "bulk.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "command_tree.hpp"
#include "methods/tables.hpp"
#include "session.hpp"

namespace ruche::cli {

namespace {

constexpr Duration kFirstWait{200};  // part of the request itself
constexpr json::DecodeOptions kLenient{.unknown_fields = json::UnknownFields::ignore};

[[noreturn]] void refuse(const std::string& what) { throw CLI::ValidationError(what); }

bool was_given(const Bound& slot) { return slot.option->count() > 0; }

// A parameter of the verb, under the name that it has for one guest.
std::string member_of(const Bound& slot) {
  if (type_of<model::BulkVms>().find_field(slot.name) == nullptr) {
    refuse(fmt::format("{} is for one VM", slot.option->get_name()));
  }
  const auto text = json_of(slot.field->type(), slot.values.front());
  if (!text) refuse(fmt::format("{}: {}", slot.option->get_name(), text.error()));
  return fmt::format(",{}:{}", json::quote(slot.name), *text);
}

}  // namespace

std::optional<model::BulkAction> bulk_action(const methods::Method& method) {
  constexpr std::string_view kVm = "vm.";
  if (!method.id.starts_with(kVm)) return std::nullopt;
  return enum_value<model::BulkAction>(method.id.substr(kVm.size()));
}

bool is_destructive(model::BulkAction action) {
  return action == model::BulkAction::delete_ || action == model::BulkAction::stop ||
         action == model::BulkAction::reset;
}

void add_bulk_options(BoundMethod& bound) {
  bound.filter_option =
      bound.app
          ->add_option("--filter", bound.filter,
                       "In place of names: all that it finds, as in `vm list`: tag=web,name~app-.")
          ->type_name("TEXT")
          ->expected(1);
}

bool is_for_many(const BoundMethod& bound) {
  if (bound.filter_option == nullptr) return false;
  const auto& vms = bound.options.front();
  const bool filter = bound.filter_option->count() > 0;
  if (filter && was_given(vms)) refuse("names and --filter contradict each other");
  if (!filter && !was_given(vms)) refuse("VM is required, or --filter");
  return filter || vms.values.size() > 1;
}

MethodCommand bulk_command(const BoundMethod& bound) {
  if (!bound.task.wait_state.empty()) refuse("--wait STATE is for one VM");
  if (!bound.task.if_match.empty()) refuse("--if-match is for one VM");
  std::string body =
      fmt::format("{{\"action\":{}", json::quote(enum_name(*bulk_action(*bound.method))));
  if (bound.filter_option->count() > 0) {
    body += fmt::format(",\"filter\":{}", json::quote(bound.filter));
  }
  for (const auto& slot : bound.options) {
    if (!was_given(slot)) continue;
    if (!slot.in_path) {
      body += member_of(slot);
      continue;
    }
    std::string names;
    for (const auto& name : slot.values) names += (names.empty() ? "" : ",") + json::quote(name);
    body += fmt::format(",\"vms\":[{}]", names);
  }
  MethodCommand command;
  command.method = methods::find(kBulk);
  command.arguments.body = body + '}';
  command.task = bound.task;
  return command;
}

std::string plan_text(const model::PlanView& plan) {
  std::string text = fmt::format("{} would:\n", plan.summary);
  for (const auto& part : plan.parts) {
    text += fmt::format("  {}\n", part.object.name);
    if (part.error) {
      text += fmt::format("    be refused: {}\n", part.error->message);
      if (!part.error->remedy.empty()) text += fmt::format("    next: {}\n", part.error->remedy);
    }
    for (std::size_t i = 0; i < part.steps.size(); ++i) {
      text += fmt::format("    {}. {}\n", i + 1, part.steps[i]);
    }
  }
  return text;
}

namespace {

std::string outcome_lines(const model::TaskView& task, const Look& look, std::string_view indent) {
  std::string text;
  for (const auto& part : task.parts) {
    text += fmt::format("{}{}: {}", indent, part.object.name,
                        coloured_state(enum_name(part.state), look));
    if (part.error) text += fmt::format(": {}", part.error->message);
    if (!part.task) text += ", not begun";
    text += '\n';
  }
  return text;
}

}  // namespace

std::string outcome_text(const model::TaskView& task, const Look& look) {
  return outcome_lines(task, look, "");
}

std::string task_text(model::TaskView task, const Look& look) {
  const auto outcome = outcome_lines(task, look, "  ");
  task.parts.clear();
  auto text = details_text(type_of<model::TaskView>(), &task, look);
  return outcome.empty() ? text : text + "Parts\n" + outcome;
}

std::string bulk_question(const model::BulkVms& request, const model::PlanView& plan) {
  std::string names;
  for (const auto& part : plan.parts) {
    names += (names.empty() ? "" : ", ") + part.object.name;
    if (part.error) names += fmt::format(" (refuses: {})", part.error->message);
  }
  return fmt::format("{}{}: {}?", plan.summary, request.purge ? " and their disks, for good" : "",
                     names);
}

// What a person agrees to is done to those who were named, whatever the filter finds by then.
Async<void> Session::ask_about_many(MethodCommand& command) {
  auto request = json::decode<model::BulkVms>(command.arguments.body);
  const bool by_filter = is_destructive(request.action) && !request.filter.empty();
  if (!(by_filter || request.purge) || command.task.yes || !can_ask()) co_return;
  auto arguments = command.arguments;
  arguments.query.emplace_back("dry_run", "true");
  const auto plan = co_await client_.call_as<model::PlanView>(*command.method, arguments);
  if (!agreed(bulk_question(request, plan))) {
    throw Error(Reason::task_cancelled, "nothing was done");
  }
  request.filter.clear();
  request.vms.clear();
  for (const auto& part : plan.parts) request.vms.push_back(to_text(part.object.id));
  command.arguments.body = json::encode(request);
}

Async<void> Session::run_bulk(MethodCommand command) {
  auto& query = command.arguments.query;
  if (command.task.dry_run) {
    query.emplace_back("dry_run", "true");
    const auto response = co_await client_.call(*command.method, std::move(command.arguments));
    if (json()) co_return print(pretty_json(response.body));
    co_return print(plan_text(json::decode<model::PlanView>(response.body, kLenient)));
  }
  co_await ask_about_many(command);
  if (!command.task.no_wait) query.emplace_back("wait", fmt::format("{}ms", kFirstWait.count()));
  const auto response = co_await client_.call(*command.method, std::move(command.arguments));
  auto task = json::decode<model::TaskView>(response.body, kLenient);
  if (command.task.no_wait) {
    co_return print(json() ? pretty_json(response.body) : to_text(task.id) + "\n");
  }
  task = co_await see_through(std::move(task));
  print(json() ? pretty_json(json::encode(task)) : outcome_text(task, look()));
  if (task.state == model::TaskState::cancelled) {
    throw Error(Reason::task_cancelled,
                fmt::format("{}: cancelled; what was done stays done", task.summary));
  }
  if (task.error) throw model::to_error(*task.error);
}

}  // namespace ruche::cli
