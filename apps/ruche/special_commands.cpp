#include <fmt/format.h>

#include "command_tree.hpp"

namespace ruche::cli {

namespace {

void add_console(Tree& tree) {
  CLI::App* app = subcommand(group_app(tree, "vm"), "console", "Open the serial console");
  app->add_option("VM", tree.console.vm, "Name or id.")->required()->type_name("");
  app->add_option("--port", tree.console.port, "Another of its serial ports; 0 is the console.")
      ->type_name("PORT")
      ->check(CLI::Range(0U, model::kMostSerialPorts - 1));
  app->add_flag("--no-input", tree.console.no_input, "Only watch.");
  app->add_option("--until", tree.console.until,
                  "End with success when a line matches this extended regular expression.")
      ->type_name("REGEX");
  app->add_option("--timeout", tree.console_timeout, "End with a failure after this time.")
      ->type_name("DURATION");
  app->footer(examples_footer({{"Talk to it; Ctrl-] leaves", "ruche vm console web1"},
                               {"Wait in a script until it has booted",
                                "ruche vm console web1 --no-input --until 'login:' --timeout 60s"},
                               {"Its second serial port", "ruche vm console web1 --port 1"}}));
  tree.console_app = app;
}

void add_exec(Tree& tree) {
  const auto& method = *methods::find("vm.exec");
  CLI::App* app = subcommand(group_app(tree, "vm"), "exec", std::string(method.summary));
  app->add_option("VM", tree.exec.vm, "Name or id.")->required()->type_name("");
  app->add_option("COMMAND", tree.exec.words, "Program and arguments, behind `--`.")
      ->required()
      ->type_name("");
  app->add_option("--env", tree.exec.environment, "NAME=value for it (may be repeated).")
      ->type_name("TEXT")
      ->expected(1, 256)
      ->allow_extra_args(false);
  app->add_flag("-i,--stdin", tree.exec.with_input, "Give it our standard input.");
  app->add_option("--timeout", tree.exec_timeout, "How long it may take [60s].")
      ->type_name("DURATION");
  app->footer(examples_footer(
      {{"Which kernel", "ruche vm exec web1 -- uname -a"},
       {"With a shell", "ruche vm exec web1 -- sh -c 'df -h | grep vda'"}},
      "Its exit code becomes ours. No shell reads the command; its input is empty without -i."));
  tree.exec_app = app;
}

void add_ssh(Tree& tree) {
  CLI::App* app = subcommand(group_app(tree, "vm"), "ssh", "Log in with SSH");
  app->add_option("VM", tree.ssh.vm, "Name or id.")->required()->type_name("");
  app->add_option("ARGUMENT", tree.ssh.words, "For ssh, behind `--`: a command to run.")
      ->type_name("");
  app->add_option("-l,--user", tree.ssh.user, "Log in as this user; else as its first user.")
      ->type_name("NAME");
  app->add_option("-i,--identity", tree.ssh.identity, "The private key to use.")->type_name("PATH");
  app->footer(examples_footer(
      {{"A shell", "ruche vm ssh web1"}, {"One command", "ruche vm ssh web1 -- uptime"}},
      "The guest's host key comes from its agent where that answers."));
  tree.ssh_app = app;
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

void add_snapshot_tree(Tree& tree) {
  CLI::App* app =
      subcommand(group_app(tree, "snapshot"), "tree", "Draw the snapshots of a virtual machine");
  app->add_option("VM", tree.snapshot_tree.vm, "Name or id.")->required()->type_name("");
  app->footer(examples_footer(
      {{"Where it is, and what it can go back to", "ruche snapshot tree web1"}},
      "Each was taken after the one above it; what is indented branched off from that one. With "
      "-o json it is the list."));
  tree.snapshot_tree_app = app;
}

void add_login(Tree& tree) {
  CLI::App* app = subcommand(tree.app, "login", "Log in to a server and remember it");
  LoginCommand& login = tree.login;
  app->add_option("URL", login.url, "Its address: https://host1:9443.")->required()->type_name("");
  app->add_option("--user", login.user, "Who you are there.")->type_name("NAME");
  app->add_option("--name", login.name, "Name of the context; the server's by default.")
      ->type_name("NAME");
  app->add_option("--fingerprint", login.fingerprint,
                  "Trust exactly this certificate, without asking.")
      ->type_name("SHA256:…");
  app->add_flag("-y,--yes", login.yes,
                "Trust the certificate of a server seen for the first time.");
  app->add_flag("--password-stdin", login.password_stdin, "Read the password from standard input.");
  app->footer(examples_footer(
      {{"Shows the certificate's fingerprint and asks", "ruche login https://host1:9443"},
       {"In a script",
        "ruche login host1 --user alice --fingerprint SHA256:AB:… --password-stdin <password"}},
      "The password is asked for on the terminal; it is never an argument. What was learned is "
      "kept "
      "as a context, which all commands use from then on."));
  tree.login_app = app;
  tree.logout_app = subcommand(tree.app, "logout", "End the session of the context in use");
  tree.logout_app->footer(examples_footer(
      {{"Of the one in use", "ruche logout"}, {"Of another", "ruche logout --context host2"}}));
}

void add_contexts(Tree& tree) {
  const auto add = [&](ContextAction action, const char* word, const char* text,
                       std::vector<methods::Example> examples) {
    CLI::App* app = subcommand(group_app(tree, "context"), word, text);
    if (action == ContextAction::use || action == ContextAction::remove) {
      app->add_option("CONTEXT", tree.context_name, "Its name; `local`: the socket.")
          ->required()
          ->type_name("");
    }
    app->footer(examples_footer(examples));
    tree.context_apps[action] = app;
  };
  add(ContextAction::list, "list", "List the servers that were logged in to",
      {{"All of them", "ruche context list"}});
  add(ContextAction::use, "use", "Choose the server that commands talk to",
      {{"Another server", "ruche context use host2"},
       {"This machine's own daemon", "ruche context use local"}});
  add(ContextAction::show, "show", "Show the server that commands talk to",
      {{"With its fingerprint", "ruche context show"}});
  add(ContextAction::remove, "remove", "Forget a server",
      {{"With its token", "ruche context remove host2"}});
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
  tree.names_app->add_option("VM", tree.names.vm);
  tree.names_app->group("");
}

void add_vnc(Tree& tree) {
  CLI::App* app = subcommand(group_app(tree, "vm"), "vnc", "Open the screen to a VNC viewer");
  app->add_option("VM", tree.vnc.vm, "Name or id.")->required()->type_name("");
  auto* port =
      app->add_option("--port", tree.vnc.port, "Port of 127.0.0.1; any free one if absent.")
          ->type_name("PORT")
          ->check(CLI::Range(1, 65535));
  app->add_option("--unix", tree.vnc.unix_socket, "A unix socket instead of a port.")
      ->type_name("PATH")
      ->excludes(port);
  app->add_flag("--once", tree.vnc.once, "End when the first viewer leaves.");
  app->footer(examples_footer(
      {{"Say where a viewer connects, and wait for viewers", "ruche vm vnc web1"},
       {"Where other users of this machine must not look",
        "ruche vm vnc web1 --unix /run/user/1000/web1"}},
      "Carries a local port to the guest's screen until it is interrupted. Everybody on this "
      "machine may connect to a port of 127.0.0.1; a unix socket is yours alone."));
  tree.vnc_app = app;
}

}  // namespace

void add_special_commands(Tree& tree) {
  add_console(tree);
  add_exec(tree);
  add_ssh(tree);
  add_vnc(tree);
  add_follow(tree);
  add_snapshot_tree(tree);
  add_login(tree);
  add_contexts(tree);
  add_tools(tree);
}

}  // namespace ruche::cli
