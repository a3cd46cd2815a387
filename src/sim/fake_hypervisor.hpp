// The hypervisor of the simulation. SimMachines is what a host has: processes and runtime records,
// which survive the death of a daemon. Every start of a simulated daemon opens its own
// FakeHypervisor on it, a handle that can be slow, frozen or severed. All waiting goes through the
// Clock.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "ports/history.hpp"
#include "ports/host_info.hpp"
#include "ports/hypervisor.hpp"
#include "sim/fake_agent.hpp"
#include "sim/fake_audit.hpp"
#include "sim/fake_volumes.hpp"

namespace ruche::sim {

class FakeHypervisor;

// A snapshot that a machine is at. What a daemon that died had stopped goes on with the next order.
struct SimTake {
  bool stays = false;  // its CPUs stood still before
  bool stopped = false;  // for this
  bool given_up = false;  // by somebody else
  Instant stopped_at;
  std::chrono::microseconds pause{0};
  FakeMemory memory;  // of the instant
};

// A merge that a machine is at; it ends by itself.
struct SimMerge {
  std::string disk;
  std::string layer;
  std::string below;
  Clock::TimerId timer{};
};

// One guest's process. Shared by the host and the handles on it, which outlive its end.
struct SimProcess {
  model::GuestId guest;
  std::uint64_t epoch = 0;
  std::string store_id;
  std::int32_t pid = 0;
  ports::MachineSpec spec;
  Bytes base_memory;  // that it was started with
  std::vector<std::uint32_t> ports;  // PCI root ports
  ports::MachineState state = ports::MachineState::prelaunch;
  std::optional<model::PauseCause> pause_cause;  // of a paused one, when nobody asked for it
  Instant resumed_at;  // when its CPUs first ran
  bool hangs = false;  // its monitor does not answer
  bool lies = false;  // its monitor answers nonsense
  bool ignores_shutdown = false;  // the power button leads nowhere
  bool keeps_devices = false;  // nothing that is asked of it is let go or taken
  std::optional<int> follows;  // how often it does its part before it keeps everything
  Duration shutdown_takes{500};
  std::string last_words;  // once it is gone
  std::vector<ports::MachineEvent> events;
  std::array<std::string, model::kMostSerialPorts> typed;  // on each of its serial ports
  SimAgent agent;
  std::optional<SimTake> take;
  std::optional<SimMerge> merge;
  Signal changed;

  bool alive() const { return state != ports::MachineState::gone; }
  bool has_run() const { return alive() && state != ports::MachineState::prelaunch; }
};

// A runtime record: what is left on the host's disk of a guest that was launched here.
struct SimRecord {
  std::uint64_t epoch = 0;
  std::string store_id;
  std::string boot_id;
  std::string last_words;
};

// What happens to processes and records, for the kill sweep: numbered from 1 over all handles of
// all hosts that share the counter.
struct MachineEffect {
  std::uint64_t number;
  const FakeHypervisor& handle;
  std::string host;
  std::string what;  // "exec <guest>", "record …", "resume …", "pause …", "kill …", "clear …"
};
struct MachineHooks {
  // Either may sever the handle: severed before, the effect does not happen; severed after, the
  // handle never hears of it.
  std::function<void(const MachineEffect&)> before_effect;
  std::function<void(const MachineEffect&)> after_effect;
  // Every moment in which something may have begun to run or to write; for the checkers.
  std::function<void()> after_change;
  std::uint64_t effects = 0;
};

// A launch that found an image open for writing elsewhere.
struct LockRefusal {
  std::string host;
  model::GuestId guest;
  std::string path;
};

// The processes and records of one host. The clock and the storage outlive it.
class SimMachines {
 public:
  SimMachines(Clock& world, FakeStorage& storage, MachineHooks& hooks, std::string host);
  ~SimMachines();

  const std::string& host() const { return host_; }
  const std::string& boot_id() const { return boot_id_; }
  const std::map<model::GuestId, std::shared_ptr<SimProcess>>& processes() const {
    return processes_;
  }
  const std::map<model::GuestId, SimRecord>& records() const { return records_; }
  const std::vector<LockRefusal>& lock_refusals() const { return lock_refusals_; }
  // The live process of a guest, or null.
  std::shared_ptr<SimProcess> find(model::GuestId guest) const;
  std::uint64_t launches() const { return launches_; }

  // Injected from outside; a guest without a live process is not an error.
  void crash(model::GuestId guest, std::string last_words = "qemu: terminated by signal 9");
  void power_off(model::GuestId guest);  // the guest powers itself off; its process waits
  // QEMU stops its CPUs by itself.
  void stop(model::GuestId guest, model::PauseCause cause);
  void reboot();  // no process survives, records do, the boot id changes
  void fail_next_launch(std::string why) { launch_failures_.push_back(std::move(why)); }

  ports::EngineCapabilities capabilities;
  // Guests launched from now on have an agent.
  bool with_agents = false;
  // A defect, to see that the checkers notice: processes do not end when they are told to.
  bool immortal = false;

 private:
  friend class FakeHypervisor;
  friend class FakeMachine;
  friend class FakeAgent;
  friend class FakeDevices;
  friend class FakeSnapshots;
  void load_memory(SimProcess& process);
  // The guest writes to everything that it has.
  void write(SimProcess& process);
  FakeMemory memory_of(const SimProcess& process) const;
  void begin_merge(const std::shared_ptr<SimProcess>& process, SimMerge merge, Duration takes);
  void end_merge(SimProcess& process);
  void give_up_merge(SimProcess& process);
  std::shared_ptr<SimProcess> exec(ports::MachineSpec spec);
  void set_state(SimProcess& process, ports::MachineState state, ports::MachineEventKind event,
                 std::string detail = {});
  void end(SimProcess& process, std::string last_words);
  void press_power_button(const std::shared_ptr<SimProcess>& process);
  void clear(model::GuestId guest);

  Clock& world_;
  FakeStorage& storage_;
  MachineHooks& hooks_;
  std::string host_;
  std::string boot_id_;
  std::uint64_t boots_ = 1;
  std::int32_t last_pid_ = 1000;
  std::uint64_t launches_ = 0;
  std::map<model::GuestId, std::shared_ptr<SimProcess>> processes_;  // alive ones
  std::map<model::GuestId, SimRecord> records_;
  std::deque<std::string> launch_failures_;
  std::vector<LockRefusal> lock_refusals_;
  std::map<std::int32_t, Clock::TimerId> shutdowns_;  // by pid
};

// What a handle suffers on average, drawn from the Random it was given.
struct MachineFaults {
  double launch_fails = 0;
  double unanswered = 0;  // status and power: hypervisor_failed, nothing happened
  std::chrono::microseconds min_latency{0};
  std::chrono::microseconds max_latency{0};
};

// One daemon's handle. The machines and the clock outlive it; it outlives its Machine objects.
class FakeHypervisor : public ports::HypervisorEngine {
 public:
  FakeHypervisor(SimMachines& machines, Clock& clock) : machines_(machines), clock_(clock) {}

  void set_faults(MachineFaults faults, Random& random);
  void clear_faults() { faults_ = {}; }
  // The daemon was killed: nothing this handle does has an effect any more, every call throws.
  void sever();
  bool severed() const { return severed_; }
  // The daemon stands still: no call begins and no answer arrives until it thaws.
  void freeze() { frozen_ = true; }
  void thaw();

  Duration patience{5'000};  // with a monitor that hangs

  ports::EngineCapabilities capabilities() const override { return machines_.capabilities; }
  Async<std::unique_ptr<ports::Machine>> launch(ports::MachineSpec spec) override;
  Async<std::unique_ptr<ports::Machine>> adopt(model::GuestId guest) override;
  Async<std::vector<ports::FoundMachine>> survey() override;
  Async<std::string> last_words(model::GuestId guest) override;
  Async<void> clear(model::GuestId guest) override;

  SimMachines& machines() { return machines_; }

 private:
  friend class FakeMachine;
  friend class FakeAgent;
  friend class FakeDevices;
  friend class FakeSnapshots;
  Async<void> complete_launch(std::shared_ptr<SimProcess> process);
  // A call on its way: latency, frozen, severed.
  Async<void> arrive();
  // As long as the monitor hangs; throws hypervisor_failed when patience or the process ends.
  Async<void> reach(std::shared_ptr<SimProcess> process);
  void require_alive() const;
  void effect(const std::string& what, const std::function<void()>& happen);
  bool chance(double probability);

  SimMachines& machines_;
  Clock& clock_;
  MachineFaults faults_;
  Random* random_ = nullptr;
  bool severed_ = false;
  bool frozen_ = false;
  Signal changed_;  // of the two flags
};

// A host that says what it was told to say.
class FakeHostInfo : public ports::HostInfo {
 public:
  explicit FakeHostInfo(const SimMachines& machines);
  Async<model::HostStatus> read() override;
  Async<model::HostFacts> inspect() override;  // the same machine: a server that has it all
  model::HostStatus facts;  // boot_id comes from the machines
  std::vector<model::UsbFacts> usb;
  std::vector<model::PciFacts> pci;

 private:
  const SimMachines& machines_;
};

// In memory, complete.
class FakeHistory : public ports::History {
 public:
  void append(ports::HistoryRecord record) override;
  Async<std::vector<ports::HistoryEntry>> query(ports::HistoryQuery query) override;
  Async<std::size_t> prune(ports::HistoryLimits limits) override;
  FakeAudit& audit() override { return audit_; }
  const std::deque<ports::HistoryEntry>& entries() const { return entries_; }

 private:
  std::deque<ports::HistoryEntry> entries_;
  std::int64_t last_ = 0;
  FakeAudit audit_;
};

}  // namespace ruche::sim
