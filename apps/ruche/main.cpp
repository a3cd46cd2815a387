#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/loop.hpp"
#include "command_line.hpp"
#include "docs.hpp"
#include "net/http_client.hpp"
#include "session.hpp"

namespace {

using namespace ruche;
using namespace ruche::cli;

constexpr int kInterrupted = 130;

// When nobody listens at the socket, what helps is to say how a daemon is started.
Error explained(const Error& error, const GlobalOptions& global, bool was_sent) {
  if (was_sent || error.reason() != Reason::host_unavailable) return error;
  return Error(Reason::host_unavailable, fmt::format("no daemon answers at {}", global.socket))
      .remedy(
          "start one (`systemctl start ruched`, or `ruched --data-dir DIR --socket PATH`), or name "
          "another with --socket or RUCHE_SOCKET")
      .caused_by(error);
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

int run(Invocation invocation) {
  Loop loop;
  const auto random = system_random();
  const Terminal terminal{::isatty(0) == 1, ::isatty(1) == 1, ::isatty(2) == 1};
  Session session(
      {loop.clock(), *random, terminal, invocation.global, std::getenv("NO_COLOR") == nullptr});
  int code = 0;
  const auto work = [](Session& held, Command command, int& result) -> Async<void> {
    result = co_await held.run(std::move(command));
  };
  try {
    loop.run(work(session, std::move(invocation.command), code), {.stop_on_signals = true});
  } catch (const net::RequestFailed& failure) {
    return report(explained(failure, invocation.global, failure.request_was_sent()),
                  session.method());
  } catch (const Error& error) {
    return report(error, session.method());
  } catch (const std::exception& failure) {
    if (is_cancellation(std::current_exception())) return interrupted(session);
    return report(Error(Reason::internal_error, failure.what()), session.method());
  }
  return code;
}

int dispatch(Invocation invocation) {
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
  return run(std::move(invocation));
}

}  // namespace

int main(int argc, char** argv) {
  Environment environment;
  if (const char* socket = std::getenv("RUCHE_SOCKET"); socket != nullptr && *socket != '\0') {
    environment.socket = socket;
  }
  return dispatch(parse({argv + 1, argv + argc}, environment));
}
