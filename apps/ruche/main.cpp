#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/loop.hpp"
#include "command_line.hpp"
#include "docs.hpp"
#include "login.hpp"
#include "net/http_client.hpp"
#include "session.hpp"
#include "values.hpp"

namespace {

using namespace ruche;
using namespace ruche::cli;

constexpr int kInterrupted = 130;

// When nobody listens there, what helps is to say how a daemon is started.
Error explained(const Error& error, const Endpoint& endpoint, bool was_sent) {
  if (was_sent || error.reason() != Reason::host_unavailable) return error;
  if (endpoint.is_remote()) {
    return Error(Reason::host_unavailable, fmt::format("no daemon answers at {}", endpoint.text()))
        .remedy(
            "check the address, and that ruched runs there and listens (--listen); `ruche context "
            "use local` talks to this machine")
        .caused_by(error);
  }
  return Error(Reason::host_unavailable, fmt::format("no daemon answers at {}", endpoint.socket))
      .remedy(
          "start one (`systemctl start ruched`, or `ruched --data-dir DIR --socket PATH`), or name "
          "another with --socket or RUCHE_SOCKET")
      .caused_by(error);
}

// A session ends by itself: what helps then is another one.
Error with_login(const Error& error, const Endpoint& endpoint) {
  if (error.code() != ErrorCode::unauthenticated || endpoint.context.empty()) return error;
  return Error(error).remedy(fmt::format("log in again: ruche login {}", endpoint.text()));
}

int report(const Error& error, const methods::Method* method) {
  std::fflush(stdout);
  fmt::print(stderr, "{}", error_text(error, method));
  return exit_code(error.code());
}

int interrupted(const Session& session) {
  const auto& task = session.waiting_for();
  if (!task.empty()) {
    fmt::print(
        stderr,
        "\nThe task goes on. Look at it: ruche task show {0}\nEnd it:  ruche task cancel {0}\n",
        task);
  }
  return kInterrupted;
}

int run(Invocation invocation, const Environment& environment) {
  // A login names its server itself, whatever is in use.
  const bool is_login = std::holds_alternative<LoginCommand>(invocation.command);
  Endpoint endpoint{.socket = invocation.global.socket};
  if (!is_login) endpoint = choose_endpoint(invocation.global, environment);
  Loop loop;
  const auto random = system_random();
  const Terminal terminal{::isatty(0) == 1, ::isatty(1) == 1, ::isatty(2) == 1};
  Session session({loop.clock(), *random, terminal, invocation.global, endpoint,
                   environment.contexts_file, std::getenv("NO_COLOR") == nullptr});
  int code = 0;
  const auto work = [](Session& held, Command command, int& result) -> Async<void> {
    result = co_await held.run(std::move(command));
  };
  try {
    loop.run(work(session, std::move(invocation.command), code), {.stop_on_signals = true});
  } catch (const net::RequestFailed& failure) {
    return report(explained(failure, endpoint, failure.request_was_sent()), session.method());
  } catch (const Error& error) {
    return report(with_login(error, endpoint), session.method());
  } catch (const std::exception& failure) {
    if (is_cancellation(std::current_exception())) return interrupted(session);
    return report(Error(Reason::internal_error, failure.what()), session.method());
  }
  return code;
}

int run_context(const ContextCommand& command, const GlobalOptions& global,
                const Environment& environment) {
  Loop loop;  // for its clock
  const Look look{std::getenv("NO_COLOR") == nullptr && ::isatty(1) == 1, loop.clock().wall()};
  const bool looks = command.action == ContextAction::list || command.action == ContextAction::show;
  const auto in_use = looks ? choose_endpoint(global, environment) : Endpoint();
  fmt::print("{}", manage_contexts(environment.contexts_file, command, in_use,
                                   {look, global.output == Output::json}));
  return 0;
}

// For completion.
int print_context_names(const Environment& environment) {
  fmt::print("{}\n", kLocalContext);
  for (const auto& context : load_contexts(environment.contexts_file).contexts) {
    fmt::print("{}\n", context.name);
  }
  return 0;
}

int dispatch(Invocation invocation, const Environment& environment) {
  if (const auto* help = std::get_if<HelpText>(&invocation.command)) {
    fmt::print(help->exit_code == 0 ? stdout : stderr, "{}", help->text);
    return help->exit_code;
  }
  if (const auto* completion = std::get_if<CompletionCommand>(&invocation.command)) {
    fmt::print("{}", completion_script(completion->shell, command_docs()));
    return 0;
  }
  if (const auto* docs = std::get_if<DocsCommand>(&invocation.command)) {
    try {
      write_docs(docs->directory, command_docs());
    } catch (const Error& error) {
      return report(error, nullptr);
    }
    return 0;
  }
  if (const auto* context = std::get_if<ContextCommand>(&invocation.command)) {
    return run_context(*context, invocation.global, environment);
  }
  const auto* names = std::get_if<NamesCommand>(&invocation.command);
  if (names != nullptr && names->kind == "context") return print_context_names(environment);
  return run(std::move(invocation), environment);
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main(int argc, char** argv) {
  Environment environment;
  if (const auto socket = variable("RUCHE_SOCKET"); !socket.empty()) environment.socket = socket;
  environment.context = variable("RUCHE_CONTEXT");
  environment.url = variable("RUCHE_URL");
  environment.token = variable("RUCHE_TOKEN");
  environment.fingerprint = variable("RUCHE_FINGERPRINT");
  environment.contexts_file = contexts_path();
  environment.read_file = file_text;
  try {
    return dispatch(parse({argv + 1, argv + argc}, environment), environment);
  } catch (const Error& error) {
    return report(error, nullptr);
  }
}
