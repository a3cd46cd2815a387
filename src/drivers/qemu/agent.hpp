// The agent inside a guest as core sees it (ports::GuestAgents), over an AgentSession.
#pragma once

#include <memory>
#include <string>

#include "drivers/qemu/agent_session.hpp"
#include "ports/hypervisor.hpp"

namespace ruche::drivers::qemu {

class QemuAgent : public ports::GuestAgents {
 public:
  QemuAgent(net::Connector connect, Clock& clock)
      : session_(std::make_shared<AgentSession>(std::move(connect), clock)), clock_(clock) {}
  ~QemuAgent() override { session_->close(); }

  // QEMU said that the guest opened or closed its end of the channel. True when that is news.
  bool note_connected(bool connected);
  void close() { session_->close(); }

  bool connected() const override { return connected_; }
  Async<ports::AgentFacts> facts() override;
  Async<void> shut_down() override;
  Async<void> freeze() override;
  Async<void> thaw() override;
  Async<bool> frozen() override;
  Async<void> set_time() override;
  Async<void> bring_cpus_online() override;
  Async<ports::AgentCommandResult> run(ports::AgentCommand command) override;

 private:
  using Session = std::shared_ptr<AgentSession>;
  // Empty where the agent refuses it.
  static Async<std::string> read_file(Session session, std::string path);
  static Async<json::Value> ask_if_known(Session session, std::string name);
  static Async<ports::AgentCommandResult> await_command(Session session, Clock& clock,
                                                        std::int64_t pid);
  Async<void> read_keys(Session session, ports::AgentFacts& facts);

  Session session_;
  Clock& clock_;
  bool connected_ = false;
  std::vector<std::string> keys_;  // once the guest is initialized they stay
  bool initialized_ = false;
};

}  // namespace ruche::drivers::qemu
