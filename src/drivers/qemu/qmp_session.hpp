// A QMP connection. Commands are matched to their answers by id and have deadlines; events go to a
// sink. A peer that hangs, lies or sends garbage ends the session with hypervisor_failed; it can
// never make a caller wait longer than its deadline, nor make us hold more than one long line.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "drivers/qemu/qmp_message.hpp"
#include "net/stream.hpp"

namespace ruche::drivers::qemu {

class QmpSession : public std::enable_shared_from_this<QmpSession> {
 public:
  using EventSink = std::function<void(const QmpEvent&)>;

  // The limit is for commands that name none.
  QmpSession(std::unique_ptr<net::Stream> stream, Clock& clock,
             Duration command_limit = std::chrono::seconds(10));

  // Reads until the connection ends; the owner runs it as a child. Throws only cancellations.
  Async<void> run(EventSink sink);
  // Waits for the greeting and leaves the negotiation mode.
  Async<void> negotiate(Duration limit);
  // Throws hypervisor_failed when QEMU refuses, does not answer in time, or is gone.
  Async<json::Value> execute(std::string command, json::Object arguments = {});
  Async<json::Value> execute(std::string command, json::Object arguments, Duration limit);
  // With descriptors that travel with the command; the caller keeps its copies.
  Async<json::Value> execute_with(std::string command, json::Object arguments,
                                  std::vector<int> descriptors);
  void close();
  const std::string& version() const { return version_; }

 private:
  struct Pending {
    std::string command;
    std::optional<std::expected<json::Value, Error>> answer;
    Signal answered;
  };

  Async<void> read_lines(const EventSink& sink);
  void take(QmpMessage message, const EventSink& sink);
  void answer(std::uint64_t id, std::expected<json::Value, Error> result);
  void fail(Error error);
  struct Message {
    std::string line;
    std::vector<int> descriptors;
  };
  Async<json::Value> ask(std::string command, json::Object arguments, Duration limit,
                         std::vector<int> descriptors);
  Async<void> exchange(std::shared_ptr<Pending> pending, Message message);
  Async<void> send(Message message);
  Async<void> wait_for_greeting();

  std::unique_ptr<net::Stream> stream_;
  Clock& clock_;
  Duration command_limit_;
  std::string version_;
  std::optional<Error> failure_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Pending>> pending_;
  std::set<std::uint64_t> abandoned_;  // timed out; their answers may still come
  bool sending_ = false;
  Signal changed_;  // the greeting, the end, a finished send
};

}  // namespace ruche::drivers::qemu
