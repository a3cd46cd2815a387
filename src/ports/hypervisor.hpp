// The edge to the hypervisor. A HypervisorEngine launches and adopts Machines; a Machine is one
// guest's process. Abilities that not every engine has are facets, present or absent (null).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/async.hpp"
#include "model/guest.hpp"
#include "model/host.hpp"
#include "ports/networks.hpp"

namespace ruche::ports {

// UEFI for guests: the program, which all share, and what a guest's own variables begin as.
struct UefiFirmware {
  std::string code_path;
  std::string variables_path;
  Bytes variables_size;
  // The same with Secure Boot, with the keys that systems are signed for; empty: there is none.
  std::string secure_code_path;
  std::string secure_variables_path;
};

struct EngineCapabilities {
  model::Accelerator accelerator = model::Accelerator::tcg;
  std::string accelerator_reason;  // why this one
  std::string version;             // of the engine (QEMU's)
  std::string machine_type;        // what a new guest is pinned to
  Bytes overhead;  // memory of a guest's process besides the guest's own (measured)
  std::vector<std::string> features;
  std::optional<UefiFirmware> uefi;  // absent: no guest boots through UEFI here
  std::string no_tpm;  // why guests have no TPM here; empty: they may
  std::string no_shares;  // the same of folders of the host
  std::string no_write_tracking;  // why a guest stands still while its memory is saved for a
                                  // snapshot; empty: it goes on meanwhile
  std::uint32_t numa_nodes = 1;  // of this host
};

// Told about long work: bytes done of total (0 = unknown).
using ProgressSink = std::function<void(Bytes done, Bytes total)>;

// One file of a disk's chain, top first; only the first is written to.
struct ImageFile {
  std::string path;
  model::DiskFormat format = model::DiskFormat::qcow2;
};
struct MachineDisk {
  std::string name;
  std::vector<ImageFile> chain;
};

struct MachineCdrom {
  std::string name;
  std::string path;  // a raw file
};

// A file of the medium that tells the guest about itself (cloud-init's NoCloud).
struct SeedFile {
  std::string name;
  std::string content;
};

// A device of the host, and the node through which a machine gets it.
struct HostDevice {
  std::string name;
  std::string path;  // below /dev
};

// What a suspended machine goes on from: its memory, and what its process had that follows from no
// specification.
struct SavedMachine {
  std::string memory_path;
  Bytes base_memory;  // that it was started with; the rest had been added
  std::vector<std::uint32_t> ports;  // PCI root ports
};

// Everything that a launch needs, complete: the engine reads no store and no configuration.
struct MachineSpec {
  model::GuestId guest;
  std::string name;
  std::string store_id;
  std::uint64_t epoch = 0;
  std::uint32_t uid = 0;  // 0: the daemon's own user
  model::VmSpec spec;
  std::vector<MachineDisk> disks;  // as spec.disks, in order
  // Of the adapters on a network. Whoever launches lets go of them when the process runs.
  std::vector<AttachedPort> ports;
  std::string kernel_path;  // direct kernel boot
  std::string initrd_path;
  std::vector<MachineCdrom> cdroms;  // as spec.cdroms, in order
  std::string uefi_vars_path;  // UEFI boot: a raw file, written to
  std::string tpm_state_path;  // with a TPM: a raw file, written to
  std::vector<HostDevice> usb;  // as spec.usb, in order; an empty path: it is not plugged in
  std::vector<HostDevice> pci;  // as spec.pci, in order
  std::vector<SeedFile> seed;  // none: no medium
  std::optional<SavedMachine> saved;
  std::uint32_t cpu_weight = 100;  // of its CPU time where guests compete, against the others'
};

enum class MachineState {
  prelaunch,  // never ran
  running,
  paused,
  shut_down,  // the guest powered itself off; the process waits to be dismissed
  gone,  // the process has ended
};

struct MachineStatus {
  MachineState state = MachineState::gone;
  std::optional<model::PauseCause> pause_cause;  // of a paused one
  std::int32_t pid = 0;
  std::vector<std::string> argv;
  std::string accelerator;
  std::string cgroup;
  std::vector<std::string> addresses;
  std::vector<model::DiskStatus> disks;
  std::string last_words;  // QEMU's standard error, bounded; why it ended when it is gone
};

// What happened, in order. After Ended nothing follows.
// agent: the guest's agent came or went (GuestAgents::connected).
enum class MachineEventKind {
  resumed,
  paused,
  reset,
  shut_down,
  io_error,
  panicked,
  watchdog,
  agent,
  ended
};
struct MachineEvent {
  MachineEventKind kind = MachineEventKind::ended;
  std::string detail;  // QEMU's last words for `ended`; the device for io_error
};

enum class PowerAction {
  resume,  // prelaunch or paused → running
  pause,  // running → paused
  reset,  // as the reset button
  shutdown,  // presses the power button (ACPI); the guest decides
  kill,  // ends the process, at once; returns when it is gone
};

// A guest's serial line. The stream is lossy by design: a reader that is too slow loses the oldest
// output and is told how much (a gap), the guest never waits.
struct ConsoleOutput {
  std::string data;
  std::size_t dropped = 0;  // bytes lost just before `data`
};
class ConsoleSession {
 public:
  virtual ~ConsoleSession() = default;
  // The first outputs are the last 64 KiB (at most) from before the session. nullopt: the guest
  // ended.
  virtual Async<std::optional<ConsoleOutput>> read() = 0;
  virtual Async<void> write(std::string data) = 0;
};
class Consoles {
 public:
  virtual ~Consoles() = default;
  // A serial port of the guest; the first, 0, is its console. Throws no_such_object.
  virtual Async<std::unique_ptr<ConsoleSession>> open(std::uint32_t port) = 0;
};

// A guest's screen, for those that have a display device.
class ScreenSession {
 public:
  virtual ~ScreenSession() = default;
  // What the guest's VNC server says next (RFB, RFC 6143); empty: it has ended. One that is not
  // read stops the server's sending, never the guest.
  virtual Async<std::string> read() = 0;
  virtual Async<void> write(std::string data) = 0;
};
class Screens {
 public:
  virtual ~Screens() = default;
  virtual Async<std::unique_ptr<ScreenSession>> open() = 0;
  // A picture of the screen as it is now (PNG), also of a paused guest.
  virtual Async<std::string> screenshot() = 0;
};

// What the agent inside a guest says of it: foreign text of bounded length.
struct AgentFacts {
  std::string version;
  std::string host_name;
  std::string os;
  std::string kernel;
  std::vector<std::string> addresses;  // without loopback and link-local ones
  std::vector<std::string> ssh_host_keys;
  bool initialized = false;  // cloud-init has done all of its work
};
struct AgentCommand {
  std::vector<std::string> argv;  // looked up in the guest's PATH
  std::vector<std::string> environment;  // NAME=value, beside the agent's own
  std::string input;
  Duration limit{60'000};
};
struct AgentCommandResult {
  int exit_code = 0;  // 128 + the signal that ended it
  std::string output;
  std::string error_output;
  bool output_cut = false;  // the agent keeps only the first 16 MiB
  bool error_output_cut = false;
};

// The agent inside a guest. The guest is hostile: whatever the agent says or withholds costs no
// more than its own answer. Methods throw no_agent when nothing answers in time and agent_failed
// for a refusal or an answer that makes no sense. One command is under way at a time.
class GuestAgents {
 public:
  virtual ~GuestAgents() = default;
  // Something in the guest holds the channel open. Costs nothing.
  virtual bool connected() const = 0;
  virtual Async<AgentFacts> facts() = 0;
  // Returns when the agent was told; the guest goes down in its own time.
  virtual Async<void> shut_down() = 0;
  // Flushes and stops writing of every file system; while frozen only frozen() and thaw() are
  // answered. A partial freeze is undone.
  virtual Async<void> freeze() = 0;
  virtual Async<void> thaw() = 0;  // not frozen is not an error
  virtual Async<bool> frozen() = 0;
  // Its clock becomes the host's: after a time in which it stood still.
  virtual Async<void> set_time() = 0;
  // CPUs that were added while it runs are put to use. Throws agent_failed when one is not.
  virtual Async<void> bring_cpus_online() = 0;
  // Throws command_still_runs when the limit passes, and agent_answer_too_large.
  virtual Async<AgentCommandResult> run(AgentCommand command) = 0;
};

// One change of a machine's devices, complete: files and ports are data.
struct PlugDisk {
  model::DiskSpec disk;
  MachineDisk files;
};
struct UnplugDisk {
  model::DiskSpec disk;
};
struct LimitDisk {
  model::DiskSpec disk;
};
struct PlugNic {
  model::NicSpec nic;
  std::optional<AttachedPort> port;  // of an adapter on a network
  bool boots = false;  // the process's boot order names it: it has an option ROM
};
struct UnplugNic {
  model::NicSpec nic;
};
struct PlugUsb {
  model::UsbSpec device;
  std::string path;
};
struct UnplugUsb {
  model::UsbSpec device;
};
struct SetLink {
  model::NicSpec nic;
};
struct ChangeMedium {
  model::CdromSpec drive;
  std::string path;  // a raw file; empty: the drive becomes empty
};
struct SetCpus {
  std::uint32_t cpus = 1;
};
struct SetMemory {
  Bytes size;
};
// What the guest shall use at most; it gives up the rest at its own pace.
struct SetBalloon {
  Bytes target;
};
// Hardware threads that the CPUs may run on, as VmSpec::cpu_pins says it; empty: all.
struct SetPins {
  std::vector<std::string> pins;
};
using DeviceChange =
    std::variant<PlugDisk, UnplugDisk, LimitDisk, PlugNic, UnplugNic, PlugUsb, UnplugUsb, SetLink,
                 ChangeMedium, SetCpus, SetMemory, SetBalloon, SetPins>;

// A guest's memory as QEMU and the balloon's driver in the guest see it.
struct MemoryFacts {
  Bytes plugged;  // what it has
  Bytes available;  // what the balloon leaves to it
  std::optional<Bytes> total;  // the rest: as the guest says, where it has a balloon and a driver
  std::optional<Bytes> free;
  std::optional<Bytes> usable;  // free, and caches that can be dropped
};

// Devices that come, go and change while the guest runs.
class Devices {
 public:
  virtual ~Devices() = default;
  // Idempotent: what is so already is left alone. Throws guest_kept_device when the guest did not
  // let go of one, or did not take the memory, within the driver's patience; and hypervisor_failed.
  // A change that fails has been taken back, except for a guest that lets go of a device too late.
  virtual Async<void> change(DeviceChange change) = 0;
  // The disk's file becomes larger, and the guest sees it. Never smaller.
  virtual Async<void> grow(model::DiskSpec disk, Bytes size) = 0;
  virtual Async<MemoryFacts> memory() = 0;
};

// A disk and the file that its writes go to from an instant on: an empty qcow2 that stands on the
// first of its files.
struct DiskOverlay {
  model::DiskSpec disk;
  MachineDisk files;
  ImageFile overlay;
};
// A small file of the machine's own besides its disks. Where it is copied to is there, as large.
struct FileCopy {
  std::string from;
  std::string to;
};
struct SnapshotOrder {
  std::vector<DiskOverlay> disks;
  std::vector<FileCopy> copies;
  std::string memory_path;  // empty: without memory; else the file is there
  bool was_paused = false;  // before an earlier attempt
};
struct TakenSnapshot {
  Bytes memory_size;  // of the file
  std::chrono::microseconds pause{0};  // how long the CPUs stood still
};
// `layer` is in the disk's files, and `below` follows it there, and `base` that if anything does.
struct DiskMerge {
  model::DiskSpec disk;
  MachineDisk files;
  ImageFile layer;
  ImageFile below;
  std::optional<ImageFile> base;
};

// A machine's memory and the state of its devices, kept in files.
class Snapshots {
 public:
  virtual ~Snapshots() = default;
  // Stops the CPUs and writes everything into the file, which must be there. Durable when it
  // returns; the CPUs stay stopped then, and go on with PowerAction::resume. Again saves
  // again. Throws not_enough_space and
  // hypervisor_failed; the CPUs are stopped then too. Cancelled, it saves no further. Returns the
  // size of the file.
  virtual Async<Bytes> save(std::string path, ProgressSink progress) = 0;
  // Ends a save that is under way, also one that an earlier daemon began.
  virtual Async<void> cancel() = 0;
  // One instant for all of it: the disks go on in their overlays, the files are copied as they
  // were, the memory is saved as it was. Disks that are in their overlays already are left there.
  // Either all disks are or none, also when it throws; the CPUs go on in any case, unless they
  // stood still before. Durable when it returns. Throws not_enough_space and hypervisor_failed.
  // Cancelled, it saves no further.
  virtual Async<TakenSnapshot> take(SnapshotOrder order, ProgressSink progress) = 0;
  // What is in one layer of a disk moves up into the layer on top of it, at a bounded pace, while
  // the guest runs. It is so already is nothing. Throws hypervisor_failed and not_enough_space;
  // what either layer shows is right at every moment.
  virtual Async<void> merge(DiskMerge order, ProgressSink progress) = 0;
};

// A handle on a launched guest. Dropping it never touches the guest. Methods throw
// hypervisor_failed when the process is gone, hangs past its deadline, or lies.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual Async<MachineStatus> status() = 0;  // asks again, remembers nothing
  virtual Async<void> power(PowerAction action) = 0;
  virtual Async<MachineEvent> next_event() = 0;
  virtual Consoles* consoles() { return nullptr; }
  virtual Screens* screens() { return nullptr; }
  virtual GuestAgents* agents() { return nullptr; }
  virtual Devices* devices() { return nullptr; }
  virtual Snapshots* snapshots() { return nullptr; }
};

// What the local runtime record and the process table say about one guest.
struct FoundMachine {
  model::GuestId guest;
  std::uint64_t epoch = 0;
  std::string store_id;
  bool alive = false;  // its process runs (pid, start time and boot id match)
};

class HypervisorEngine {
 public:
  virtual ~HypervisorEngine() = default;
  virtual EngineCapabilities capabilities() const = 0;
  // Starts the guest's process, stopped before its first instruction (prelaunch), and writes its
  // runtime record durably. Idempotent per (guest, epoch): a machine that exists in prelaunch is
  // ended and started anew; one that has run throws wrong_state. One with saved memory is paused
  // where it was saved when this returns, prelaunch until then. On failure nothing is left.
  virtual Async<std::unique_ptr<Machine>> launch(MachineSpec spec) = 0;
  // Takes over a guest that an earlier daemon launched, re-reading everything. Null when there is
  // no live process; throws hypervisor_failed when it is alive but cannot be trusted.
  virtual Async<std::unique_ptr<Machine>> adopt(model::GuestId guest) = 0;
  // Every guest with a runtime record or a process here, also after kill -9 of the daemon.
  virtual Async<std::vector<FoundMachine>> survey() = 0;
  // The last words of a guest whose process is gone, if any are kept.
  virtual Async<std::string> last_words(model::GuestId guest) = 0;
  // Ends whatever process is left of the guest (by its record, also when QMP hangs) and removes its
  // record, sockets and cgroup. Nothing left is not an error.
  virtual Async<void> clear(model::GuestId guest) = 0;
};

}  // namespace ruche::ports
