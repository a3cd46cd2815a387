#include "sim/fake_agent.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim/fake_hypervisor.hpp"

namespace ruche::sim {

namespace {
constexpr auto kPatience = std::chrono::seconds(5);
}  // namespace

bool FakeAgent::connected() const {
  return process_->agent.installed && process_->state == ports::MachineState::running;
}

Async<void> FakeAgent::reach(bool frozen_too) {
  const auto process = process_;
  co_await engine_.arrive();
  if (!connected() || process->agent.silent) {
    co_await sleep_for(engine_.clock_, kPatience);
    throw Error(Reason::no_agent, "the guest's agent did not answer");
  }
  if (process->agent.frozen && !frozen_too) {
    throw Error(Reason::agent_failed, "the guest's agent refused: the guest is frozen");
  }
}

void FakeAgent::effect(const std::string& what, const std::function<void()>& happen) {
  engine_.effect(fmt::format("{} {}", what, to_text(process_->guest)), happen);
}

Async<ports::AgentFacts> FakeAgent::facts() {
  co_await reach();
  ++process_->agent.asked;
  co_return process_->agent.facts;
}

Async<void> FakeAgent::shut_down() {
  co_await reach();
  effect("shut down", [this] { engine_.machines_.press_power_button(process_); });
}

Async<void> FakeAgent::freeze() {
  co_await reach();
  effect("freeze", [this] { process_->agent.frozen = true; });
}

Async<void> FakeAgent::thaw() {
  co_await reach(true);
  if (!process_->agent.frozen) co_return;
  effect("thaw", [this] { process_->agent.frozen = false; });
}

Async<bool> FakeAgent::frozen() {
  co_await reach(true);
  co_return process_->agent.frozen;
}

Async<void> FakeAgent::set_time() {
  co_await reach();
  effect("set the clock", [this] { ++process_->agent.clock_set; });
}

Async<void> FakeAgent::bring_cpus_online() {
  co_await reach();
  effect("online", [this] { process_->agent.cpus_online = process_->spec.spec.cpus; });
}

Async<ports::AgentCommandResult> FakeAgent::run(ports::AgentCommand command) {
  co_await reach();
  if (command.argv.front() == "sleep") {
    co_await sleep_for(engine_.clock_, command.limit);
    throw Error(Reason::command_still_runs, "sleep did not end in time");
  }
  if (command.argv.front() == "absent") {
    throw Error(Reason::agent_failed, "the guest's agent refused: no such file");
  }
  ports::AgentCommandResult result;
  if (command.argv.front() == "cat") result.output = command.input;
  if (command.argv.front() == "echo") {
    result.output =
        fmt::format("{}\n", fmt::join(command.argv.begin() + 1, command.argv.end(), " "));
  }
  if (command.argv.front() == "false") result.exit_code = 1;
  co_return result;
}

}  // namespace ruche::sim
