// The tree of commands while a command line is parsed: what CLI11 writes to. Internal to the
// command line.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command_line.hpp"

namespace ruche::cli {

// An import can send a file of this machine.
inline constexpr std::string_view kImport = "image.import";

// What one option collected.
struct Bound {
  const FieldInfo* field = nullptr;  // null: a path parameter that is no field of the request
  std::string name;                  // of the path parameter, or of the field
  bool in_path = false;
  bool flag = false;
  std::optional<SecretSource> secret;  // a flag that says where the value is read from
  std::vector<std::string> values;
  CLI::Option* option = nullptr;
};

struct BoundMethod {
  const methods::Method* method = nullptr;
  const Environment* environment = nullptr;
  CLI::App* app = nullptr;
  std::deque<Bound> options;
  TaskOptions task;
  std::string filter;  // of a verb that many VMs can be given
  CLI::Option* filter_option = nullptr;
  bool send = false;  // --upload
  std::string file;
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
  CLI::App* exec_app = nullptr;
  ExecCommand exec;
  std::string exec_timeout;
  CLI::App* ssh_app = nullptr;
  SshCommand ssh;
  CLI::App* vnc_app = nullptr;
  VncCommand vnc;
  CLI::App* follow_app = nullptr;
  BoundMethod follow;
  CLI::App* snapshot_tree_app = nullptr;
  TreeCommand snapshot_tree;
  CLI::App* api_app = nullptr;
  ApiCommand api;
  CLI::App* login_app = nullptr;
  LoginCommand login;
  CLI::App* logout_app = nullptr;
  std::map<ContextAction, CLI::App*> context_apps;
  std::string context_name;
  CLI::Option* socket_option = nullptr;
  CLI::App* completion_app = nullptr;
  CompletionCommand completion;
  CLI::App* names_app = nullptr;
  NamesCommand names;
  CLI::App* docs_app = nullptr;
  DocsCommand docs;
  CLI::App* version_app = nullptr;
};

// Bound addresses stay: the tree is filled once and not moved.
void fill(Tree& tree, const Environment& environment);

// --- for what fills it ----------------------------------------------------------------------

std::string examples_footer(const std::vector<methods::Example>& examples,
                            std::string_view description = {});
CLI::App* subcommand(CLI::App& parent, const std::string& name, const std::string& description);
// The app of a group of commands, "vm" or "host certificate".
CLI::App& group_app(Tree& tree, std::string_view words);
// Unlike CLI11's own check it adds nothing to the help.
std::function<std::string(const std::string&)> one_of(std::vector<std::string> words);
// Options and arguments for the fields of its method's request.
void add_fields(BoundMethod& bound);
// --filter in place of names; the first argument takes several.
void add_bulk_options(BoundMethod& bound);
// Whether several names or a filter were given; refuses both and neither.
bool is_for_many(const BoundMethod& bound);
// The request for all of them.
MethodCommand bulk_command(const BoundMethod& bound);
// The commands that are no methods.
void add_special_commands(Tree& tree);

// "memory" → "MEMORY".
std::string upper(std::string_view name);

}  // namespace ruche::cli
