#include "command_line.hpp"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <deque>

#include "base/json.hpp"
#include "methods/tables.hpp"
#include "suggest.hpp"
#include "values.hpp"

namespace ruche::cli {

namespace {

constexpr std::string_view kGlobalFooter =
    "Everywhere: --socket PATH (RUCHE_SOCKET), -o table|json, --help.";

// What one option collected.
struct Bound {
  const FieldInfo* field = nullptr;  // null: a path parameter that is no field of the request
  std::string name;                  // of the path parameter, or of the field
  bool in_path = false;
  bool flag = false;
  std::vector<std::string> values;
  CLI::Option* option = nullptr;
};

struct BoundMethod {
  const methods::Method* method = nullptr;
  CLI::App* app = nullptr;
  std::deque<Bound> options;
  TaskOptions task;
};

// The whole tree with everything its options write to.
struct Tree {
  CLI::App app{"Virtual machines on one host or many.", "ruche"};
  GlobalOptions global;
  std::string output = "table";
  std::deque<BoundMethod> methods;
  CLI::App* console_app = nullptr;
  ConsoleCommand console;
  std::string console_timeout;
  CLI::App* follow_app = nullptr;
  BoundMethod follow;
  CLI::App* api_app = nullptr;
  ApiCommand api;
  CLI::App* completion_app = nullptr;
  CompletionCommand completion;
  CLI::App* names_app = nullptr;
  NamesCommand names;
  CLI::App* docs_app = nullptr;
  DocsCommand docs;
  CLI::App* version_app = nullptr;
};

std::string examples_footer(const std::vector<methods::Example>& examples,
                            std::string_view description = {}) {
  std::string text(description);
  if (!text.empty()) text += "\n\n";
  if (!examples.empty()) text += "Examples:\n";
  for (const auto& example : examples) {
    text += fmt::format("  # {}\n  {}\n", example.title, example.command);
  }
  if (!text.empty()) text += '\n';
  return text + std::string(kGlobalFooter);
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

std::string upper(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

void add_positional(BoundMethod& bound, std::string_view name, const FieldInfo* field,
                    bool required) {
  auto& slot = bound.options.emplace_back(Bound{.field = field, .name = std::string(name)});
  const auto path = bound.method->path_parameters();
  slot.in_path = std::find(path.begin(), path.end(), name) != path.end();
  std::string doc = "Name or id.";
  if (field != nullptr) doc = field->doc;
  slot.option = bound.app->add_option(upper(name), slot.values, doc);
  slot.option->expected(1)->allow_extra_args(false)->type_name("");
  if (required) slot.option->required();
}

void add_flag(BoundMethod& bound, const FieldInfo& field) {
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

void add_task_options(BoundMethod& bound) {
  CLI::App& app = *bound.app;
  TaskOptions& task = bound.task;
  constexpr const char* kGroup = "Task";
  app.add_option("--wait", task.wait_state,
                 "Wait until the object is in this state (running, stopped, ready, …).")
      ->type_name("STATE")
      ->expected(1)
      ->group(kGroup);
  app.add_flag("--no-wait", task.no_wait, "Do not wait; print the task's id.")->group(kGroup);
  app.add_flag("--dry-run", task.dry_run, "Show what would be done, change nothing.")
      ->group(kGroup);
  const methods::Method& method = *bound.method;
  if (method.request().find_field("purge") != nullptr) {
    app.add_flag("-y,--yes", task.yes, "Do not ask.")->group(kGroup);
  }
  if (method.patch || method.verb == methods::Verb::delete_) {
    app.add_option("--if-match", task.if_match, "Only if the object still has this etag.")
        ->type_name("ETAG")
        ->expected(1)
        ->group(kGroup);
  }
}

CLI::App* subcommand(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->fallthrough();
  return app;
}

// Unlike CLI11's own check it adds nothing to the help.
std::function<std::string(const std::string&)> one_of(std::vector<std::string> words) {
  return [words = std::move(words)](const std::string& given) {
    if (std::find(words.begin(), words.end(), given) != words.end()) return std::string();
    return fmt::format("\"{}\" is not one of {}", given, fmt::join(words, ", "));
  };
}

const std::map<std::string_view, std::string_view>& group_texts() {
  static const std::map<std::string_view, std::string_view> texts = {
      {"vm", "Virtual machines"},           {"image", "What virtual machines start from"},
      {"datastore", "Storage pools"},       {"task", "Long operations"},
      {"host", "Machines that run ruched"}, {"setting", "Settings of the whole cluster"},
      {"event", "What happened"},
  };
  return texts;
}

CLI::App& group_app(Tree& tree, std::string_view name) {
  for (CLI::App* app : tree.app.get_subcommands([](CLI::App*) { return true; })) {
    if (app->get_name() == name) return *app;
  }
  const auto text = group_texts().find(name);
  CLI::App* app = subcommand(tree.app, std::string(name),
                             std::string(text == group_texts().end() ? name : text->second));
  app->require_subcommand(1);
  return *app;
}

void add_method(Tree& tree, const methods::Method& method) {
  const auto space = method.command.find(' ');
  CLI::App& group = group_app(tree, method.command.substr(0, space));
  auto& bound = tree.methods.emplace_back();
  bound.method = &method;
  bound.app =
      subcommand(group, std::string(method.command.substr(space + 1)), std::string(method.summary));
  bound.app->footer(examples_footer(method.examples, method.description));
  add_fields(bound);
  if (method.answer == methods::Answer::task) add_task_options(bound);
}

void add_console(Tree& tree) {
  CLI::App* app = subcommand(group_app(tree, "vm"), "console", "Open the serial console");
  app->add_option("VM", tree.console.vm, "Name or id.")->required()->type_name("");
  app->add_flag("--no-input", tree.console.no_input, "Only watch.");
  app->add_option("--until", tree.console.until,
                  "End with success when a line matches this extended regular expression.")
      ->type_name("REGEX");
  app->add_option("--timeout", tree.console_timeout, "End with a failure after this time.")
      ->type_name("DURATION");
  app->footer(
      examples_footer({{"Talk to it; Ctrl-] leaves", "ruche vm console web1"},
                       {"Wait in a script until it has booted",
                        "ruche vm console web1 --no-input --until 'login:' --timeout 60s"}}));
  tree.console_app = app;
}

void add_follow(Tree& tree) {
  CLI::App* app = subcommand(group_app(tree, "event"), "follow", "Print events as they happen");
  tree.follow.method = methods::find("event.follow");
  tree.follow.app = app;
  add_fields(tree.follow);
  app->footer(examples_footer(
      {{"Everything", "ruche event follow"},
       {"One VM, for a program", "ruche event follow --kind vm --object web1 -o json"}}));
  tree.follow_app = app;
}

void add_tools(Tree& tree) {
  tree.api_app = subcommand(tree.app, "api", "Send a request to the API as it is");
  tree.api_app->add_option("METHOD", tree.api.verb, "GET, POST, PATCH, DELETE, …")
      ->required()
      ->type_name("");
  tree.api_app->add_option("PATH", tree.api.target, "Path with its query.")
      ->required()
      ->type_name("");
  tree.api_app->add_option("BODY", tree.api.body, "JSON; `-`: standard input.")->type_name("");
  tree.api_app->footer(
      examples_footer({{"Read", "ruche api GET '/v1/vms?filter=state=running'"},
                       {"Change", R"(ruche api PATCH /v1/vms/web1 '{"cpus": 2}')"}}));
  tree.completion_app =
      subcommand(tree.app, "completion", "Print the completion script of a shell");
  tree.completion_app->add_option("SHELL", tree.completion.shell, "Which shell.")
      ->required()
      ->type_name("bash|zsh|fish")
      ->check(one_of({"bash", "zsh", "fish"}));
  tree.completion_app->footer(examples_footer({{"Now", "source <(ruche completion bash)"}}));
  tree.docs_app =
      subcommand(tree.app, "man", "Write the manual pages and completion scripts into a directory");
  tree.docs_app->add_option("DIRECTORY", tree.docs.directory, "Where to.")
      ->required()
      ->type_name("");
  tree.docs_app->footer(examples_footer({{"Into a package", "ruche man debian/tmp"}}));
  tree.version_app =
      subcommand(tree.app, "version", "Print the versions of this command and of the daemon");
  tree.names_app = subcommand(tree.app, "__names", "");
  tree.names_app->add_option("KIND", tree.names.kind)->required();
  tree.names_app->group("");
}

// Bound addresses stay: the tree is filled once and not moved.
void fill(Tree& tree, const Environment& environment) {
  CLI::App& app = tree.app;
  tree.global.socket = environment.socket.value_or(kDefaultSocket);
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "Print this help and exit.");
  app.get_formatter()->column_width(34);
  app.add_option("--socket", tree.global.socket, "Socket of the daemon (RUCHE_SOCKET).")
      ->type_name("PATH");
  app.add_option("-o,--output", tree.output, "How to print: table, or the API's JSON.")
      ->type_name("table|json")
      ->check(one_of({"table", "json"}));
  for (const auto& method : methods::all()) {
    if (!method.command.empty()) add_method(tree, method);
  }
  add_console(tree);
  add_follow(tree);
  add_tools(tree);
  app.footer("`ruche vm create --help` shows a command with examples.");
}

[[noreturn]] void refuse(const std::string& what) { throw CLI::ValidationError(what); }

client::Arguments arguments_of(const BoundMethod& bound) {
  const methods::Method& method = *bound.method;
  client::Arguments arguments;
  std::string members;
  for (const auto& slot : bound.options) {
    if (slot.option->count() == 0) {
      if (slot.in_path) arguments.path.emplace_back(slot.name, method.default_argument);
      continue;
    }
    if (slot.in_path) {
      arguments.path.emplace_back(slot.name, slot.values.front());
      continue;
    }
    std::string json;
    for (const auto& value : slot.values) {
      const TypeInfo& type =
          is_list(*slot.field) ? slot.field->type().element() : slot.field->type();
      // `--tag ''` empties a list.
      if (is_list(*slot.field) && method.patch && value.empty() && slot.values.size() == 1)
        continue;
      const auto text =
          method.has_body() ? json_of(type, value, method.patch) : query_text_of(type, value);
      if (!text) refuse(fmt::format("{}: {}", slot.option->get_name(), text.error()));
      if (!method.has_body()) arguments.query.emplace_back(slot.name, *text);
      json += (json.empty() ? "" : ",") + *text;
    }
    if (is_list(*slot.field)) json = '[' + json + ']';
    members += fmt::format("{}{}:{}", members.empty() ? "" : ",", json::quote(slot.name), json);
  }
  if (method.has_body() && (!members.empty() || method.patch)) arguments.body = '{' + members + '}';
  return arguments;
}

// True for a creation that is to be waited for until it runs, but does not start it.
bool never_starts(const BoundMethod& bound) {
  if (bound.task.wait_state != "running") return false;
  return std::any_of(bound.options.begin(), bound.options.end(), [](const Bound& slot) {
    return slot.flag && slot.name == "start" && slot.option->count() == 0;
  });
}

Command method_command(const BoundMethod& bound) {
  MethodCommand command;
  command.method = bound.method;
  command.arguments = arguments_of(bound);
  command.task = bound.task;
  command.arguments.if_match = bound.task.if_match;
  if (bound.task.no_wait && !bound.task.wait_state.empty()) {
    refuse("--wait and --no-wait contradict each other");
  }
  if (never_starts(bound)) {
    refuse("--wait running without --start would wait for ever; add --start");
  }
  if (bound.method->patch && command.arguments.body == "{}") refuse("nothing to change was given");
  if (bound.method->answer == methods::Answer::list) {
    const auto& query = command.arguments.query;
    command.all_pages =
        std::none_of(query.begin(), query.end(), [](const auto& p) { return p.first == "limit"; });
  }
  return command;
}

Command chosen(Tree& tree) {
  for (const auto& bound : tree.methods) {
    if (bound.app->parsed()) return method_command(bound);
  }
  if (tree.console_app->parsed()) {
    if (!tree.console_timeout.empty()) {
      const auto timeout = parse_duration(tree.console_timeout);
      if (!timeout) refuse("--timeout: " + timeout.error());
      tree.console.timeout = *timeout;
    }
    return tree.console;
  }
  if (tree.follow_app->parsed()) return FollowCommand{arguments_of(tree.follow).query};
  if (tree.api_app->parsed()) return tree.api;
  if (tree.completion_app->parsed()) return tree.completion;
  if (tree.names_app->parsed()) return tree.names;
  if (tree.docs_app->parsed()) return tree.docs;
  return VersionCommand{};
}

// The app whose help belongs to the error: the deepest that was named.
CLI::App& deepest(CLI::App& app) {
  for (CLI::App* child : app.get_subcommands()) return deepest(*child);
  return app;
}

std::string full_name(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return full_name(*app.get_parent()) + " " + app.get_name();
}

std::string usage_error(CLI::App& root, const CLI::ParseError& error) {
  CLI::App& app = deepest(root);
  std::string what = error.what();
  std::string text = fmt::format("ruche: {}\n", what);
  std::vector<std::string> known;
  for (const CLI::App* child : app.get_subcommands([](CLI::App*) { return true; })) {
    if (!child->get_group().empty()) known.push_back(child->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) known.push_back("--" + name);
  }
  const auto extras = root.remaining(true);
  if (!extras.empty()) {
    text = fmt::format("ruche: \"{}\" is not known here\n", extras.front());
    if (const auto close = closest(extras.front(), known))
      text += fmt::format("  did you mean {}?\n", *close);
  }
  return text + fmt::format("  try `{} --help`\n", full_name(app));
}

}  // namespace

Invocation parse(const std::vector<std::string>& arguments, const Environment& environment) {
  Tree tree;
  fill(tree, environment);
  Invocation invocation;
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    if (arguments.empty()) throw CLI::CallForHelp();
    tree.app.parse(reversed);
    invocation.command = chosen(tree);
  } catch (const CLI::CallForHelp&) {
    invocation.command = HelpText{tree.app.help(), 0};
  } catch (const CLI::ParseError& error) {
    invocation.command = HelpText{usage_error(tree.app, error), 2};
  }
  invocation.global = tree.global;
  invocation.global.output = tree.output == "json" ? Output::json : Output::table;
  return invocation;
}

namespace {

void collect_docs(const CLI::App& app, std::string words, std::vector<CommandDoc>& docs) {
  CommandDoc doc{.words = words, .summary = app.get_description(), .footer = app.get_footer()};
  for (const CLI::Option* option : app.get_options()) {
    OptionDoc& out = doc.options.emplace_back();
    out.positional = option->get_positional();
    out.name = out.positional ? option->get_name() : option->get_name(false, true);
    out.hint = option->get_items_expected_max() == 0 ? "" : option->get_type_name();
    out.help = option->get_description();
    out.required = option->get_required();
  }
  const auto children =
      app.get_subcommands([](const CLI::App* child) { return !child->get_group().empty(); });
  for (const CLI::App* child : children) doc.children.push_back(child->get_name());
  docs.push_back(std::move(doc));
  for (const CLI::App* child : children) {
    collect_docs(*child, words.empty() ? child->get_name() : words + " " + child->get_name(), docs);
  }
}

}  // namespace

std::vector<CommandDoc> command_docs() {
  Tree tree;
  fill(tree, {});
  std::vector<CommandDoc> docs;
  collect_docs(tree.app, "", docs);
  return docs;
}

std::string flag_of_field(const methods::Method& method, std::string_view field_path) {
  if (!field_path.starts_with('/') || method.request == nullptr) return std::string(field_path);
  const auto rest = field_path.substr(1);
  const auto slash = std::min(rest.find('/'), rest.size());
  const FieldInfo* field = method.request().find_field(rest.substr(0, slash));
  const auto path = method.path_parameters();
  const bool in_path = std::find(path.begin(), path.end(), rest.substr(0, slash)) != path.end();
  if (in_path || (field != nullptr && field->options.positional)) {
    return upper(rest.substr(0, slash));
  }
  if (field == nullptr) return std::string(field_path);
  const auto below =
      slash == rest.size() ? std::string() : fmt::format(" ({})", rest.substr(slash + 1));
  return "--" + flag_name(*field) + below;
}

}  // namespace ruche::cli
