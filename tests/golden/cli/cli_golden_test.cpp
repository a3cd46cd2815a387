// What the command line makes of its arguments, its help, and what its answers look like.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "bulk.hpp"
#include "command_line.hpp"
#include "docs.hpp"
#include "golden.hpp"
#include "methods/tables.hpp"
#include "model/passthrough.hpp"
#include "output.hpp"
#include "session.hpp"
#include "show_host.hpp"
#include "show_vm.hpp"

namespace ruche::cli {
namespace {

constexpr Look kLook{false, {1'800'000'000'000}};

std::string request_text(const MethodCommand& command) {
  auto text =
      fmt::format("{}\n{} {}\n", command.method->id, methods::to_string(command.method->verb),
                  client::target_of(*command.method, command.arguments));
  if (!command.arguments.body.empty()) text += command.arguments.body + "\n";
  const auto& task = command.task;
  if (!task.wait_state.empty()) text += "wait for " + task.wait_state + "\n";
  if (task.no_wait) text += "no wait\n";
  if (task.dry_run) text += "dry run\n";
  if (task.yes) text += "yes\n";
  if (!command.send_file.empty()) text += "send " + command.send_file + "\n";
  if (!command.file.empty()) text += "into " + command.file + "\n";
  if (!command.arguments.if_match.empty()) text += "if match " + command.arguments.if_match + "\n";
  return text;
}

std::string invocation_text(const std::string& input) {
  const auto invocation = parse(json::decode<std::vector<std::string>>(input), {"/env.sock"});
  std::string text = fmt::format("socket {}\n", invocation.global.socket);
  if (!invocation.global.context.empty()) text += "context " + invocation.global.context + "\n";
  if (invocation.global.output == Output::json) text += "as json\n";
  if (const auto* help = std::get_if<HelpText>(&invocation.command)) {
    return fmt::format("exit {}\n{}", help->exit_code, help->text);
  }
  if (const auto* method = std::get_if<MethodCommand>(&invocation.command))
    return text + request_text(*method);
  if (const auto* console = std::get_if<ConsoleCommand>(&invocation.command)) {
    const auto port = console->port > 0 ? fmt::format(" port={}", console->port) : "";
    return text + fmt::format("console {}{} input={} until={} timeout={}\n", console->vm, port,
                              !console->no_input, console->until,
                              console->timeout ? to_text(*console->timeout) : "none");
  }
  if (const auto* exec = std::get_if<ExecCommand>(&invocation.command)) {
    return text + fmt::format("exec {} env={} input={} timeout={}\n{}\n", exec->vm,
                              fmt::join(exec->environment, ","), exec->with_input,
                              exec->timeout ? to_text(*exec->timeout) : "none",
                              fmt::join(exec->words, "\n"));
  }
  if (const auto* ssh = std::get_if<SshCommand>(&invocation.command)) {
    return text + fmt::format("ssh {} user={} identity={}\n{}\n", ssh->vm, ssh->user, ssh->identity,
                              fmt::join(ssh->words, "\n"));
  }
  if (const auto* vnc = std::get_if<VncCommand>(&invocation.command)) {
    return text + fmt::format("vnc {} port={} unix={} once={}\n", vnc->vm, vnc->port,
                              vnc->unix_socket, vnc->once);
  }
  if (const auto* follow = std::get_if<FollowCommand>(&invocation.command)) {
    return text + "follow " + net::make_target("", follow->query) + "\n";
  }
  if (const auto* tree = std::get_if<TreeCommand>(&invocation.command)) {
    return text + fmt::format("tree {}\n", tree->vm);
  }
  if (const auto* api = std::get_if<ApiCommand>(&invocation.command)) {
    return text + fmt::format("api {} {} {}\n", api->verb, api->target, api->body);
  }
  if (const auto* login = std::get_if<LoginCommand>(&invocation.command)) {
    return text + fmt::format("login {} user={} name={} fingerprint={} yes={} stdin={}\n",
                              login->url, login->user, login->name, login->fingerprint, login->yes,
                              login->password_stdin);
  }
  if (const auto* context = std::get_if<ContextCommand>(&invocation.command)) {
    return text +
           fmt::format("context action {} {}\n", static_cast<int>(context->action), context->name);
  }
  return text + "another command\n";
}

TEST(CliGolden, Arguments) { golden::check_area("cli_arguments", invocation_text); }

std::string table_of(std::string_view id, const std::string& input) {
  const auto& method = *methods::find(id);
  AnyObject page(method.page());
  auto ok = json::decode_into(page.type(), page.get(), input,
                              {.unknown_fields = json::UnknownFields::ignore});
  if (!ok) return ok.error().full_message() + "\n";
  return table_text(method, page, kLook);
}

TEST(CliGolden, VmTable) {
  golden::check_area("cli_vm_table",
                     [](const std::string& input) { return table_of("vm.list", input); });
}

TEST(CliGolden, PoolTable) {
  golden::check_area("cli_pool_table",
                     [](const std::string& input) { return table_of("pool.list", input); });
}

// What a made-up host has, judged.
TEST(CliGolden, HostDevices) {
  golden::check_area("cli_host_devices", [](const std::string& input) {
    const auto facts = json::decode<model::HostFacts>(input);
    const methods::Page<model::HostDeviceView> page{model::host_devices(facts), {}};
    return table_of("host.devices", json::encode(page));
  });
}

TEST(CliGolden, VmDetails) {
  golden::check_area("cli_vm_show", [](const std::string& input) {
    return vm_text(json::decode<model::VmView>(input), kLook);
  });
}

TEST(CliGolden, HostDetails) {
  golden::check_area("cli_host_show", [](const std::string& input) {
    return host_text(json::decode<model::HostView>(input), {});
  });
}

// Errors as the user sees them; the input is the server's problem and the method it was about.
struct ErrorCase {
  std::string method;
  model::Problem problem;
};
constexpr auto describe(Type<ErrorCase>) {
  return structure<ErrorCase>("ErrorCase", "An error.",
                              field<&ErrorCase::method>("method", "Method."),
                              field<&ErrorCase::problem>("problem", "Problem."));
}

TEST(CliGolden, Errors) {
  golden::check_area("cli_errors", [](const std::string& input) {
    const auto example = json::decode<ErrorCase>(input);
    return error_text(model::to_error(example.problem), methods::find(example.method));
  });
}

// The shell words of a line; single quotes only.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

TEST(Examples, AreCommandsThatParse) {
  for (const auto& method : methods::all()) {
    // `vm exec` is a command made by hand; cli_arguments/exec has it.
    if (method.command.empty()) continue;
    for (const auto& example : method.examples) {
      auto words = words_of(example.command);
      ASSERT_EQ(words.front(), "ruche") << example.command;
      words.erase(words.begin());
      const auto invocation = parse(words, {});
      EXPECT_FALSE(std::holds_alternative<HelpText>(invocation.command)) << example.command;
      if (method.command.empty()) continue;  // a command of its own kind asks it (vm exec)
      const auto* command = std::get_if<MethodCommand>(&invocation.command);
      ASSERT_NE(command, nullptr) << example.command;
      const bool for_many = bulk_action(method) && command->method->id == kBulk;
      EXPECT_TRUE(for_many || command->method->id == method.id) << example.command;
      if (example.body.empty()) continue;
      // The line and the body say the same.
      const auto spaceless = [](std::string_view text) {
        std::string out;
        for (const char c : text) out += c == ' ' ? "" : std::string(1, c);
        return out;
      };
      EXPECT_EQ(command->arguments.body, spaceless(example.body)) << example.command;
    }
  }
}

// --- documents ------------------------------------------------------------------------------

TEST(Docs, EveryCommandHasAManualEntry) {
  const auto pages = manual_pages(command_docs());
  for (const auto& method : methods::all()) {
    if (method.command.empty()) continue;
    const auto group = std::string(method.command.substr(0, method.command.find(' ')));
    // A command without a group is on the first page.
    const auto name = group == method.command ? "ruche.1" : "ruche-" + group + ".1";
    const auto page =
        std::find_if(pages.begin(), pages.end(), [&](const auto& p) { return p.first == name; });
    ASSERT_NE(page, pages.end()) << group;
    EXPECT_NE(page->second.find("ruche " + std::string(method.command)), std::string::npos)
        << method.command;
  }
}

TEST(Docs, CompletionKnowsEveryFlag) {
  for (const auto* shell : {"bash", "zsh", "fish"}) {
    const auto script = completion_script(shell, command_docs());
    for (const auto* word : {"undelete", "restart-policy", "x86-64-v3", "__names image",
                             "__names snapshot", "follow"}) {
      EXPECT_NE(script.find(word), std::string::npos) << shell << " " << word;
    }
  }
}

}  // namespace
}  // namespace ruche::cli
