// The command line: a CLI11 tree made from the method records, and what the user asked for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/api_client.hpp"
#include "methods/method.hpp"

namespace ruche::cli {

enum class Output { table, json };

struct GlobalOptions {
  std::string socket;
  Output output = Output::table;
};

// How to see a task through.
struct TaskOptions {
  bool no_wait = false;
  std::string wait_state;  // --wait running
  bool dry_run = false;
  bool yes = false;
  std::string if_match;
};

struct MethodCommand {
  const methods::Method* method = nullptr;
  client::Arguments arguments;
  TaskOptions task;
  bool all_pages = false;  // of a list: no --limit was given
};
struct ConsoleCommand {
  std::string vm;
  bool no_input = false;
  std::string until;                // extended regular expression on one line of output
  std::optional<Duration> timeout;
};
struct FollowCommand {
  net::Query query;
};
struct ApiCommand {
  std::string verb, target, body;
};
struct CompletionCommand {
  std::string shell;
};
struct NamesCommand {  // for completion: the names of a kind of object
  std::string kind;
};
struct DocsCommand {
  std::string directory;
};
struct VersionCommand {};
struct HelpText {  // asked for, or what is wrong with the command line
  std::string text;
  int exit_code = 0;
};

using Command = std::variant<HelpText, MethodCommand, ConsoleCommand, FollowCommand, ApiCommand,
                             CompletionCommand, NamesCommand, DocsCommand, VersionCommand>;

struct Invocation {
  GlobalOptions global;
  Command command;
};

struct Environment {
  std::optional<std::string> socket;  // RUCHE_SOCKET
};

inline constexpr const char* kDefaultSocket = "/run/ruche/ruche.sock";

// `arguments` without the program's name. Does nothing but look at them.
Invocation parse(const std::vector<std::string>& arguments, const Environment& environment);

// The tree as data, for manual pages and completion.
struct OptionDoc {
  std::string name;  // "--memory", "-o,--output", "vm" of a positional
  std::string hint;  // SIZE, running|stopped; empty: takes no value
  std::string help;
  bool positional = false;
  bool required = false;
};
struct CommandDoc {
  std::string words;  // "vm create"; empty: ruche itself
  std::string summary;
  std::string footer;
  std::vector<OptionDoc> options;
  std::vector<std::string> children;  // the next words
};
std::vector<CommandDoc> command_docs();

// "web1" or "--memory": what a user wrote for the field of a request ("/memory_bytes").
std::string flag_of_field(const methods::Method& method, std::string_view field_path);

}  // namespace ruche::cli
