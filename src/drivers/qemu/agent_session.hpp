// The conversation with the agent inside a guest, over the socket of its channel. Nothing is read
// but while a request waits for its answer, so an agent that talks without end fills its own pipe
// and stops. One request at a time.
//
// Answers carry no id, and the answer to a request that was given up stays queued in the guest. So
// after anything but a complete answer, and at first, the next request begins by getting into step:
// a sentinel, guest-sync-delimited with a random id, and everything before its answer is dropped.
#pragma once

#include <memory>
#include <string>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "drivers/qemu/agent_message.hpp"
#include "net/stream.hpp"

namespace ruche::drivers::qemu {

struct AgentRequest {
  std::string name;
  json::Object arguments;
  Duration limit = std::chrono::seconds(5);
  std::size_t longest_answer = 256 * 1024;
};

class AgentSession : public std::enable_shared_from_this<AgentSession> {
 public:
  AgentSession(net::Connector connect, Clock& clock);

  // Throws no_agent when the limit passes or the channel ends, agent_failed for a refusal or
  // nonsense, agent_answer_too_large.
  Async<json::Value> ask(AgentRequest request);
  // For requests that are answered by nothing but a refusal: returns when the limit has passed
  // without one.
  Async<void> tell(AgentRequest request);
  // Whoever waits, and whoever asks later, gets no_agent.
  void close();

 private:
  Async<void> take_turn();
  void end_turn(bool complete);
  Async<void> get_in_step();
  Async<json::Value> exchange(const AgentRequest& request);
  Async<void> send(std::string line);
  Async<std::string> read_line(std::size_t longest);
  Async<std::string> read_some();

  net::Connector connect_;
  Clock& clock_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<net::Stream> stream_;
  bool busy_ = false;
  bool in_step_ = false;
  bool sending_ = false;  // a write that was cut off leaves a stream that nobody may use again
  bool closed_ = false;
  Signal changed_;
};

}  // namespace ruche::drivers::qemu
