#include "sim/fake_snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"
#include "sim/fake_hypervisor.hpp"

namespace ruche::sim {

namespace {

constexpr Duration kPart{200};
constexpr int kParts = 5;

Error failed(const std::string& why) { return Error(Reason::hypervisor_failed, why); }

}  // namespace

std::string hardware_of(const SimProcess& process) {
  auto spec = process.spec.spec;
  std::ranges::sort(spec.disks, {}, &model::DiskSpec::name);
  std::ranges::sort(spec.nics, {}, &model::NicSpec::name);
  return fmt::format("{} began with {}, ports {}", json::encode(spec), to_text(process.base_memory),
                     fmt::join(process.ports, " "));
}

Async<void> FakeSnapshots::reach() {
  co_await engine_.arrive();
  co_await engine_.reach(process_);
  if (!process_->alive()) throw failed("the guest's process has ended");
  if (engine_.chance(engine_.faults_.unanswered)) throw failed("the monitor did not answer");
}

// The CPUs stop, the file fills, and it is complete at the very end.
Async<Bytes> FakeSnapshots::save(std::string path, ports::ProgressSink progress) {
  co_await reach();
  const auto name = to_text(process_->guest);
  auto& machines = engine_.machines_;
  const auto state = process_->state;
  if (state != ports::MachineState::running && state != ports::MachineState::paused) {
    throw failed("a machine that does not run has no memory");
  }
  if (state == ports::MachineState::running) {
    engine_.effect("pause " + name, [&] {
      machines.set_state(*process_, ports::MachineState::paused, ports::MachineEventKind::paused);
    });
  }
  const Bytes size = process_->spec.spec.memory;
  for (int part = 1; part <= kParts; ++part) {
    co_await sleep_for(engine_.clock_, kPart);
    co_await reach();
    if (process_->state != ports::MachineState::paused) throw failed("the guest went on");
    if (progress) progress(Bytes{size.count * part / kParts}, size);
  }
  engine_.effect("save " + name, [&] {
    auto& storage = machines.storage_;
    storage.memories[path] = {process_->guest, storage.runs[process_->guest],
                              hardware_of(*process_)};
  });
  co_return size;
}

Async<void> FakeSnapshots::cancel() { co_await reach(); }

}  // namespace ruche::sim
