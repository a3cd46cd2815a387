#include "session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "bulk.hpp"
#include "console.hpp"
#include "docs.hpp"
#include "draw_tree.hpp"
#include "guest_access.hpp"
#include "login.hpp"
#include "methods/tables.hpp"
#include "model/event.hpp"
#include "net/problem.hpp"
#include "password.hpp"
#include "progress_bar.hpp"
#include "show_host.hpp"
#include "show_vm.hpp"
#include "upload.hpp"
#include "version.hpp"
#include "vnc.hpp"

namespace ruche::cli {

namespace {

constexpr Duration kFirstWait{200};       // part of the request itself
constexpr Duration kStateLimit{60'000};   // for --wait STATE, after the task has ended
constexpr Duration kAgentLimit{600'000};  // a guest boots first, perhaps without KVM
constexpr Duration kStateInterval{100};
constexpr std::string_view kAgent = "agent";  // not a state: a VM whose agent answers
constexpr json::DecodeOptions kLenient{.unknown_fields = json::UnknownFields::ignore};

// It appears under its name complete or not at all.
void write_whole_file(const std::string& path, std::string_view content) {
  const auto partial = path + ".partial";
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  bool written =
      file != nullptr && std::fwrite(content.data(), 1, content.size(), file) == content.size();
  if (file != nullptr) written = std::fclose(file) == 0 && written;
  if (written && std::rename(partial.c_str(), path.c_str()) == 0) return;
  const int error = errno;
  if (file != nullptr) ::unlink(partial.c_str());
  throw Error(Reason::io_failed, fmt::format("cannot write {}: {}", path, std::strerror(error)));
}

const methods::Method& method_named(std::string_view id) {
  const auto* method = methods::find(id);
  if (method == nullptr) throw Error(Reason::internal_error, fmt::format("no method {}", id));
  return *method;
}

void decode_or_throw(AnyObject& object, std::string_view text) {
  auto ok = json::decode_into(object.type(), object.get(), text, kLenient);
  if (!ok) throw std::move(ok.error());
}

void warn_if_stale(const net::HttpResponse& response) {
  if (!response.headers.has("Ruche-Stale")) return;
  fmt::print(stderr, "the state store does not answer; this may be old\n");
}

// A secret goes into the body only here, where nobody prints it any more.
void add_secrets(MethodCommand& command) {
  for (const auto& secret : command.secrets) {
    const auto value = secret.source == SecretSource::standard_input
                           ? secret_from_standard_input()
                           : new_secret_from_terminal(secret.field);
    std::string& body = command.arguments.body;
    if (body.empty()) body = "{}";
    const auto member =
        fmt::format("{}:{}", json::quote(secret.field), json::quote(value.reveal()));
    body.insert(body.size() - 1, body == "{}" ? member : "," + member);
  }
}

// What to ask before something is done that cannot be taken back; empty: nothing.
std::string question_of(const MethodCommand& command) {
  const auto& query = command.arguments.query;
  const auto given = [&](std::string_view flag) {
    return std::any_of(query.begin(), query.end(), [&](const auto& parameter) {
      return parameter.first == flag && parameter.second == "true";
    });
  };
  const auto id = command.method->id;
  const auto& path = command.arguments.path;
  if (path.empty()) return {};
  const auto& vm = path.front().second;
  const auto& part = path.back().second;
  if (id == "vm.disk.remove") {
    return fmt::format("Remove {} of {} and what is on it for good?", part, vm);
  }
  if (id == "vm.discard") return fmt::format("Give up the saved memory of {} for good?", vm);
  if (id == "snapshot.revert") {
    return fmt::format("Take {} back to {}, and lose what it has become since?", vm, part);
  }
  if (id == "snapshot.delete") {
    return fmt::format("Delete the snapshot {} of {}{} for good?", part, vm,
                       given("children") ? " and all that were taken after it" : "");
  }
  return given("purge") ? fmt::format("Delete {} and its disks for good?", vm) : "";
}

// The enumeration that holds an object's state, and where it is in the object.
struct StateField {
  std::string path;
  const TypeInfo* type = nullptr;
};
StateField state_field_of(const methods::Method& show) {
  const AnyObject object(show.result());
  for (const char* path : {"status.state", "state"}) {
    const auto value = find_value(object.type(), object.get(), path);
    if (value && value.type->shape == Shape::enumeration) return {path, value.type};
  }
  return {};
}

void check_state(const methods::Method& method, const std::string& state) {
  // What is about a part of a VM, such as a snapshot, waits for the VM.
  const bool of_vm = method.path.starts_with("/v1/vms");
  const auto kind = of_vm ? "vm" : method.id.substr(0, method.id.find('.'));
  const auto* show = methods::find(fmt::format("{}.show", kind));
  const auto field = show == nullptr ? StateField{} : state_field_of(*show);
  if (field.type == nullptr)
    throw Error(Reason::bad_request, "--wait: this has no state to wait for");
  if (kind == "vm" && state == kAgent) return;
  if (enum_value(*field.type, state)) return;
  std::string known;
  for (const auto& value : field.type->values)
    known += (known.empty() ? "" : ", ") + std::string(value.name);
  throw Error(Reason::unknown_value, fmt::format("--wait: \"{}\" is not a state", state))
      .remedy("the states are " + known);
}

std::string event_line(const model::Event& event, const Look& look) {
  if (event.type == model::EventType::reset) return "-- events were missed: list again --\n";
  std::string state;
  const auto& resource = event.resource;
  if (resource.vm) state = enum_name(resource.vm->status.state);
  if (resource.task) state = enum_name(resource.task->state);
  if (resource.image) state = enum_name(resource.image->state);
  if (resource.datastore) state = enum_name(resource.datastore->status.state);
  const auto kind = event.object ? enum_name(event.object->kind) : "";
  const auto change = event.change ? enum_name(*event.change) : "";
  return fmt::format("{}  {}  {}  {}  {}\n", to_rfc3339(event.at), padded(kind, 9),
                     padded(change, 7), padded(coloured_state(state, look), 12),
                     event.object ? event.object->name : "");
}

}  // namespace

void print(std::string_view text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

std::string error_text(const Error& error, const methods::Method* method) {
  std::string text = fmt::format("ruche: {}\n", error.message());
  if (!error.field().empty()) {
    const auto field = method == nullptr ? error.field() : flag_of_field(*method, error.field());
    text += fmt::format("  at:   {}\n", field);
  }
  for (const Error* cause = error.cause(); cause != nullptr; cause = cause->cause()) {
    text += fmt::format("  why:  {}\n", cause->message());
  }
  if (!error.remedy_text().empty()) text += fmt::format("  next: {}\n", error.remedy_text());
  return text;
}

Session::Session(Parts parts)
    : parts_(std::move(parts)),
      client_(parts_.clock, parts_.random, connector_of(parts_.endpoint),
              client_options_of(parts_.endpoint)) {}

Async<int> Session::run(Command command) {
  if (auto* method = std::get_if<MethodCommand>(&command))
    co_return co_await run_method(std::move(*method));
  if (auto* console = std::get_if<ConsoleCommand>(&command)) {
    method_ = methods::find("vm.console");
    co_return co_await run_console(client_, std::move(*console), parts_.terminal.input,
                                   parts_.terminal.output);
  }
  if (auto* exec = std::get_if<ExecCommand>(&command)) {
    method_ = methods::find("vm.exec");
    co_return co_await run_exec(client_, std::move(*exec), json());
  }
  if (auto* ssh = std::get_if<SshCommand>(&command)) {
    const auto& host = parts_.endpoint.server.host;
    const bool local = !parts_.endpoint.is_remote() || host == "localhost" || host == "::1" ||
                       host.starts_with("127.");
    co_await run_ssh(client_, std::move(*ssh), local);
  }
  if (auto* vnc = std::get_if<VncCommand>(&command)) {
    method_ = methods::find("vm.vnc");
    co_return co_await run_vnc(client_, std::move(*vnc));
  }
  if (auto* follow = std::get_if<FollowCommand>(&command)) co_await run_follow(std::move(*follow));
  if (auto* tree = std::get_if<TreeCommand>(&command)) co_await run_tree(std::move(*tree));
  if (auto* api = std::get_if<ApiCommand>(&command)) co_await run_api(std::move(*api));
  if (auto* names = std::get_if<NamesCommand>(&command)) co_await run_names(std::move(*names));
  if (std::holds_alternative<VersionCommand>(command)) co_await run_version();
  if (auto* login = std::get_if<LoginCommand>(&command)) co_await run_login(std::move(*login));
  if (std::holds_alternative<LogoutCommand>(command)) co_await run_logout();
  co_return 0;
}

Async<int> Session::run_method(MethodCommand command) {
  method_ = command.method;
  add_secrets(command);
  switch (command.method->answer) {
    case methods::Answer::list:
      co_await run_list(std::move(command));
      break;
    case methods::Answer::task:
      if (command.method->id == kBulk) {
        co_await run_bulk(std::move(command));
      } else {
        co_await run_task(std::move(command));
      }
      break;
    case methods::Answer::bytes:
      co_await run_bytes(std::move(command));
      break;
    default:
      co_await run_value(std::move(command));
      break;
  }
  co_return 0;
}

// One page when a limit was given, else all of them.
Async<void> Session::run_list(MethodCommand command) {
  const methods::Method& method = *command.method;
  AnyObject page(method.page());
  const bool follow_pages = command.all_pages && method.request().find_field("cursor") != nullptr;
  if (follow_pages) {
    command.arguments.query.emplace_back("limit", std::to_string(methods::kLargestPage));
  }
  net::HttpResponse response = co_await client_.call(method, command.arguments);
  warn_if_stale(response);
  decode_or_throw(page, response.body);
  bool joined = false;
  const auto next = [&] { return human_text(find_value(page.type(), page.get(), "next")); };
  while (follow_pages && !next().empty()) {
    joined = true;
    client::Arguments arguments;
    arguments.path = command.arguments.path;
    arguments.query = {{"limit", std::to_string(methods::kLargestPage)}, {"cursor", next()}};
    response = co_await client_.call(method, std::move(arguments));
    // Decoding appends to nothing: the next page's items go behind those that are there.
    AnyObject more(method.page());
    decode_or_throw(more, response.body);
    const auto from = find_value(more.type(), more.get(), "items");
    const auto to = find_value(page.type(), page.get(), "items");
    for (std::size_t i = 0; i < from.type->size(from.value); ++i) {
      std::string item;
      json::encode_to(item, from.type->element(), from.type->at(from.value, i), {});
      void* slot = to.type->append(const_cast<void*>(to.value));
      auto ok = json::decode_into(to.type->element(), slot, item, kLenient);
      if (!ok) throw std::move(ok.error());
    }
    const FieldInfo* field = page.type().find_field("next");
    const auto cursor = human_text(find_value(more.type(), more.get(), "next"));
    if (!field->type().set_text(field->get(page.get()), cursor)) break;
  }
  if (json()) {
    std::string text = response.body;
    if (joined) {
      text.clear();
      json::encode_to(text, page.type(), page.get(), {});
    }
    print(pretty_json(text));
  } else if (method.id == "vm.layers") {
    const auto layers = json::decode<methods::Page<model::LayerView>>(response.body, kLenient);
    print(layers_text(layers.items));
  } else {
    print(table_text(method, page, look()));
    if (!command.all_pages && !next().empty())
      fmt::print(stderr, "there are more; use a greater --limit, or none\n");
  }
}

Async<void> Session::run_value(MethodCommand command) {
  if (command.task.dry_run) command.arguments.query.emplace_back("dry_run", "true");
  const auto response = co_await client_.call(*command.method, std::move(command.arguments));
  warn_if_stale(response);
  if (command.method->id == "host.check") co_return print_check(response.body);
  if (json() || command.method->result == nullptr) {
    print(pretty_json(response.body));
    co_return;
  }
  if (command.method->id == "host.show") co_return co_await print_host(response.body);
  if (command.method->id == "task.show") {
    co_return print(task_text(json::decode<model::TaskView>(response.body, kLenient), look()));
  }
  if (command.method->id == "vm.show") {
    print(vm_text(json::decode<model::VmView>(response.body, kLenient), look()));
    co_return;
  }
  AnyObject object(command.method->result());
  decode_or_throw(object, response.body);
  if (command.task.dry_run) print("This would go:\n");
  print(details_text(object.type(), object.get(), look()));
}

// A file appears whole or not at all.
Async<void> Session::run_bytes(MethodCommand command) {
  const auto response = co_await client_.call(*command.method, std::move(command.arguments));
  if (command.file == "-") {
    print(response.body);
    co_return;
  }
  write_whole_file(command.file, response.body);
  fmt::print(stderr, "{}: {}\n", command.file, to_text(Bytes{std::ssize(response.body)}));
}

Async<void> Session::print_host(const std::string& body) {
  const auto host = json::decode<model::HostView>(body, kLenient);
  const auto listed = co_await client_.call(method_named("datastore.list"), {});
  const auto page = json::decode<methods::Page<model::DatastoreView>>(listed.body, kLenient);
  print(host_text(host, page.items));
}

// Scripts see by the exit code whether guests can run at all.
void Session::print_check(const std::string& body) const {
  const auto check = json::decode<model::HostCheck>(body, kLenient);
  print(json() ? pretty_json(body) : check_text(check, look()));
  if (check.level != model::CheckLevel::missing) return;
  throw Error(Reason::host_cannot, fmt::format("{} lacks something that guests need", check.name))
      .remedy("see what is missing above");
}

// Only what cannot be taken back is asked about.
bool Session::confirmed(const MethodCommand& command) const {
  const auto question = question_of(command);
  if (question.empty() || command.task.yes || command.task.dry_run || !can_ask()) return true;
  return agreed(question);
}

bool Session::agreed(const std::string& question) const {
  fmt::print(stderr, "{} [y/N] ", question);
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

// The upload that an import begins with; then it is an import of what was uploaded.
Async<void> Session::send_first(MethodCommand& command) {
  if (command.method->id != "image.import" || command.task.dry_run) co_return;
  std::string& body = command.arguments.body;
  const auto request = json::decode<model::ImportImageRequest>(body);
  // On another machine a path names a file of this one.
  if (parts_.endpoint.is_remote() && command.send_file.empty()) command.send_file = request.path;
  if (command.send_file.empty()) co_return;
  std::string upload;
  {
    ProgressBar bar(parts_.terminal.errors, parts_.clock);
    UploadOrder order{command.send_file, request.datastore};
    upload = co_await upload_file(client_, bar, std::move(order));
  }
  const auto member = fmt::format("{}:{}", json::quote("upload"), json::quote(upload));
  const auto path = fmt::format("{}:{}", json::quote("path"), json::quote(request.path));
  const auto at = request.path.empty() ? body.npos : body.find(path);
  if (at != body.npos) {
    body.replace(at, path.size(), member);
  } else {
    body.insert(body.rfind('}'), "," + member);
  }
}

Async<void> Session::run_task(MethodCommand command) {
  const methods::Method& method = *command.method;
  co_await send_first(command);
  auto& query = command.arguments.query;
  if (!command.task.wait_state.empty()) check_state(method, command.task.wait_state);
  if (!confirmed(command)) throw Error(Reason::task_cancelled, "nothing was done");
  if (command.task.dry_run) {
    query.emplace_back("dry_run", "true");
    const auto response = co_await client_.call(method, std::move(command.arguments));
    if (json()) co_return print(pretty_json(response.body));
    const auto plan = json::decode<model::PlanView>(response.body, kLenient);
    if (!plan.parts.empty()) co_return print(plan_text(plan));
    fmt::print("{} would:\n", plan.summary);
    for (std::size_t i = 0; i < plan.steps.size(); ++i)
      fmt::print("  {}. {}\n", i + 1, plan.steps[i]);
    if (plan.steps.empty())
      fmt::print("  change the stored state at once, without further steps\n");
    co_return;
  }
  if (!command.task.no_wait) query.emplace_back("wait", fmt::format("{}ms", kFirstWait.count()));
  const auto response = co_await client_.call(method, std::move(command.arguments));
  auto task = json::decode<model::TaskView>(response.body, kLenient);
  if (command.task.no_wait) {
    print(json() ? pretty_json(response.body) : to_text(task.id) + "\n");
    co_return;
  }
  task = co_await see_through(std::move(task));
  print(json() ? pretty_json(json::encode(task)) : outcome_text(task, look()));
  if (task.state == model::TaskState::cancelled) {
    throw Error(
        Reason::task_cancelled,
        fmt::format("{}: cancelled; {}", task.summary,
                    task.parts.empty() ? "nothing is left behind" : "what was done stays done"));
  }
  if (task.error && task.state != model::TaskState::done) {
    const bool stopped = co_await pulled_the_plug(task);
    if (stopped) co_return;
    throw model::to_error(*task.error);
  }
  if (!command.task.wait_state.empty()) {
    if (task.parts.empty()) co_await wait_for_state(task.object, command.task.wait_state);
    for (const auto& part : task.parts) {
      co_await wait_for_state(part.object, command.task.wait_state);
    }
  }
  if (json()) co_return;
  const auto state = command.task.wait_state.empty() ? "done" : command.task.wait_state;
  const auto took =
      task.ended_at ? Duration(task.ended_at->unix_ms - task.created_at.unix_ms) : Duration{0};
  fmt::print("{}: {} ({})\n", task.summary, coloured_state(state, look()), to_text(took));
}

// A guest that ignores its power button: asks whether to stop it the hard way, and does.
Async<bool> Session::pulled_the_plug(const model::TaskView& ended) {
  if (ended.error->reason != reason_info(Reason::guest_ignored_shutdown).name) co_return false;
  if (!can_ask() || !agreed(ended.error->message + ". Pull the plug?")) co_return false;
  client::Arguments arguments;
  arguments.path = {{"vm", to_text(ended.object.id)}};
  const auto response = co_await client_.call(method_named("vm.stop"), std::move(arguments));
  auto task = json::decode<model::TaskView>(response.body, kLenient);
  task = co_await see_through(std::move(task));
  if (task.error) throw model::to_error(*task.error);
  fmt::print("{}: {}\n", task.summary, coloured_state("done", look()));
  co_return true;
}

Async<model::TaskView> Session::see_through(model::TaskView task) {
  if (!model::is_open(task.state)) co_return task;
  ProgressBar bar(parts_.terminal.errors, parts_.clock);
  bar.show(task);
  waiting_for_ = to_text(task.id);
  client::ApiClient::TaskWatch watch;
  watch.progress = [&bar](const model::TaskView& view) { bar.show(view); };
  watch.reconnecting = [&bar] { bar.say("the daemon is away; the task goes on when it returns"); };
  auto ended = co_await client_.wait_for_task(waiting_for_, std::move(watch));
  waiting_for_.clear();
  co_return ended;
}

Async<void> Session::wait_for_state(const model::ObjectRef& object, std::string state) {
  const auto kind = std::string(enum_name(object.kind));
  const auto& show = method_named(kind + ".show");
  const auto field = state_field_of(show);
  const bool agent = kind == "vm" && state == kAgent;
  const Instant end = parts_.clock.now() + (agent ? kAgentLimit : kStateLimit);
  while (true) {
    client::Arguments arguments;
    arguments.path = {{kind, to_text(object.id)}};
    const auto response = co_await client_.call(show, std::move(arguments));
    AnyObject view(show.result());
    decode_or_throw(view, response.body);
    const auto now = human_text(find_value(view.type(), view.get(), field.path));
    if (now == state) co_return;
    if (agent && human_text(find_value(view.type(), view.get(), "status.agent.connected")) == "yes")
      co_return;
    if (now == "crashed" || now == "broken" || (agent && now == "stopped")) {
      throw Error(Reason::hypervisor_failed, fmt::format("{} is {}", object.name, now))
          .remedy(fmt::format("`ruche {} show {}` says why", kind, object.name));
    }
    if (parts_.clock.now() > end) {
      throw Error(Reason::deadline,
                  fmt::format("{} is {} and did not become {}", object.name, now, state))
          .remedy(fmt::format("look at it: ruche {} show {}", kind, object.name));
    }
    co_await sleep_for(parts_.clock, kStateInterval);
  }
}

Async<void> Session::run_follow(FollowCommand command) {
  method_ = methods::find("event.follow");
  client::ApiClient::Follow follow;
  follow.query = std::move(command.query);
  follow.see = [this](const net::ServerSentEvent& event) {
    if (json()) return print(event.data + "\n");
    const auto decoded = json::try_decode<model::Event>(event.data, kLenient);
    if (decoded) print(event_line(*decoded, look()));
  };
  follow.reconnecting = [] { fmt::print(stderr, "the daemon is away; trying again\n"); };
  co_await client_.follow_events(std::move(follow));
}

Async<void> Session::run_tree(TreeCommand command) {
  method_ = methods::find("snapshot.list");
  client::Arguments arguments;
  arguments.path = {{"vm", command.vm}};
  const auto response = co_await client_.call(*method_, std::move(arguments));
  warn_if_stale(response);
  if (json()) co_return print(pretty_json(response.body));
  const auto page = json::decode<methods::Page<model::SnapshotView>>(response.body, kLenient);
  print(snapshot_tree_text(command.vm, page.items, look()));
}

Async<void> Session::run_api(ApiCommand command) {
  net::HttpRequest request;
  request.method = command.verb;
  for (char& c : request.method) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  request.target = command.target;
  request.body = command.body;
  if (command.body == "-") request.body.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
  const auto response = co_await client_.send(std::move(request));
  if (!response.body.empty()) print(pretty_json(response.body));
}

Async<void> Session::run_names(NamesCommand command) {
  const auto* list = methods::find(command.kind + ".list");
  if (list == nullptr) co_return;
  client::Arguments arguments;
  if (list->path_parameters().empty()) {
    arguments.query = {{"limit", "1000"}};
  } else {
    if (command.vm.empty()) co_return;
    arguments.path = {{"vm", command.vm}};
  }
  const auto response = co_await client_.call(*list, std::move(arguments));
  AnyObject page(list->page());
  decode_or_throw(page, response.body);
  const auto items = find_value(page.type(), page.get(), "items");
  for (std::size_t i = 0; i < items.type->size(items.value); ++i) {
    const void* item = items.type->at(items.value, i);
    auto name = human_text(find_value(items.type->element(), item, "name"));
    if (name.empty()) name = human_text(find_value(items.type->element(), item, "id"));
    print(name + "\n");
  }
}

Async<void> Session::run_version() {
  const auto response = co_await client_.call(method_named("meta.show"), {});
  if (json()) co_return print(pretty_json(response.body));
  const auto info = json::decode<methods::ApiInfo>(response.body, kLenient);
  fmt::print("ruche   {}\nruched  {} on {} ({})\n", kVersion, info.version, info.host,
             parts_.endpoint.text());
}

Async<void> Session::run_login(LoginCommand command) {
  return log_in({parts_.clock, parts_.random, parts_.terminal, parts_.contexts_file},
                std::move(command));
}

Async<void> Session::run_logout() {
  return log_out({parts_.clock, parts_.random, parts_.terminal, parts_.contexts_file}, client_,
                 parts_.endpoint);
}

}  // namespace ruche::cli
