#include "drivers/qemu/agent_session.hpp"

#include <fmt/format.h>

#include <array>

namespace ruche::drivers::qemu {

namespace {

// More than the longest answer that may have been given up.
constexpr std::size_t kMostDropped = 64 << 20;
constexpr std::uint64_t kIdRange = std::uint64_t{1} << 53;  // whole numbers of every JSON

Error silent(const std::string& why) {
  return Error(Reason::no_agent, why)
      .remedy("see that the guest runs qemu-guest-agent: ruche vm show NAME");
}

}  // namespace

AgentSession::AgentSession(net::Connector connect, Clock& clock)
    : connect_(std::move(connect)), clock_(clock), random_(system_random()) {}

void AgentSession::close() {
  closed_ = true;
  if (stream_) stream_->close();
  changed_.notify();
}

Async<void> AgentSession::take_turn() {
  while (busy_ && !closed_) co_await changed_.wait();
  if (closed_) throw silent("the guest has ended");
  busy_ = true;
}

void AgentSession::end_turn(bool complete) {
  in_step_ = complete;
  if (sending_) stream_.reset();
  sending_ = false;
  busy_ = false;
  changed_.notify();
}

Async<json::Value> AgentSession::ask(AgentRequest request) {
  const auto self = shared_from_this();
  co_await take_turn();
  std::optional<Error> failure;
  std::exception_ptr cancelled;
  json::Value answer;
  try {
    answer = co_await with_deadline(clock_, request.limit, request.name, exchange(request));
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception&) {
    cancelled = std::current_exception();
  }
  // A refusal is a complete answer too, but getting into step again costs less than a mistake.
  end_turn(!failure && !cancelled);
  if (cancelled) std::rethrow_exception(cancelled);
  if (!failure) co_return answer;
  if (closed_) throw silent("the guest has ended");
  if (failure->reason() == Reason::deadline) {
    throw silent(fmt::format("the guest's agent did not answer {} within {}", request.name,
                             to_text(request.limit)));
  }
  if (failure->reason() == Reason::peer_gone || failure->reason() == Reason::host_unavailable) {
    stream_.reset();
    throw silent("the guest's channel does not answer").caused_by(*failure);
  }
  throw std::move(*failure);
}

Async<void> AgentSession::tell(AgentRequest request) {
  try {
    co_await ask(std::move(request));
  } catch (const Error& error) {
    if (error.reason() != Reason::no_agent) throw;
  }
}

Async<json::Value> AgentSession::exchange(const AgentRequest& request) {
  if (!stream_) {
    in_step_ = false;
    stream_ = co_await connect_();
  }
  if (!in_step_) co_await get_in_step();
  in_step_ = false;
  co_await send(agent_command(request.name, request.arguments));
  const auto line = co_await read_line(request.longest_answer);
  auto reply = parse_agent_reply(line);
  if (!reply) throw std::move(reply.error());
  co_return std::move(*reply);
}

Async<void> AgentSession::get_in_step() {
  const auto id = random_->below(kIdRange);
  json::Object arguments{{"id", id}};
  co_await send(kAgentSentinel + agent_command("guest-sync-delimited", arguments));
  AgentSync sync(id);
  std::size_t dropped = 0;
  while (true) {
    const auto bytes = co_await read_some();
    if (sync.feed(bytes)) co_return;
    dropped += bytes.size();
    if (dropped > kMostDropped) {
      throw Error(Reason::agent_failed, "the guest's agent talks without end");
    }
  }
}

Async<void> AgentSession::send(std::string line) {
  sending_ = true;
  co_await stream_->write_all(line);
  sending_ = false;
}

Async<std::string> AgentSession::read_some() {
  std::array<char, 16 * 1024> bytes;
  const auto count = co_await stream_->read_some(bytes);
  if (count == 0) throw Error(Reason::peer_gone, "the guest's channel has ended");
  co_return std::string(bytes.data(), count);
}

// What comes behind the line was not asked for and is dropped.
Async<std::string> AgentSession::read_line(std::size_t longest) {
  std::string line;
  while (true) {
    const auto bytes = co_await read_some();
    const auto end = bytes.find('\n');
    line += bytes.substr(0, end);
    if (line.size() > longest) {
      throw Error(Reason::agent_answer_too_large,
                  fmt::format("the guest's agent answered more than {}",
                              to_text(Bytes{static_cast<std::int64_t>(longest)})))
          .remedy("let the command write into a file of the guest, and read it in pieces");
    }
    if (end != std::string::npos) co_return line;
  }
}

}  // namespace ruche::drivers::qemu
