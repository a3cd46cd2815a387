#include "console.hpp"

#include <fmt/format.h>
#include <regex.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "methods/method.hpp"

namespace ruche::cli {

namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kRemembered = 256;
constexpr Duration kReconnectPause{300};
constexpr Duration kReconnectLimit{60'000};
constexpr Duration kSizeInterval{500};

void write_out(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw Error(Reason::io_failed, "standard output does not take the console's output");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// The terminal in raw mode for as long as this lives.
class RawTerminal {
 public:
  explicit RawTerminal(bool wanted) : active_(wanted && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!active_) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  ~RawTerminal() {
    if (active_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool active_;
};

// epoll refuses regular files and some devices; those are always readable.
bool can_be_waited_for(int descriptor) {
  struct stat info{};
  if (::fstat(descriptor, &info) != 0) return false;
  return S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || ::isatty(descriptor) == 1;
}

enum class Ending { disconnected, matched, left };

struct Watch {
  client::Console& console;
  LineMatcher& matcher;
  std::string& shown;  // the end of what was shown, to find the place again after a reconnection
  Scope& scope;
  bool terminal = false;
  bool again = false;
  Ending ending = Ending::disconnected;
};

// After a reconnection the first output begins before what was already shown.
std::string_view unseen(const Watch& watch, std::string_view data) {
  if (!watch.again || watch.shown.empty()) return data;
  const auto at = data.rfind(watch.shown);
  return at == data.npos ? data : data.substr(at + watch.shown.size());
}

Async<void> show_output(Watch& watch) {
  while (true) {
    const auto message = co_await watch.console.read();
    if (!message) break;
    if (message->gap_bytes > 0 && watch.terminal) {
      write_out(fmt::format("\r\n[{} bytes of output were lost]\r\n", message->gap_bytes));
    }
    const auto data = unseen(watch, message->data);
    if (!message->data.empty()) watch.again = false;
    write_out(data);
    watch.shown.append(data);
    if (watch.shown.size() > kRemembered) watch.shown.erase(0, watch.shown.size() - kRemembered);
    if (watch.matcher.feed(data)) {
      watch.ending = Ending::matched;
      break;
    }
  }
  watch.scope.cancel(CancelReason::user);
}

Async<void> send_input(Watch& watch, bool raw) {
  const bool wait = can_be_waited_for(STDIN_FILENO);
  std::array<char, 4096> buffer{};
  while (true) {
    if (wait) co_await wait_readable(STDIN_FILENO);
    const auto got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) co_return;  // the end of the input is not the end of the output
    std::string data(buffer.data(), static_cast<std::size_t>(got));
    const auto escape = raw ? data.find(kEscapeKey) : data.npos;
    const bool leaving = escape != data.npos;
    if (leaving) data.resize(escape);
    if (!data.empty()) co_await watch.console.write(std::move(data));
    if (!leaving) continue;
    watch.ending = Ending::left;
    watch.scope.cancel(CancelReason::user);
    co_return;
  }
}

Async<void> tell_size(Watch& watch, Clock& clock) {
  winsize told{};
  while (true) {
    winsize now{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) == 0;
    if (known && (now.ws_col != told.ws_col || now.ws_row != told.ws_row)) {
      co_await watch.console.resize(now.ws_col, now.ws_row);
      told = now;
    }
    co_await sleep_for(clock, kSizeInterval);
  }
}

struct ConsoleState {
  client::ApiClient& client;
  ConsoleCommand command;
  bool raw = false;
  bool terminal = false;
  LineMatcher matcher;
  std::string shown;
};

// One connection, from its opening to its end.
Async<Ending> watch_once(ConsoleState& state, bool again) {
  const auto console = co_await state.client.open_console(state.command.vm, state.command.port);
  Scope scope(co_await current_executor(), "console");
  Watch watch{*console, state.matcher, state.shown, scope, state.terminal, again};
  scope.spawn("output", show_output(watch));
  if (!state.command.no_input) scope.spawn("input", send_input(watch, state.raw));
  if (state.raw) scope.spawn("size", tell_size(watch, state.client.clock()));
  co_await scope.join();
  co_return watch.ending;
}

// False when the guest has stopped, so that there is nothing to come back to.
Async<bool> still_runs(ConsoleState& state) {
  client::Arguments arguments;
  arguments.path = {{"vm", state.command.vm}};
  const auto vm =
      co_await state.client.call_as<model::VmView>(*methods::find("vm.show"), std::move(arguments));
  co_return vm.status.state == model::GuestState::running ||
      vm.status.state == model::GuestState::paused;
}

bool may_pass(const Error& error) {
  return error.code() == ErrorCode::unavailable || error.reason() == Reason::wrong_state;
}

Async<Ending> watch_until_the_end(ConsoleState& state) {
  Clock& clock = state.client.clock();
  bool again = false;
  bool told = false;
  Instant give_up = clock.now() + kReconnectLimit;
  while (true) {
    try {
      const auto ending = co_await watch_once(state, again);
      told = false;
      if (ending != Ending::disconnected) co_return ending;
    } catch (const Error& error) {
      // The first attempt says what is wrong; later ones wait for the daemon.
      if (!may_pass(error) || (!again && error.reason() != Reason::peer_gone)) throw;
      if (clock.now() > give_up) throw;
    }
    if (!told) give_up = clock.now() + kReconnectLimit;
    again = true;
    co_await sleep_for(clock, kReconnectPause);
    try {
      const bool runs = co_await still_runs(state);
      if (!runs) co_return Ending::disconnected;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable || clock.now() > give_up) throw;
    }
    if (state.terminal && !told) write_out("\r\n[disconnected; trying again]\r\n");
    told = true;
  }
}

}  // namespace

struct LineMatcher::Compiled {
  regex_t regex{};
};

LineMatcher::LineMatcher(const std::string& regex) {
  if (regex.empty()) return;
  auto compiled = std::make_unique<Compiled>();
  const int failed = ::regcomp(&compiled->regex, regex.c_str(), REG_EXTENDED | REG_NOSUB);
  if (failed != 0) {
    std::array<char, 200> why{};
    ::regerror(failed, &compiled->regex, why.data(), why.size());
    throw Error(Reason::bad_format, fmt::format("--until: {}", why.data()));
  }
  compiled_ = std::move(compiled);
}

LineMatcher::~LineMatcher() {
  if (compiled_) ::regfree(&compiled_->regex);
}

bool LineMatcher::matches_line() const {
  return ::regexec(&compiled_->regex, line_.c_str(), 0, nullptr, 0) == 0;
}

bool LineMatcher::feed(std::string_view output) {
  if (!compiled_) return false;
  for (const char c : output) {
    if (c == '\n') {
      if (matches_line()) return true;
      line_.clear();
    } else if (c != '\r' && c != '\0' && line_.size() < kLongestLine) {
      line_ += c;
    }
  }
  return !line_.empty() && matches_line();
}

Async<int> run_console(client::ApiClient& client, ConsoleCommand command, bool input_is_terminal,
                       bool output_is_terminal) {
  const bool raw = input_is_terminal && !command.no_input;
  const auto timeout = command.timeout;
  const std::string vm = command.vm;
  const std::string until = command.until;
  ConsoleState state{client, std::move(command), raw, output_is_terminal, LineMatcher(until), {}};
  if (raw && state.command.port == 0) fmt::print(stderr, "Connected to {}; Ctrl-] leaves.\n", vm);
  if (raw && state.command.port > 0) {
    fmt::print(stderr, "Connected to port {} of {}; Ctrl-] leaves.\n", state.command.port, vm);
  }
  Ending ending = Ending::disconnected;
  {
    const RawTerminal terminal(raw);
    auto work = watch_until_the_end(state);
    if (timeout) {
      ending = co_await with_deadline(client.clock(), *timeout, fmt::format("watching {}", vm),
                                      std::move(work));
    } else {
      ending = co_await std::move(work);
    }
  }
  if (raw || (output_is_terminal && !state.shown.ends_with('\n'))) fmt::print(stderr, "\n");
  if (ending == Ending::disconnected) {
    if (!until.empty()) {
      throw Error(Reason::wrong_state, fmt::format("{} stopped before a line matched", vm))
          .remedy(fmt::format("`ruche vm show {}` says why", vm));
    }
    fmt::print(stderr, "{} has stopped.\n", vm);
  }
  co_return 0;
}

}  // namespace ruche::cli
