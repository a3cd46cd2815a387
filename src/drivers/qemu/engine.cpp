#include "drivers/qemu/engine.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "drivers/qemu/accelerator.hpp"
#include "drivers/qemu/beside.hpp"
#include "drivers/qemu/capabilities.hpp"
#include "drivers/qemu/cut.hpp"
#include "drivers/qemu/devices.hpp"
#include "drivers/qemu/firmware.hpp"
#include "drivers/qemu/launch.hpp"
#include "drivers/qemu/machine.hpp"
#include "drivers/qemu/memory.hpp"
#include "drivers/qemu/nics.hpp"
#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/snapshots.hpp"
#include "drivers/qemu/tpm.hpp"
#include "drivers/qemu/write_tracking.hpp"
#include "model/serial_ports.hpp"
#include "model/share_rules.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr Duration kEndLimit = std::chrono::seconds(10);
constexpr Duration kTidyLimit = std::chrono::seconds(1);
constexpr Duration kCgroupPause = std::chrono::milliseconds(10);
constexpr int kCgroupTries = 50;
constexpr std::uint32_t kNobody = 65534;

using ports::ProcessIdentity;

Async<void> wait_for_end(ports::Process& process) { co_await process.wait(); }

class QemuEngine : public ports::HypervisorEngine {
 public:
  QemuEngine(QemuOptions options, Services services, EngineFacts facts,
             ports::EngineCapabilities capabilities)
      : options_(std::move(options)),
        services_(services),
        facts_(std::move(facts)),
        capabilities_(std::move(capabilities)) {
    options_.kept_folders.push_back(options_.run_directory);
  }

  ports::EngineCapabilities capabilities() const override { return capabilities_; }
  Async<std::unique_ptr<ports::Machine>> launch(ports::MachineSpec spec) override;
  Async<std::unique_ptr<ports::Machine>> adopt(model::GuestId guest) override;
  Async<std::vector<ports::FoundMachine>> survey() override;
  Async<std::string> last_words(model::GuestId guest) override;
  Async<void> clear(model::GuestId guest) override;

 private:
  using Cores = std::map<model::GuestId, std::weak_ptr<MachineCore>>;

  GuestDirectory directory(model::GuestId guest) const { return {options_.run_directory, guest}; }
  Async<void> remove_earlier(const ports::MachineSpec& spec);
  Async<void> start(const ports::MachineSpec& spec, CommandLine line,
                    std::shared_ptr<MachineCore>& core);
  Async<void> start_tpm(const ports::MachineSpec& spec, const GuestDirectory& place,
                        Handover& handover);
  Async<void> start_shares(const ports::MachineSpec& spec, const GuestDirectory& place,
                           Handover& handover);
  Async<void> await_machine(const ports::MachineSpec& spec, std::shared_ptr<MachineCore> core);
  Async<void> record(std::shared_ptr<MachineCore> core);
  RuntimeRecord make_record(const ports::MachineSpec& spec, const CommandLine& line,
                            const ProcessIdentity& process) const;
  Async<std::shared_ptr<MachineCore>> connect(RuntimeRecord record,
                                              std::unique_ptr<ports::Process> process);
  Async<void> tidy_disks(std::shared_ptr<MachineCore> core);
  Async<void> let_go(model::GuestId guest);
  Async<void> dismiss_strays(model::GuestId guest);
  Async<bool> keeps_running(model::GuestId guest);
  Async<ports::MachineState> ask_state(GuestDirectory place);
  Async<void> end_process(const ProcessIdentity& identity);
  Async<void> remove_cgroup(model::GuestId guest);
  std::vector<ProcessIdentity> strays(model::GuestId guest) const;
  ports::FoundMachine look_at(model::GuestId guest);

  QemuOptions options_;
  Services services_;
  EngineFacts facts_;
  ports::EngineCapabilities capabilities_;
  BootFiles boot_files_;  // the lane's
  Cores cores_;           // handles that this daemon gave out
};

// --- launch ----------------------------------------------------------------------------------

Async<std::unique_ptr<ports::Machine>> QemuEngine::launch(ports::MachineSpec spec) {
  auto line = build_command_line(spec, facts_);
  if (!line) throw std::move(line.error());
  co_await remove_earlier(spec);
  std::shared_ptr<MachineCore> core;
  const auto guest = spec.guest;
  co_await with_undo(start(spec, std::move(*line), core), [this, guest] { return clear(guest); });
  co_return std::make_unique<QemuMachine>(std::move(core));
}

// A machine that never ran may be thrown away; one that has run belongs to its guest.
Async<void> QemuEngine::remove_earlier(const ports::MachineSpec& spec) {
  if (!directory(spec.guest).exists()) co_return;
  auto earlier = co_await adopt(spec.guest);
  if (earlier) {
    const auto status = co_await earlier->status();
    using ports::MachineState;
    if (status.state != MachineState::prelaunch && status.state != MachineState::gone) {
      throw Error(Reason::wrong_state,
                  fmt::format("{} already has a machine, which has run (process {})", spec.name,
                              status.pid));
    }
  }
  earlier.reset();
  co_await clear(spec.guest);
}

// QEMU builds its machine while the record is made durable: both take about as long.
Async<void> QemuEngine::start(const ports::MachineSpec& spec, CommandLine line,
                              std::shared_ptr<MachineCore>& core) {
  auto place = directory(spec.guest);
  auto handover = co_await services_.lane.run([&] {
    return prepare_handover(place, boot_files_,
                            {line.files, spec.seed, model::serial_port_count(spec.spec), spec.uid});
  });
  std::unique_ptr<net::Stream> monitor;
  {
    const auto address = place.address(kQmpSocket);
    monitor = co_await net::connect_unix(address.path);
  }
  if (spec.spec.tpm) co_await start_tpm(spec, place, handover);
  co_await start_shares(spec, place, handover);
  auto request = spawn_request(spec, line, handover, place, capabilities_.overhead);
  auto process = co_await services_.processes.spawn(std::move(request));
  handover = {};
  auto record_of_it = make_record(spec, line, process->identity());
  MachineCore::Parts parts{place,
                           std::move(record_of_it),
                           std::move(process),
                           std::move(monitor),
                           options_.pump_path,
                           options_.command_limit,
                           options_.device_patience};
  core = std::make_shared<MachineCore>(services_, std::move(parts));
  cores_[spec.guest] = core;
  core->begin();
  std::vector<Async<void>> both;
  both.push_back(record(core));
  both.push_back(await_machine(spec, core));
  co_await all(std::move(both));
  if (spec.saved) co_await load_memory(core, spec.saved->memory_path);
  co_await apply_settings(core, spec.spec);
}

// QEMU speaks to its TPM while it builds its machine.
Async<void> QemuEngine::start_tpm(const ports::MachineSpec& spec, const GuestDirectory& place,
                                  Handover& handover) {
  auto tpm = co_await services_.lane.run([&] { return prepare_tpm(spec, place); });
  auto request = tpm_request(spec, tpm, place, options_.swtpm_path);
  co_await start_beside(services_, std::move(request));
  handover.passed.push_back({tpm.ours.get(), kTpmDescriptor});
  handover.held.push_back(std::move(tpm.ours));
}

// As to its folders.
Async<void> QemuEngine::start_shares(const ports::MachineSpec& spec, const GuestDirectory& place,
                                     Handover& handover) {
  if (spec.spec.shares.empty()) co_return;
  const auto program = find_virtiofsd(options_.virtiofsd_path, options_.older_virtiofsd_path);
  if (!program) throw Error(Reason::host_cannot, "virtiofsd is gone").remedy(model::kShareRemedy);
  for (std::size_t i = 0; i < spec.spec.shares.size(); ++i) {
    auto share = co_await services_.lane.run(
        [&] { return prepare_share(spec, i, place, options_.kept_folders); });
    auto request = share_request(spec, i, share, place, *program);
    co_await start_beside(services_, std::move(request));
    handover.passed.push_back({share.ours.get(), share_descriptor(spec.spec, i)});
    handover.held.push_back(std::move(share.ours));
  }
}

Async<void> QemuEngine::record(std::shared_ptr<MachineCore> core) {
  co_await services_.lane.run([core] { write_record(core->directory(), core->record()); });
}

// A QEMU that refuses its command line ends; its own words are the error then.
Async<void> QemuEngine::await_machine(const ports::MachineSpec& spec,
                                      std::shared_ptr<MachineCore> core) {
  std::optional<Error> failure;
  try {
    co_await core->qmp().negotiate(options_.launch_limit);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  try {
    co_await with_deadline(services_.clock, std::chrono::seconds(1), "the end of QEMU",
                           core->wait_for_end());
  } catch (const Error&) {
    throw std::move(*failure);  // it lives, but does not talk
  }
  if (auto why = tpm_failure(spec, core->directory(), core->last_words())) throw std::move(*why);
  if (auto why = share_failure(spec, core->directory(), core->last_words())) {
    throw std::move(*why);
  }
  Error refused(Reason::hypervisor_failed, core->last_words());
  if (auto pages = lacks_huge_pages(spec.spec, core->last_words())) {
    throw std::move(*pages).caused_by(refused);
  }
  if (auto disk = disk_failure(spec, core->last_words())) {
    throw std::move(*disk).caused_by(refused);
  }
  throw std::move(refused).remedy("see the host's log");
}

RuntimeRecord QemuEngine::make_record(const ports::MachineSpec& spec, const CommandLine& line,
                                      const ProcessIdentity& process) const {
  RuntimeRecord made;
  made.guest = spec.guest;
  made.name = spec.name;
  made.store_id = spec.store_id;
  made.epoch = spec.epoch;
  made.uid = spec.uid;
  made.pid = process.pid;
  made.start_ticks = process.start_ticks;
  made.boot_id = process.boot_id;
  made.accelerator = enum_name(facts_.accelerator);
  made.argv = line.argv;
  made.addresses = known_addresses(spec.spec.nics);
  made.serial = spec.spec.serial;
  made.serial_ports = spec.spec.serial_ports;
  made.screen = spec.spec.display != model::DisplayKind::none;
  made.agent = true;
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    made.disks.push_back(recorded_disk(spec.spec.disks[i], spec.disks[i]));
  }
  return made;
}

// --- adopt -----------------------------------------------------------------------------------

Async<std::unique_ptr<ports::Machine>> QemuEngine::adopt(model::GuestId guest) {
  co_await let_go(guest);
  std::optional<RuntimeRecord> found;
  std::optional<Error> unreadable;
  try {
    found = read_record(directory(guest), guest);
  } catch (const Error& error) {
    unreadable = error;
  }
  if (unreadable && !strays(guest).empty()) {
    throw Error(Reason::hypervisor_failed,
                "the guest's process runs, but its runtime record is unreadable")
        .caused_by(*unreadable);
  }
  if (!found) {
    co_await dismiss_strays(guest);
    co_return nullptr;
  }
  auto process = services_.processes.find(found->process());
  if (!process) co_return nullptr;
  auto core = co_await connect(std::move(*found), std::move(process));
  co_return std::make_unique<QemuMachine>(std::move(core));
}

Async<std::shared_ptr<MachineCore>> QemuEngine::connect(RuntimeRecord record,
                                                        std::unique_ptr<ports::Process> process) {
  const auto guest = record.guest;
  auto place = directory(guest);
  std::unique_ptr<net::Stream> monitor;
  {
    const auto address = place.address(kQmpSocket);
    monitor = co_await net::connect_unix(address.path);
  }
  MachineCore::Parts parts{place,
                           std::move(record),
                           std::move(process),
                           std::move(monitor),
                           options_.pump_path,
                           options_.command_limit,
                           options_.device_patience};
  auto core = std::make_shared<MachineCore>(services_, std::move(parts));
  core->begin();
  std::exception_ptr failure;
  try {
    co_await core->qmp().negotiate(options_.adopt_limit);
    co_await core->verify();
    co_await core->look_for_agent();
    co_await tidy_disks(core);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (failure) {
    core->release();
    std::rethrow_exception(failure);
  }
  cores_[guest] = core;
  co_return core;
}

// What an earlier daemon left half done. The guest runs as it is, so it is taken over all the same.
Async<void> QemuEngine::tidy_disks(std::shared_ptr<MachineCore> core) {
  std::optional<Error> failure;
  try {
    co_await finish_cut(core);
    co_await with_deadline(services_.clock, kTidyLimit, "taking out old layers",
                           remove_unknown_layers(core));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  services_.log.warning("qemu", failure->full_message(),
                        {{"guest", to_text(core->record().guest)}});
}

// Processes that were started just before the daemon died: without a record nothing was resumed.
// QEMU confirms it, because one that has run is never ended by us. What is there alone of those
// beside it never met its QEMU.
Async<void> QemuEngine::dismiss_strays(model::GuestId guest) {
  const auto found = strays(guest);
  if (found.empty()) {
    co_await end_tpm(services_, guest);
    co_await end_shares(services_, directory(guest));
    co_return;
  }
  const auto state = co_await ask_state(directory(guest));
  if (state != ports::MachineState::prelaunch) {
    throw Error(Reason::hypervisor_failed,
                "the guest's process runs and has run, but its runtime record is lost");
  }
  for (const auto& identity : found) co_await end_process(identity);
}

Async<ports::MachineState> QemuEngine::ask_state(GuestDirectory place) {
  std::unique_ptr<net::Stream> monitor;
  {
    const auto address = place.address(kQmpSocket);
    monitor = co_await net::connect_unix(address.path);
  }
  const auto qmp =
      std::make_shared<QmpSession>(std::move(monitor), services_.clock, options_.command_limit);
  Scope scope(services_.scope.executor(), "stray");
  scope.spawn("monitor", qmp->run([](const QmpEvent&) {}));
  std::exception_ptr failure;
  json::Value answer;
  try {
    co_await qmp->negotiate(options_.adopt_limit);
    answer = co_await qmp->execute("query-status");
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  qmp->close();
  co_await uninterrupted(scope.join());
  if (failure) std::rethrow_exception(failure);
  co_return machine_state(text_member(as_object(answer), "status"));
}

// QEMU's monitor serves one connection: an earlier handle must be off it.
Async<void> QemuEngine::let_go(model::GuestId guest) {
  const auto known = cores_.find(guest);
  if (known == cores_.end()) co_return;
  const auto core = known->second.lock();
  cores_.erase(known);
  if (!core) co_return;
  core->release();
  co_await core->released();
}

// --- survey and clear ------------------------------------------------------------------------

// QEMU processes of this guest that no readable record names; they carry its id in two words of
// their command line.
std::vector<ProcessIdentity> QemuEngine::strays(model::GuestId guest) const {
  return services_.processes.find_by_words({"-uuid", to_text(guest)});
}

ports::FoundMachine QemuEngine::look_at(model::GuestId guest) {
  ports::FoundMachine machine;
  machine.guest = guest;
  std::optional<RuntimeRecord> found;
  try {
    found = read_record(directory(guest), guest);
  } catch (const Error& error) {
    services_.log.warning("qemu", error.full_message(), {{"guest", to_text(guest)}});
  }
  if (found) {
    machine.epoch = found->epoch;
    machine.store_id = found->store_id;
    machine.alive = services_.processes.find(found->process()) != nullptr;
  } else {
    machine.alive = !strays(guest).empty();
  }
  return machine;
}

Async<std::vector<ports::FoundMachine>> QemuEngine::survey() {
  std::vector<ports::FoundMachine> machines;
  for (const auto guest : list_guest_directories(options_.run_directory)) {
    auto machine = look_at(guest);
    if (machine.alive && machine.epoch == 0) machine.alive = co_await keeps_running(guest);
    machines.push_back(machine);
  }
  co_return machines;
}

// Of a process without a readable record: true unless it never ran, and is now gone.
Async<bool> QemuEngine::keeps_running(model::GuestId guest) {
  try {
    co_await dismiss_strays(guest);
  } catch (const Error& error) {
    services_.log.warning("qemu", error.full_message(), {{"guest", to_text(guest)}});
    co_return true;
  }
  co_return false;
}

Async<std::string> QemuEngine::last_words(model::GuestId guest) {
  const auto known = cores_.find(guest);
  const auto core = known == cores_.end() ? nullptr : known->second.lock();
  if (core && core->ended()) co_return core->last_words();
  const auto place = directory(guest);
  if (!place.exists()) co_return std::string();
  co_return describe_unseen_end(place.tail(kErrorFile, kLastWordsLimit));
}

Async<void> QemuEngine::clear(model::GuestId guest) {
  co_await let_go(guest);
  auto place = directory(guest);
  std::vector<ProcessIdentity> living = strays(guest);
  try {
    if (const auto found = read_record(place, guest)) living.push_back(found->process());
  } catch (const Error& error) {
    services_.log.warning("qemu", error.full_message(), {{"guest", to_text(guest)}});
  }
  for (const auto& identity : living) co_await end_process(identity);
  co_await end_tpm(services_, guest);
  co_await end_shares(services_, place);
  co_await remove_cgroup(guest);
  co_await services_.lane.run([&place] { place.remove(); });
}

Async<void> QemuEngine::end_process(const ProcessIdentity& identity) {
  const auto process = services_.processes.find(identity);
  if (!process) co_return;
  process->signal(SIGKILL);
  bool stuck = false;
  try {
    co_await with_deadline(services_.clock, kEndLimit, "the end of QEMU", wait_for_end(*process));
  } catch (const Error&) {
    stuck = true;
  }
  if (stuck) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("process {} does not end; the kernel holds it", identity.pid))
        .remedy("look at the storage below it; a process waiting for a disk cannot be killed");
  }
}

// A process of another parent leaves its cgroup a moment after its end, and a pump after its guest.
Async<void> QemuEngine::remove_cgroup(model::GuestId guest) {
  for (int tries = 0;; ++tries) {
    try {
      services_.processes.remove_cgroup(to_text(guest));
      co_return;
    } catch (const Error& error) {
      if (error.reason() != Reason::in_use || tries == kCgroupTries) throw;
    }
    co_await sleep_for(services_.clock, kCgroupPause);
  }
}

// --- opening ---------------------------------------------------------------------------------

Async<std::string> ask_qemu(const QemuOptions& options, Services services,
                            std::vector<std::string> arguments) {
  ports::SpawnRequest request;
  request.name = "QEMU";
  request.argv = {options.qemu_path};
  request.argv.insert(request.argv.end(), arguments.begin(), arguments.end());
  request.environment = {"LC_ALL=C"};
  allow_qemu(request.confinement, options.qemu_path);
  if (::geteuid() == 0) request.confinement.user = request.confinement.group = kNobody;
  auto asked = ports::run_helper(services.processes, std::move(request), options.run_directory);
  const auto result = co_await with_deadline(services.clock, options.launch_limit,
                                             "asking QEMU what it can do", std::move(asked));
  if (result.status != 0) {
    throw Error(Reason::host_cannot,
                fmt::format("{} does not work: {}", options.qemu_path, result.error_output));
  }
  co_return result.output;
}

}  // namespace

Async<std::unique_ptr<ports::HypervisorEngine>> open_qemu(QemuOptions options, Services services) {
  std::filesystem::create_directories(options.run_directory);
  std::filesystem::permissions(options.run_directory, std::filesystem::perms::owner_all);
  if (::access(options.qemu_path.c_str(), X_OK) != 0) {
    throw Error(Reason::host_cannot, options.qemu_path + " is not installed")
        .remedy("install qemu-system-x86 10.0 or newer (Debian 12: backports)");
  }
  const auto version = parse_version(co_await ask_qemu(options, services, {"--version"}));
  if (!version) throw version.error();
  const auto choice = choose_accelerator(read_accelerator_facts("/dev/kvm", "/proc/cpuinfo"));
  EngineFacts facts;
  facts.numa_nodes = count_numa_nodes("/sys/devices/system/node");
  facts.qemu_path = options.qemu_path;
  facts.accelerator = choice.accelerator;
  facts.machine_types = parse_machines(co_await ask_qemu(options, services, {"-machine", "help"}));
  if (facts.machine_types.empty()) {
    throw Error(Reason::host_cannot, "this QEMU has no q35 machine");
  }
  facts.device_models =
      parse_device_models(co_await ask_qemu(options, services, {"-device", "help"}));
  ports::EngineCapabilities capabilities;
  capabilities.accelerator = choice.accelerator;
  capabilities.accelerator_reason = choice.reason;
  capabilities.version = to_text(*version);
  capabilities.machine_type = facts.machine_types.front();
  capabilities.overhead = process_overhead(choice.accelerator);
  capabilities.numa_nodes = facts.numa_nodes;
  capabilities.features = {"serial-console", "user-network", "guest-agent", "cloud-init"};
  capabilities.uefi = find_firmware("/usr/share");
  if (capabilities.uefi) {
    facts.uefi_code = capabilities.uefi->code_path;
    facts.secure_uefi_code = capabilities.uefi->secure_code_path;
    capabilities.features.emplace_back("uefi");
    if (!facts.secure_uefi_code.empty()) capabilities.features.emplace_back("secure-boot");
  }
  capabilities.no_tpm = facts.no_tpm = why_no_tpm(options.swtpm_path);
  if (capabilities.no_tpm.empty()) capabilities.features.emplace_back("tpm");
  capabilities.no_write_tracking = why_no_write_tracking(kWriteTracking);
  const auto virtiofsd = find_virtiofsd(options.virtiofsd_path, options.older_virtiofsd_path);
  capabilities.no_shares = facts.no_shares = why_no_shares(virtiofsd, ::geteuid() == 0);
  if (capabilities.no_shares.empty()) capabilities.features.emplace_back(model::kSharesFeature);
  co_return std::make_unique<QemuEngine>(std::move(options), services, std::move(facts),
                                         std::move(capabilities));
}

}  // namespace ruche::drivers::qemu
