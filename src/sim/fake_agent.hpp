// The agent inside a simulated guest.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ports/hypervisor.hpp"

namespace ruche::sim {

class FakeHypervisor;
struct SimProcess;

// What a simulated guest has of an agent; it dies with the guest's process.
struct SimAgent {
  bool installed = false;
  bool silent = false;  // it holds its channel open and says nothing
  bool frozen = false;
  ports::AgentFacts facts{.version = "simulated",
                          .host_name = "guest",
                          .os = "Simulated 1",
                          .kernel = "6.1.0",
                          .addresses = {"192.0.2.7"},
                          .ssh_host_keys = {},
                          .initialized = true};
  std::uint64_t asked = 0;  // facts()
  std::uint32_t clock_set = 0;    // how often
  std::uint32_t cpus_online = 0;  // after bring_cpus_online()
};

// Runs nothing: a command's output is its words, and `false` fails. `sleep` never ends.
class FakeAgent : public ports::GuestAgents {
 public:
  FakeAgent(FakeHypervisor& engine, std::shared_ptr<SimProcess> process)
      : engine_(engine), process_(std::move(process)) {}

  bool connected() const override;
  Async<ports::AgentFacts> facts() override;
  Async<void> shut_down() override;
  Async<void> freeze() override;
  Async<void> thaw() override;
  Async<bool> frozen() override;
  Async<void> set_time() override;
  Async<void> bring_cpus_online() override;
  Async<ports::AgentCommandResult> run(ports::AgentCommand command) override;

 private:
  // A request on its way; `frozen_too`: one that is answered while the guest is frozen.
  Async<void> reach(bool frozen_too = false);
  void effect(const std::string& what, const std::function<void()>& happen);

  FakeHypervisor& engine_;
  std::shared_ptr<SimProcess> process_;
};

}  // namespace ruche::sim
