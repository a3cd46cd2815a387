// The command line: a CLI11 tree made from the method records, and what the user asked for.
#pragma once

#include <expected>
#include <functional>
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
  bool socket_given = false;  // on the command line
  std::string context;        // empty: not given on the command line
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

enum class SecretSource { terminal, standard_input };
// A secret of a request, and where it is read from: never from the command line.
struct SecretArgument {
  std::string field;
  SecretSource source = SecretSource::terminal;
};

struct MethodCommand {
  const methods::Method* method = nullptr;
  client::Arguments arguments;
  std::vector<SecretArgument> secrets;
  TaskOptions task;
  bool all_pages = false;  // of a list: no --limit was given
  std::string send_file;   // of image import: the file to upload first
  std::string file;        // of an answer of bytes: where to; "-" is standard output
};
struct ConsoleCommand {
  std::string vm;
  std::uint32_t port = 0;
  bool no_input = false;
  std::string until;                // extended regular expression on one line of output
  std::optional<Duration> timeout;
};
struct ExecCommand {
  std::string vm;
  std::vector<std::string> words;
  std::vector<std::string> environment;
  bool with_input = false;
  std::optional<Duration> timeout;
};
struct SshCommand {
  std::string vm;
  std::string user;
  std::string identity;
  std::vector<std::string> words;  // for ssh, behind the host
};
struct VncCommand {
  std::string vm;
  std::uint16_t port = 0;   // of 127.0.0.1; 0: any
  std::string unix_socket;  // instead of a port
  bool once = false;        // end with the first viewer
};
struct FollowCommand {
  net::Query query;
};
struct TreeCommand {  // of a VM's snapshots
  std::string vm;
};
struct ApiCommand {
  std::string verb, target, body;
};
struct LoginCommand {
  std::string url, name, user;
  std::string fingerprint;  // of the certificate to trust; empty: look at it and ask
  bool yes = false;         // trust it unseen, when it is the first one
  bool password_stdin = false;
};
struct LogoutCommand {};
enum class ContextAction { list, use, show, remove };
struct ContextCommand {
  ContextAction action = ContextAction::list;
  std::string name;
};
struct CompletionCommand {
  std::string shell;
};
struct NamesCommand {  // for completion: the names of a kind of object
  std::string kind;
  std::string vm;  // of what belongs to one: snapshots, schedules
};
struct DocsCommand {
  std::string directory;
};
struct VersionCommand {};
struct HelpText {  // asked for, or what is wrong with the command line
  std::string text;
  int exit_code = 0;
};

using Command =
    std::variant<HelpText, MethodCommand, ConsoleCommand, ExecCommand, SshCommand, VncCommand,
                 FollowCommand, TreeCommand, ApiCommand, LoginCommand, LogoutCommand,
                 ContextCommand, CompletionCommand, NamesCommand, DocsCommand, VersionCommand>;

struct Invocation {
  GlobalOptions global;
  Command command;
};

struct Environment {
  std::optional<std::string> socket;  // RUCHE_SOCKET
  std::string context = {};           // RUCHE_CONTEXT
  std::string url = {};               // RUCHE_URL
  std::string token = {};             // RUCHE_TOKEN
  std::string fingerprint = {};       // RUCHE_FINGERPRINT
  std::string contexts_file = {};  // where `ruche login` keeps what it learned; empty: nowhere
  // What a file holds ("-": standard input); the error is a sentence. Without it names stay names.
  std::function<std::expected<std::string, std::string>(const std::string&)> read_file = {};
};

inline constexpr const char* kDefaultSocket = "/run/ruche/ruche.sock";

// `arguments` without the program's name. Does nothing but look at them, and read the files that
// they name where the environment has a way to.
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
