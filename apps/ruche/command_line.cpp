#include "command_line.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "command_tree.hpp"
#include "methods/tables.hpp"
#include "suggest.hpp"
#include "values.hpp"

namespace ruche::cli {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw CLI::ValidationError(what); }

// What was given, or what the file holds that it names.
std::string value_of(const BoundMethod& bound, const Bound& slot, const std::string& given) {
  const auto format = slot.field->options.format;
  const bool is_key = format == "ssh-key" && given.find(' ') == given.npos;  // a key has spaces
  const bool one_line = format == "secret-file" || is_key;
  if (format != "file" && !one_line) return given;
  if (bound.environment == nullptr || !bound.environment->read_file) return given;
  auto read = bound.environment->read_file(given);
  if (!read) refuse(fmt::format("{}: {}", slot.option->get_name(), read.error()));
  while (one_line && (read->ends_with('\n') || read->ends_with('\r'))) read->pop_back();
  return std::move(*read);
}

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

// The one argument that says where an image comes from: a path of the host, or a URL.
std::string_view member_of(const methods::Method& method, const Bound& slot) {
  if (method.id == kImport && slot.name == "path" && is_url(slot.values.front())) return "url";
  return slot.name;
}

client::Arguments arguments_of(const BoundMethod& bound) {
  const methods::Method& method = *bound.method;
  client::Arguments arguments;
  std::string members;
  for (const auto& slot : bound.options) {
    if (slot.secret) continue;
    if (slot.option->count() == 0) {
      if (slot.in_path) arguments.path.emplace_back(slot.name, method.default_argument);
      continue;
    }
    if (slot.in_path) {
      arguments.path.emplace_back(slot.name, slot.values.front());
      continue;
    }
    // A file that is sent has no path on the host.
    if (bound.send && slot.name == "path") continue;
    std::string json;
    for (const auto& given : slot.values) {
      const auto value = value_of(bound, slot, given);
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
    members += fmt::format("{}{}:{}", members.empty() ? "" : ",",
                           json::quote(member_of(method, slot)), json);
  }
  if (method.has_body() && (!members.empty() || method.patch)) arguments.body = '{' + members + '}';
  return arguments;
}

std::string file_to_send(const BoundMethod& bound) {
  if (bound.task.dry_run) refuse("--upload sends the file at once: it is no dry run");
  const Bound* path = nullptr;
  for (const auto& slot : bound.options) {
    if (slot.option->count() == 0) continue;
    if (slot.name == "upload") {
      refuse("--upload begins an upload, --upload-id names one: give one of them");
    }
    if (slot.name == "path") path = &slot;
  }
  if (path == nullptr) refuse("--upload needs the path of a file");
  if (is_url(path->values.front())) refuse("--upload sends a file, not a URL");
  return path->values.front();
}

// True for a creation that is to be waited for until it runs, but does not start it.
bool never_starts(const BoundMethod& bound) {
  if (bound.task.wait_state != "running" && bound.task.wait_state != "agent") return false;
  if (bound.method->id == "snapshot.revert") return false;  // one with memory goes on by itself
  return std::any_of(bound.options.begin(), bound.options.end(), [](const Bound& slot) {
    return slot.flag && slot.name == "start" && slot.option->count() == 0;
  });
}

std::vector<SecretArgument> secrets_of(const BoundMethod& bound) {
  std::vector<SecretArgument> secrets;
  for (const auto& slot : bound.options) {
    if (!slot.secret) continue;
    const bool known = !secrets.empty() && secrets.back().field == slot.name;
    if (slot.option->count() > 0 && known) {
      refuse(fmt::format("--{0} and --{0}-stdin contradict each other", flag_name(*slot.field)));
    }
    if (slot.option->count() > 0) {
      secrets.push_back({slot.name, *slot.secret});
    } else if (slot.field->options.required && !known) {
      secrets.push_back({slot.name, SecretSource::terminal});
    }
  }
  return secrets;
}

void check_waiting(const TaskOptions& task) {
  if (task.no_wait && !task.wait_state.empty()) {
    refuse("--wait and --no-wait contradict each other");
  }
}

Command method_command(const BoundMethod& bound) {
  check_waiting(bound.task);
  if (is_for_many(bound)) return bulk_command(bound);
  MethodCommand command;
  command.method = bound.method;
  command.arguments = arguments_of(bound);
  command.task = bound.task;
  command.arguments.if_match = bound.task.if_match;
  command.file = bound.file;
  if (bound.send) command.send_file = file_to_send(bound);
  if (never_starts(bound)) {
    refuse(fmt::format("--wait {} without --start would wait for ever; add --start",
                       bound.task.wait_state));
  }
  command.secrets = secrets_of(bound);
  if (bound.method->patch && command.arguments.body == "{}" && command.secrets.empty())
    refuse("nothing to change was given");
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
  if (tree.exec_app->parsed()) {
    if (!tree.exec_timeout.empty()) {
      const auto timeout = parse_duration(tree.exec_timeout);
      if (!timeout) refuse("--timeout: " + timeout.error());
      tree.exec.timeout = *timeout;
    }
    return tree.exec;
  }
  if (tree.ssh_app->parsed()) return tree.ssh;
  if (tree.vnc_app->parsed()) return tree.vnc;
  if (tree.follow_app->parsed()) return FollowCommand{arguments_of(tree.follow).query};
  if (tree.snapshot_tree_app->parsed()) return tree.snapshot_tree;
  if (tree.api_app->parsed()) return tree.api;
  if (tree.login_app->parsed()) return tree.login;
  if (tree.logout_app->parsed()) return LogoutCommand{};
  for (const auto& [action, app] : tree.context_apps) {
    if (app->parsed()) return ContextCommand{action, tree.context_name};
  }
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
  for (auto& bound : tree.methods) bound.environment = &environment;
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
  invocation.global.socket_given = tree.socket_option->count() > 0;
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
