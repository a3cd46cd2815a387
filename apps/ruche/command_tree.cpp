#include "command_tree.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "bulk.hpp"
#include "methods/tables.hpp"
#include "values.hpp"

namespace ruche::cli {

namespace {

constexpr std::string_view kGlobalFooter =
    "Everywhere: --context NAME, --socket PATH (RUCHE_SOCKET), -o table|json, --help.";

const std::map<std::string_view, std::string_view>& group_texts() {
  static const std::map<std::string_view, std::string_view> texts = {
      {"vm", "Virtual machines"},
      {"snapshot", "Virtual machines as they were"},
      {"snapshot schedule", "Snapshots that are taken by themselves"},
      {"image", "What virtual machines start from"},
      {"upload", "Files on their way in"},
      {"datastore", "Storage pools"},
      {"pool", "What groups of virtual machines may use together"},
      {"task", "Long operations"},
      {"host", "Machines that run ruched"},
      {"host certificate", "What a host shows over HTTPS"},
      {"setting", "Settings of the whole cluster"},
      {"event", "What happened"},
      {"context", "Servers to talk to"},
      {"user", "Who may log in"},
      {"token", "Keys for programs"},
      {"audit", "Who did what"},
  };
  return texts;
}

// What a field is worth when the request does not say; empty when that says nothing.
std::string default_text(const TypeInfo& request, const FieldInfo& field) {
  AnyObject object(request);
  const ValueRef value = find_value(request, object.get(), field.name);
  if (!value) return {};
  const auto shape = value.type->shape;
  if (shape != Shape::integer && shape != Shape::enumeration) return {};
  if (shape == Shape::integer && value.type->get_integer(value.value) == 0) return {};
  return human_text(value);
}

std::string field_help(const methods::Method& method, const FieldInfo& field) {
  std::string text(field.doc);
  if (is_list(field)) text += " (may be repeated)";
  if (method.patch || field.options.required) return text;
  const auto standard = default_text(method.request(), field);
  if (!standard.empty()) text += fmt::format(" [{}]", standard);
  return text;
}

void add_positional(BoundMethod& bound, std::string_view name, const FieldInfo* field,
                    bool required) {
  auto& slot = bound.options.emplace_back(Bound{.field = field, .name = std::string(name)});
  const auto path = bound.method->path_parameters();
  slot.in_path = std::find(path.begin(), path.end(), name) != path.end();
  std::string doc = "Name or id.";
  if (field != nullptr) doc = field->doc;
  const bool several = bulk_action(*bound.method).has_value();
  if (several) doc = "Names or ids.";
  slot.option = bound.app->add_option(upper(name), slot.values, doc)->type_name("");
  if (several) {
    slot.option->expected(-1);  // as many as there are
    return;
  }
  slot.option->expected(1)->allow_extra_args(false);
  if (required) slot.option->required();
}

// A secret is no argument: everybody on the machine could read it. Flags say where it comes from.
void add_secret(BoundMethod& bound, const FieldInfo& field) {
  const auto add = [&](SecretSource source, const std::string& flag, const std::string& help) {
    auto& slot =
        bound.options.emplace_back(Bound{.field = &field, .name = std::string(field.name)});
    slot.flag = true;
    slot.secret = source;
    slot.option = bound.app->add_flag(flag, slot.values, help);
  };
  const std::string flag = "--" + flag_name(field);
  add(SecretSource::standard_input, flag + "-stdin",
      std::string(field.doc) + " It is the first line of standard input.");
  if (field.options.required) return;  // then it is asked for anyway
  add(SecretSource::terminal, flag, std::string(field.doc) + " It is asked for on the terminal.");
}

void add_flag(BoundMethod& bound, const FieldInfo& field) {
  // Except for what lies in a file anyway: the name of that is no secret.
  const auto format = field.options.format;
  const bool in_file = format == "file" || format == "secret-file";
  if (field.type().secret && !in_file) return add_secret(bound, field);
  const methods::Method& method = *bound.method;
  auto& slot = bound.options.emplace_back(Bound{.field = &field, .name = std::string(field.name)});
  const std::string flag = "--" + flag_name(field);
  const auto help = field_help(method, field);
  if (field.type().shape == Shape::boolean) {
    slot.flag = true;
    const auto names = method.patch ? fmt::format("{},!--no-{}", flag, flag_name(field)) : flag;
    slot.option = bound.app->add_flag(names, slot.values, help);
    return;
  }
  slot.option = bound.app->add_option(flag, slot.values, help);
  slot.option->type_name(value_hint(field.type(), field.options.format));
  slot.option->allow_extra_args(false);
  if (is_list(field)) {
    slot.option->expected(1, 1000)->allow_extra_args(false);
    slot.option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  } else {
    slot.option->expected(1);
  }
  if (field.options.required) slot.option->required();
}

void add_dry_run(BoundMethod& bound) {
  bound.app->add_flag("--dry-run", bound.task.dry_run, "Show what would go, change nothing.");
}

void add_task_options(BoundMethod& bound) {
  CLI::App& app = *bound.app;
  TaskOptions& task = bound.task;
  constexpr const char* kGroup = "Task";
  app.add_option("--wait", task.wait_state,
                 "Wait until the object is in this state (running, stopped, ready, …); `agent`: "
                 "until a VM's agent answers.")
      ->type_name("STATE")
      ->expected(1)
      ->group(kGroup);
  app.add_flag("--no-wait", task.no_wait, "Do not wait; print the task's id.")->group(kGroup);
  app.add_flag("--dry-run", task.dry_run, "Show what would be done, change nothing.")
      ->group(kGroup);
  const methods::Method& method = *bound.method;
  const auto many = bulk_action(method);
  const bool loses_data = method.request().find_field("purge") != nullptr ||
                          method.id == "vm.disk.remove" || method.id == "vm.discard" ||
                          method.id == "snapshot.revert" || method.id == "snapshot.delete";
  if (loses_data || (many && is_destructive(*many))) {
    app.add_flag("-y,--yes", task.yes, "Do not ask.")->group(kGroup);
  }
  // Snapshots and schedules have no etag.
  const bool of_snapshot = method.id.starts_with("snapshot.");
  if (method.patch || (method.verb == methods::Verb::delete_ && !of_snapshot)) {
    app.add_option("--if-match", task.if_match, "Only if the object still has this etag.")
        ->type_name("ETAG")
        ->expected(1)
        ->group(kGroup);
  }
}

}  // namespace

std::string examples_footer(const std::vector<methods::Example>& examples,
                            std::string_view description) {
  std::string text(description);
  if (!text.empty()) text += "\n\n";
  if (!examples.empty()) text += "Examples:\n";
  for (const auto& example : examples) {
    text += fmt::format("  # {}\n  {}\n", example.title, example.command);
  }
  if (!text.empty()) text += '\n';
  return text + std::string(kGlobalFooter);
}

std::string upper(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

void add_fields(BoundMethod& bound) {
  const methods::Method& method = *bound.method;
  const TypeInfo* request = method.request == nullptr ? nullptr : &method.request();
  const auto path = method.path_parameters();
  for (const auto name : path) {
    const FieldInfo* field =
        request == nullptr || method.patch ? nullptr : request->find_field(name);
    const bool optional = name == path.back() && !method.default_argument.empty();
    add_positional(bound, name, field, !optional);
  }
  if (request == nullptr) return;
  for (const auto& field : request->fields) {
    if (std::find(path.begin(), path.end(), field.name) != path.end() && !method.patch) continue;
    if (field.options.read_only || field.name == "cursor") continue;
    if (field.options.positional) {
      add_positional(bound, field.name, &field, field.options.required);
    } else {
      add_flag(bound, field);
    }
  }
}

CLI::App* subcommand(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->fallthrough();
  return app;
}

std::function<std::string(const std::string&)> one_of(std::vector<std::string> words) {
  return [words = std::move(words)](const std::string& given) {
    if (std::find(words.begin(), words.end(), given) != words.end()) return std::string();
    return fmt::format("\"{}\" is not one of {}", given, fmt::join(words, ", "));
  };
}

CLI::App& group_app(Tree& tree, std::string_view words) {
  const auto space = words.rfind(' ');
  CLI::App& parent = space == words.npos ? tree.app : group_app(tree, words.substr(0, space));
  const auto name = space == words.npos ? words : words.substr(space + 1);
  for (CLI::App* app : parent.get_subcommands([](CLI::App*) { return true; })) {
    if (app->get_name() == name) return *app;
  }
  const auto text = group_texts().find(words);
  CLI::App* app = subcommand(parent, std::string(name),
                             std::string(text == group_texts().end() ? words : text->second));
  app->require_subcommand(1);
  return *app;
}

namespace {

void add_method(Tree& tree, const methods::Method& method) {
  const auto space = method.command.rfind(' ');
  const bool alone = space == method.command.npos;  // a command without a group
  CLI::App& group = alone ? tree.app : group_app(tree, method.command.substr(0, space));
  const auto word = alone ? method.command : method.command.substr(space + 1);
  auto& bound = tree.methods.emplace_back();
  bound.method = &method;
  bound.app = subcommand(group, std::string(word), std::string(method.summary));
  bound.app->footer(examples_footer(method.examples, method.description));
  add_fields(bound);
  if (bulk_action(method)) add_bulk_options(bound);
  if (method.answer == methods::Answer::task) add_task_options(bound);
  if (method.dry_runs) add_dry_run(bound);
  if (method.id == kImport) {
    bound.app->add_flag("--upload", bound.send,
                        "Send the file from this machine; the path is one of this machine's.");
  }
  if (method.answer == methods::Answer::bytes) {
    bound.app->add_option("-o,--output", bound.file, "File to write; - is standard output.")
        ->type_name("FILE")
        ->required();
  }
}

}  // namespace

void fill(Tree& tree, const Environment& environment) {
  CLI::App& app = tree.app;
  tree.global.socket = environment.socket.value_or(kDefaultSocket);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Print this help and exit.");
  app.get_formatter()->column_width(34);
  app.add_option("--context", tree.global.context,
                 "Server to talk to (RUCHE_CONTEXT), see `ruche context list`.")
      ->type_name("NAME");
  tree.socket_option =
      app.add_option("--socket", tree.global.socket, "Socket of the daemon (RUCHE_SOCKET).")
          ->type_name("PATH");
  app.add_option("-o,--output", tree.output, "How to print: table, or the API's JSON.")
      ->type_name("table|json")
      ->check(one_of({"table", "json"}));
  for (const auto& method : methods::all()) {
    if (!method.command.empty()) add_method(tree, method);
  }
  add_special_commands(tree);
  app.footer("`ruche vm create --help` shows a command with examples.");
}

}  // namespace ruche::cli
