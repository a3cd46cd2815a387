#include "drivers/qemu/qmp_session.hpp"

#include <fmt/format.h>

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kLongestLine = 4 << 20;  // query-qmp-schema, the longest, is about 0.3 MB
constexpr std::size_t kMostAbandoned = 64;

}  // namespace

QmpSession::QmpSession(std::unique_ptr<net::Stream> stream, Clock& clock, Duration command_limit)
    : stream_(std::move(stream)), clock_(clock), command_limit_(command_limit) {}

Async<json::Value> QmpSession::execute(std::string command, json::Object arguments) {
  return execute(std::move(command), std::move(arguments), command_limit_);
}

Async<void> QmpSession::run(EventSink sink) {
  const auto self = shared_from_this();
  std::optional<Error> ended;
  try {
    co_await read_lines(sink);
  } catch (const Error& error) {
    ended = error;
  }
  Error reason(Reason::hypervisor_failed, "QEMU's monitor connection has ended");
  if (ended) {
    fail(std::move(reason).caused_by(*ended));
  } else {
    fail(std::move(reason));
  }
}

Async<void> QmpSession::read_lines(const EventSink& sink) {
  net::LineReader lines(*stream_, kLongestLine);
  while (true) {
    const auto line = co_await lines.next();
    if (!line) co_return;
    if (line->empty()) continue;
    auto message = parse_qmp(*line);
    if (!message) throw std::move(message.error());
    take(std::move(*message), sink);
  }
}

void QmpSession::take(QmpMessage message, const EventSink& sink) {
  if (const auto* greeting = std::get_if<QmpGreeting>(&message)) {
    if (!version_.empty()) throw Error(Reason::protocol_violation, "QEMU greeted twice");
    version_ = greeting->version;
    changed_.notify();
    return;
  }
  if (version_.empty()) throw Error(Reason::protocol_violation, "QEMU spoke before its greeting");
  if (const auto* event = std::get_if<QmpEvent>(&message)) {
    sink(*event);
  } else if (auto* reply = std::get_if<QmpReply>(&message)) {
    answer(reply->id, std::move(reply->result));
  } else if (const auto* failure = std::get_if<QmpFailure>(&message)) {
    answer(failure->id, std::unexpected(Error(
                            Reason::hypervisor_failed,
                            fmt::format("{} ({})", failure->description, failure->error_class))));
  }
}

void QmpSession::answer(std::uint64_t id, std::expected<json::Value, Error> result) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) {
    if (abandoned_.erase(id) == 1) return;
    throw Error(Reason::protocol_violation,
                fmt::format("QEMU answered {}, which nobody asked", id));
  }
  const auto pending = found->second;
  pending_.erase(found);
  pending->answer = std::move(result);
  pending->answered.notify();
}

void QmpSession::fail(Error error) {
  if (failure_) return;
  failure_ = std::move(error);
  stream_->close();
  const auto waiting = std::exchange(pending_, {});
  for (const auto& [id, pending] : waiting) {
    pending->answer = std::unexpected(*failure_);
    pending->answered.notify();
  }
  changed_.notify();
}

void QmpSession::close() { fail(Error(Reason::hypervisor_failed, "the monitor was closed")); }

Async<void> QmpSession::wait_for_greeting() {
  while (version_.empty()) {
    if (failure_) throw *failure_;
    co_await changed_.wait();
  }
}

Async<void> QmpSession::negotiate(Duration limit) {
  const auto self = shared_from_this();
  const auto started = clock_.now();
  bool late = false;
  try {
    co_await with_deadline(clock_, limit, "QEMU's greeting", wait_for_greeting());
  } catch (const Error& error) {
    if (error.reason() != Reason::deadline) throw;
    late = true;
  }
  if (late) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("QEMU did not greet within {}", to_text(limit)));
  }
  const auto used = std::chrono::duration_cast<Duration>(clock_.now() - started);
  co_await execute("qmp_capabilities", {}, std::max(limit - used, Duration(1)));
}

Async<json::Value> QmpSession::execute(std::string command, json::Object arguments,
                                       Duration limit) {
  return ask(std::move(command), std::move(arguments), limit, {});
}

Async<json::Value> QmpSession::execute_with(std::string command, json::Object arguments,
                                            std::vector<int> descriptors) {
  return ask(std::move(command), std::move(arguments), command_limit_, std::move(descriptors));
}

Async<json::Value> QmpSession::ask(std::string command, json::Object arguments, Duration limit,
                                   std::vector<int> descriptors) {
  const auto self = shared_from_this();
  if (failure_) throw *failure_;
  const auto id = ++last_id_;
  const auto pending = std::make_shared<Pending>();
  pending->command = command;
  pending_[id] = pending;
  Message message{qmp_command(id, command, arguments), std::move(descriptors)};
  std::exception_ptr stopped;
  bool late = false;
  try {
    co_await with_deadline(clock_, limit, command, exchange(pending, std::move(message)));
  } catch (const Error& error) {
    late = error.reason() == Reason::deadline;
    stopped = std::current_exception();
  } catch (const std::exception&) {
    stopped = std::current_exception();
  }
  if (!pending->answer && pending_.erase(id) == 1) abandoned_.insert(id);
  if (abandoned_.size() > kMostAbandoned) {
    fail(Error(Reason::hypervisor_failed, "QEMU's monitor no longer answers"));
  }
  if (late) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("QEMU did not answer {} within {}", command, to_text(limit)));
  }
  if (stopped) std::rethrow_exception(stopped);
  if (!pending->answer->has_value()) {
    throw Error(Reason::hypervisor_failed, fmt::format("QEMU: {} failed", command))
        .caused_by(pending->answer->error());
  }
  co_return std::move(**pending->answer);
}

Async<void> QmpSession::exchange(std::shared_ptr<Pending> pending, Message message) {
  co_await send(std::move(message));
  while (!pending->answer) co_await pending->answered.wait();
}

// One writer at a time. A write that was cut off leaves half a command behind: the session ends.
Async<void> QmpSession::send(Message message) {
  while (sending_) co_await changed_.wait();
  if (failure_) throw *failure_;
  sending_ = true;
  std::exception_ptr cut_off;
  try {
    if (message.descriptors.empty()) {
      co_await stream_->write_all(message.line);
    } else {
      co_await stream_->write_with_descriptors(message.line, message.descriptors);
    }
  } catch (const std::exception&) {
    cut_off = std::current_exception();
  }
  sending_ = false;
  changed_.notify();
  if (!cut_off) co_return;
  fail(Error(Reason::hypervisor_failed, "QEMU's monitor does not take commands"));
  std::rethrow_exception(cut_off);
}

}  // namespace ruche::drivers::qemu
