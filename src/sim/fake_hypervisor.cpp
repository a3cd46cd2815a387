#include "sim/fake_hypervisor.hpp"

#include <fmt/format.h>

#include "model/hardware.hpp"
#include "model/serial_ports.hpp"
#include "sim/fake_devices.hpp"
#include "sim/fake_snapshots.hpp"

namespace ruche::sim {

namespace {

using ports::MachineEventKind;
using ports::MachineState;
using ports::PowerAction;

constexpr auto kHangPause = std::chrono::milliseconds(100);
constexpr auto kTick = std::chrono::seconds(1);

Error failed(const std::string& why) { return Error(Reason::hypervisor_failed, why); }

}  // namespace

// A serial line that echoes what is typed; on the console a counter ticks while the guest runs.
class FakeConsole : public ports::ConsoleSession, public ports::Consoles {
 public:
  FakeConsole(std::shared_ptr<SimProcess> process, Clock& clock, std::uint32_t port = 0)
      : process_(std::move(process)), clock_(clock), port_(port) {}

  Async<std::unique_ptr<ports::ConsoleSession>> open(std::uint32_t port) override {
    const auto count = model::serial_port_count(process_->spec.spec);
    if (port >= count) throw model::no_serial_port(port, count);
    co_return std::make_unique<FakeConsole>(process_, clock_, port);
  }
  Async<std::optional<ports::ConsoleOutput>> read() override {
    if (!greeted_) {
      greeted_ = true;
      const auto who = port_ == 0 ? process_->spec.name : fmt::format("port {}", port_);
      co_return ports::ConsoleOutput{fmt::format("{} says hello\r\n", who), 0};
    }
    const auto& typed = process_->typed.at(port_);
    while (process_->alive()) {
      if (echoed_ < typed.size()) {
        std::string echo = typed.substr(echoed_);
        echoed_ = typed.size();
        co_return ports::ConsoleOutput{std::move(echo), 0};
      }
      co_await sleep_for(clock_, kTick);
      if (port_ > 0 || process_->state != MachineState::running) continue;
      const auto ran = clock_.now() - process_->resumed_at;
      co_return ports::ConsoleOutput{fmt::format("tick {}\r\n", ran / kTick), 0};
    }
    co_return std::nullopt;
  }
  Async<void> write(std::string data) override {
    if (!process_->alive()) throw failed("the guest has ended");
    process_->typed.at(port_) += data;
    co_return;
  }

 private:
  std::shared_ptr<SimProcess> process_;
  Clock& clock_;
  std::uint32_t port_;
  bool greeted_ = false;
  std::size_t echoed_ = 0;
};

class FakeMachine : public ports::Machine {
 public:
  FakeMachine(FakeHypervisor& engine, std::shared_ptr<SimProcess> process, std::size_t seen)
      : engine_(engine),
        process_(std::move(process)),
        seen_(seen),
        console_(process_, engine.clock_),
        agent_(engine, process_),
        devices_(engine, process_),
        snapshots_(engine, process_) {}

  Async<ports::MachineStatus> status() override {
    co_await engine_.arrive();
    co_await engine_.reach(process_);
    if (engine_.chance(engine_.faults_.unanswered)) throw failed("the monitor did not answer");
    if (process_->alive() && process_->lies) throw failed("the monitor's answer makes no sense");
    ports::MachineStatus status;
    status.state = process_->state;
    status.last_words = process_->last_words;
    if (status.state == MachineState::paused) status.pause_cause = process_->pause_cause;
    if (!process_->alive()) co_return status;
    status.pid = process_->pid;
    status.argv = {"qemu-system-x86_64", "-name", process_->spec.name};
    status.accelerator = std::string(enum_name(engine_.machines_.capabilities.accelerator));
    status.cgroup = fmt::format("/ruche/{}", to_text(process_->guest));
    for (const auto& disk : process_->spec.disks) {
      if (!disk.chain.empty()) status.disks.push_back({disk.name, disk.chain.front().path});
    }
    co_return status;
  }

  Async<void> power(PowerAction action) override {
    co_await engine_.arrive();
    if (action == PowerAction::kill) co_return kill();
    co_await engine_.reach(process_);
    if (!process_->alive()) throw failed("the guest's process has ended");
    if (engine_.chance(engine_.faults_.unanswered)) throw failed("the monitor did not answer");
    apply(action);
  }

  Async<ports::MachineEvent> next_event() override {
    while (true) {
      co_await engine_.arrive();
      if (seen_ < process_->events.size()) co_return process_->events[seen_++];
      if (!process_->alive()) throw failed("the guest's process has ended");
      co_await process_->changed.wait();
    }
  }

  ports::Consoles* consoles() override { return process_->spec.spec.serial ? &console_ : nullptr; }
  ports::GuestAgents* agents() override { return &agent_; }
  ports::Devices* devices() override { return &devices_; }
  ports::Snapshots* snapshots() override { return &snapshots_; }

 private:
  void kill() {
    const auto name = to_text(process_->guest);
    auto& machines = engine_.machines_;
    if (machines.immortal) return;
    engine_.effect("kill " + name, [&] { machines.end(*process_, "killed"); });
  }

  void apply(PowerAction action) {
    auto& machines = engine_.machines_;
    const auto name = to_text(process_->guest);
    const auto state = process_->state;
    const bool stands = state == MachineState::prelaunch || state == MachineState::paused;
    if (action == PowerAction::resume && stands) {
      engine_.effect("resume " + name, [&] {
        process_->pause_cause.reset();
        if (process_->take) process_->take->stopped = false;
        if (state == MachineState::prelaunch) process_->resumed_at = engine_.clock_.now();
        machines.set_state(*process_, MachineState::running, MachineEventKind::resumed);
        machines.write(*process_);
        if (process_->agent.installed) {
          machines.set_state(*process_, MachineState::running, MachineEventKind::agent);
        }
      });
    } else if (action == PowerAction::pause && state == MachineState::running) {
      engine_.effect("pause " + name, [&] {
        machines.write(*process_);
        machines.set_state(*process_, MachineState::paused, MachineEventKind::paused);
      });
    } else if (action == PowerAction::reset) {
      engine_.effect("reset " + name,
                     [&] { machines.set_state(*process_, state, MachineEventKind::reset); });
    } else if (action == PowerAction::shutdown && state == MachineState::running) {
      engine_.effect("press " + name, [&] { machines.press_power_button(process_); });
    }
  }

  FakeHypervisor& engine_;
  std::shared_ptr<SimProcess> process_;
  std::size_t seen_;
  FakeConsole console_;
  FakeAgent agent_;
  FakeDevices devices_;
  FakeSnapshots snapshots_;
};

SimMachines::SimMachines(Clock& world, FakeStorage& storage, MachineHooks& hooks, std::string host)
    : world_(world),
      storage_(storage),
      hooks_(hooks),
      host_(std::move(host)),
      boot_id_(host_ + "-boot-1") {
  capabilities.accelerator_reason = "simulated";
  capabilities.version = "10.0.2-simulated";
  capabilities.machine_type = "pc-q35-10.0";
  capabilities.overhead = mib(64);
  for (const auto* path : {"/ovmf/variables", "/ovmf/secure-variables"}) {
    storage_.add_source(path, {model::ImageFormat::raw, kib(528), "sha256:v", ""});
  }
  capabilities.uefi = {"/ovmf/code", "/ovmf/variables", kib(528), "/ovmf/secure-code",
                       "/ovmf/secure-variables"};
}

SimMachines::~SimMachines() {
  for (const auto& [pid, timer] : shutdowns_) world_.disarm(timer);
  for (const auto& [guest, process] : processes_) give_up_merge(*process);
}

std::shared_ptr<SimProcess> SimMachines::find(model::GuestId guest) const {
  const auto found = processes_.find(guest);
  return found == processes_.end() ? nullptr : found->second;
}

std::shared_ptr<SimProcess> SimMachines::exec(ports::MachineSpec spec) {
  if (!launch_failures_.empty()) {
    const auto why = launch_failures_.front();
    launch_failures_.pop_front();
    throw failed(why);
  }
  for (const auto& disk : spec.disks) {
    if (const auto why = storage_.open(disk.chain); !why.empty()) throw failed(why);
  }
  std::vector<std::string> locked;
  for (const auto& disk : spec.disks) {
    const auto& path = disk.chain.front().path;
    if (storage_.lock(path)) {
      locked.push_back(path);
      continue;
    }
    lock_refusals_.push_back({host_, spec.guest, path});
    for (const auto& taken : locked) storage_.unlock(taken);
    throw failed("Failed to get \"write\" lock on " + path);
  }
  auto process = std::make_shared<SimProcess>();
  process->guest = spec.guest;
  process->epoch = spec.epoch;
  process->store_id = spec.store_id;
  process->pid = ++last_pid_;
  process->spec = std::move(spec);
  const auto& saved = process->spec.saved;
  const auto ports = model::root_ports(process->spec.spec);
  process->base_memory = saved ? saved->base_memory : process->spec.spec.memory;
  process->ports = saved ? saved->ports : std::vector(ports.begin(), ports.end());
  process->agent.installed = with_agents;
  processes_[process->guest] = process;
  // The record with the epoch is there before the process.
  records_[process->guest] = {process->epoch, process->store_id, boot_id_, {}};
  ++launches_;
  if (hooks_.after_change) hooks_.after_change();
  return process;
}

void SimMachines::set_state(SimProcess& process, MachineState state, MachineEventKind event,
                            std::string detail) {
  process.state = state;
  process.events.push_back({event, std::move(detail)});
  process.changed.notify();
  if (hooks_.after_change) hooks_.after_change();
}

void SimMachines::end(SimProcess& process, std::string last_words) {
  if (!process.alive()) return;
  give_up_merge(process);
  for (const auto& disk : process.spec.disks) storage_.unlock(disk.chain.front().path);
  process.spec.ports.clear();  // a tap goes with its last descriptor
  if (const auto timer = shutdowns_.find(process.pid); timer != shutdowns_.end()) {
    world_.disarm(timer->second);
    shutdowns_.erase(timer);
  }
  process.last_words = last_words;
  if (const auto record = records_.find(process.guest); record != records_.end()) {
    record->second.last_words = last_words;
  }
  const auto alive = find(process.guest);  // keeps it until its end has been told
  processes_.erase(process.guest);
  set_state(process, MachineState::gone, MachineEventKind::ended, std::move(last_words));
}

void SimMachines::load_memory(SimProcess& process) {
  const auto name = to_text(process.guest);
  const auto found = storage_.memories.find(process.spec.saved->memory_path);
  if (found == storage_.memories.end()) {
    storage_.disagreements.push_back(name + " goes on from memory that was never saved");
  } else if (const auto now = memory_of(process);
             found->second.guest != now.guest || found->second.disks != now.disks) {
    storage_.disagreements.push_back(name +
                                     " goes on from memory that its disks do not agree with");
  } else if (found->second.hardware != hardware_of(process)) {
    storage_.disagreements.push_back(fmt::format("the memory of {} knows {}, it has {}", name,
                                                 found->second.hardware, hardware_of(process)));
  }
  process.state = MachineState::paused;
  process.resumed_at = world_.now();
  process.changed.notify();
}

void SimMachines::write(SimProcess& process) {
  if (process.agent.frozen) return;
  for (const auto& disk : process.spec.disks) {
    storage_.write_disk(process.guest, disk.name, disk.chain.front().path);
  }
  storage_.write(process.spec.uefi_vars_path);
  storage_.write(process.spec.tpm_state_path);
}

FakeMemory SimMachines::memory_of(const SimProcess& process) const {
  FakeMemory memory{process.guest, {}, hardware_of(process)};
  for (const auto& disk : process.spec.disks) {
    memory.disks[disk.name] = storage_.shown_at(disk.chain.front().path);
  }
  memory.disks["firmware"] = storage_.shown_at(process.spec.uefi_vars_path);
  memory.disks["tpm"] = storage_.shown_at(process.spec.tpm_state_path);
  return memory;
}

void SimMachines::begin_merge(const std::shared_ptr<SimProcess>& process, SimMerge merge,
                              Duration takes) {
  merge.timer = world_.arm(world_.now() + takes, [this, process] { end_merge(*process); });
  process->merge = std::move(merge);
}

// The file says so in the same moment, whether a daemon looks or not.
void SimMachines::end_merge(SimProcess& process) {
  const auto merge = std::exchange(process.merge, {});
  storage_.merge(merge->layer, merge->below);
  for (auto& disk : process.spec.disks) {
    if (disk.name != merge->disk) continue;
    std::erase_if(disk.chain, [&](const auto& file) { return file.path == merge->below; });
  }
  process.changed.notify();
  if (hooks_.after_change) hooks_.after_change();
}

void SimMachines::give_up_merge(SimProcess& process) {
  if (!process.merge) return;
  world_.disarm(process.merge->timer);
  process.merge.reset();
  process.changed.notify();
}

void SimMachines::press_power_button(const std::shared_ptr<SimProcess>& process) {
  if (process->ignores_shutdown || shutdowns_.contains(process->pid)) return;
  const auto pid = process->pid;
  shutdowns_[pid] = world_.arm(world_.now() + process->shutdown_takes, [this, process] {
    shutdowns_.erase(process->pid);
    if (process->state != MachineState::running) return;
    write(*process);
    set_state(*process, MachineState::shut_down, MachineEventKind::shut_down);
  });
}

void SimMachines::clear(model::GuestId guest) {
  if (immortal) return;
  if (const auto process = find(guest)) end(*process, "killed");
  records_.erase(guest);
}

void SimMachines::crash(model::GuestId guest, std::string last_words) {
  if (const auto process = find(guest)) end(*process, std::move(last_words));
}

void SimMachines::power_off(model::GuestId guest) {
  const auto process = find(guest);
  if (!process || process->state != MachineState::running) return;
  write(*process);
  set_state(*process, MachineState::shut_down, MachineEventKind::shut_down);
}

void SimMachines::stop(model::GuestId guest, model::PauseCause cause) {
  const auto process = find(guest);
  if (!process || process->state != MachineState::running) return;
  process->pause_cause = cause;
  const bool panic = cause == model::PauseCause::panic;
  set_state(*process, MachineState::paused,
            panic ? MachineEventKind::panicked : MachineEventKind::paused);
}

void SimMachines::reboot() {
  while (!processes_.empty()) end(*processes_.begin()->second, "");
  boot_id_ = fmt::format("{}-boot-{}", host_, ++boots_);
}

void FakeHypervisor::set_faults(MachineFaults faults, Random& random) {
  faults_ = faults;
  random_ = &random;
}

void FakeHypervisor::sever() {
  severed_ = true;
  changed_.notify();
}

void FakeHypervisor::thaw() {
  frozen_ = false;
  changed_.notify();
}

void FakeHypervisor::require_alive() const {
  if (severed_) throw failed("this host is no more");
}

bool FakeHypervisor::chance(double probability) {
  return random_ != nullptr && probability > 0 && random_->chance(probability);
}

Async<void> FakeHypervisor::arrive() {
  require_alive();
  if (random_ != nullptr && faults_.max_latency.count() > 0) {
    const auto spread =
        static_cast<std::uint64_t>((faults_.max_latency - faults_.min_latency).count() + 1);
    co_await sleep_for(clock_,
                       faults_.min_latency + std::chrono::microseconds(random_->below(spread)));
  }
  while (frozen_ && !severed_) co_await changed_.wait();
  require_alive();
}

Async<void> FakeHypervisor::reach(std::shared_ptr<SimProcess> process) {
  const auto give_up = clock_.now() + patience;
  while (process->alive() && process->hangs) {
    if (clock_.now() >= give_up) throw failed("the monitor did not answer in time");
    co_await sleep_for(clock_, kHangPause);
    require_alive();
  }
}

void FakeHypervisor::effect(const std::string& what, const std::function<void()>& happen) {
  require_alive();
  auto& hooks = machines_.hooks_;
  const MachineEffect event{++hooks.effects, *this, machines_.host(), what};
  if (hooks.before_effect) hooks.before_effect(event);
  require_alive();
  happen();
  if (hooks.after_effect) hooks.after_effect(event);
  require_alive();
}

Async<std::unique_ptr<ports::Machine>> FakeHypervisor::launch(ports::MachineSpec spec) {
  co_await arrive();
  const auto guest = spec.guest;
  if (const auto there = machines_.find(guest)) {
    if (there->has_run()) throw Error(Reason::wrong_state, "the guest runs already");
    effect("clear " + to_text(guest), [&] { machines_.clear(guest); });
  }
  if (chance(faults_.launch_fails)) throw failed("qemu: exited with status 1 (injected)");
  std::shared_ptr<SimProcess> process;
  effect("exec " + to_text(guest), [&] { process = machines_.exec(std::move(spec)); });
  co_await with_undo(complete_launch(process), [this, guest]() -> Async<void> {
    if (!severed_) effect("clear " + to_text(guest), [&] { machines_.clear(guest); });
    co_return;
  });
  co_return std::make_unique<FakeMachine>(*this, std::move(process), 0);
}

Async<void> FakeHypervisor::complete_launch(std::shared_ptr<SimProcess> process) {
  co_await arrive();
  // The monitor answers. A daemon that is killed before leaves a process that has run nothing.
  effect("ready " + to_text(process->guest), [] {});
  if (!process->alive()) throw failed("qemu: " + process->last_words);
  if (!process->spec.saved) co_return;
  co_await arrive();
  if (!process->alive()) throw failed("qemu: " + process->last_words);
  effect("load " + to_text(process->guest), [&] { machines_.load_memory(*process); });
}

Async<std::unique_ptr<ports::Machine>> FakeHypervisor::adopt(model::GuestId guest) {
  co_await arrive();
  const auto process = machines_.find(guest);
  if (!process) co_return nullptr;
  co_await reach(process);
  if (!process->alive()) co_return nullptr;
  if (process->lies) throw failed("the monitor's answer makes no sense");
  co_return std::make_unique<FakeMachine>(*this, process, process->events.size());
}

Async<std::vector<ports::FoundMachine>> FakeHypervisor::survey() {
  co_await arrive();
  std::vector<ports::FoundMachine> found;
  for (const auto& [guest, record] : machines_.records()) {
    found.push_back({guest, record.epoch, record.store_id, machines_.find(guest) != nullptr});
  }
  co_return found;
}

Async<std::string> FakeHypervisor::last_words(model::GuestId guest) {
  co_await arrive();
  const auto record = machines_.records().find(guest);
  co_return record == machines_.records().end() ? "" : record->second.last_words;
}

Async<void> FakeHypervisor::clear(model::GuestId guest) {
  co_await arrive();
  if (!machines_.find(guest) && !machines_.records().contains(guest)) co_return;
  effect("clear " + to_text(guest), [&] { machines_.clear(guest); });
}

FakeHostInfo::FakeHostInfo(const SimMachines& machines) : machines_(machines) {
  facts.version = "simulated";
  facts.kernel = "6.1.0";
  facts.cpu_model = "simulated";
  facts.cores = facts.threads = 8;
  facts.cpu_level = 3;
  facts.memory = gib(16);
  facts.cgroup_version = 2;
  usb.push_back({.path = "/dev/bus/usb/001/004",
                 .vendor_id = "1050",
                 .product_id = "0407",
                 .manufacturer = "simulated",
                 .product = "key"});
  pci.push_back({.address = "0000:3b:00.0",
                 .device_class = "network",
                 .vendor = "8086",
                 .device = "1572",
                 .driver = "vfio-pci",
                 .iommu_group = 41,
                 .path = "/dev/vfio/devices/vfio0"});
}

Async<model::HostStatus> FakeHostInfo::read() {
  auto status = facts;
  status.boot_id = machines_.boot_id();
  co_return status;
}

Async<model::HostFacts> FakeHostInfo::inspect() {
  model::HostFacts found;
  found.processor = {.architecture = "x86_64",
                     .model = facts.cpu_model,
                     .sockets = facts.sockets,
                     .cores = facts.cores,
                     .threads = facts.threads,
                     .level = facts.cpu_level,
                     .virtualization = "AMD-V",
                     .nested_paging = "NPT"};
  found.memory.total = facts.memory;
  found.memory.available = facts.memory;
  found.kernel.release = facts.kernel;
  found.kernel.kvm = "usable";
  found.kernel.cgroup_version = facts.cgroup_version;
  found.kernel.cgroup_writable = true;
  found.kernel.iommus = 1;
  found.kernel.iommu_groups = 64;
  found.kernel.vfio = true;
  found.kernel.iommufd = true;
  found.usb = usb;
  found.pci = pci;
  found.hypervisor.installed = true;
  found.is_root = true;
  co_return found;
}

void FakeHistory::append(ports::HistoryRecord record) {
  for (const auto& entry : entries_) {
    const auto& known = entry.record;
    if (record.revision.number != 0 && known.kind == record.kind &&
        known.object_id == record.object_id && known.revision == record.revision) {
      return;
    }
  }
  entries_.push_back({++last_, std::move(record)});
}

Async<std::vector<ports::HistoryEntry>> FakeHistory::query(ports::HistoryQuery query) {
  std::vector<ports::HistoryEntry> found;
  const auto wanted = [&](const ports::HistoryEntry& entry) {
    if (!query.kind.empty() && entry.record.kind != query.kind) return false;
    if (!query.object_id.empty() && entry.record.object_id != query.object_id) return false;
    if (query.newest_first) return query.after == 0 || entry.sequence < query.after;
    return entry.sequence > query.after;
  };
  const auto take = [&](const auto& range_begin, const auto& range_end) {
    for (auto it = range_begin; it != range_end && found.size() < query.limit; ++it) {
      if (wanted(*it)) found.push_back(*it);
    }
  };
  if (query.newest_first) {
    take(entries_.rbegin(), entries_.rend());
  } else {
    take(entries_.begin(), entries_.end());
  }
  co_return found;
}

Async<std::size_t> FakeHistory::prune(ports::HistoryLimits limits) {
  const auto before = entries_.size();
  while (entries_.size() > limits.entries ||
         (!entries_.empty() && entries_.front().record.time < limits.oldest)) {
    entries_.pop_front();
  }
  co_return before - entries_.size();
}

}  // namespace ruche::sim
