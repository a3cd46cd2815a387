// Guests: what the store keeps (Guest) and what the owner observed (GuestStatus). Plain data; rules
// are in guest_rules.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"
#include "model/vm_spec.hpp"

namespace ruche::model {

enum class GuestKind { vm, container };
constexpr auto describe(Type<GuestKind>) {
  return enumeration<GuestKind>("GuestKind", "The two kinds of guest.",
                                value(GuestKind::vm, "vm", "A virtual machine."),
                                value(GuestKind::container, "container", "An LXC container."));
}

// The part of a guest's seed that no answer and no export shows: it can be written, never read. In
// the store each text is sealed by the host that took it (ports/sealing.hpp).
inline constexpr std::size_t kLongestSealedText = 90'000;  // of 64 KiB of plain text

struct GuestSeed {
  std::string password_hash;  // crypt(5)
  std::string user_data;
  std::string vendor_data;
};
constexpr auto describe(Type<GuestSeed>) {
  return structure<GuestSeed>(
      "GuestSeed", "What is secret of a guest's seed.",
      field<&GuestSeed::password_hash>("password_hash", "Hash of the user's password (crypt(5))."),
      field<&GuestSeed::user_data>("user_data", "The user-data as it was given.",
                                   {.max_length = kLongestSealedText}),
      field<&GuestSeed::vendor_data>("vendor_data", "The vendor-data as it was given.",
                                     {.max_length = kLongestSealedText}));
}

// Snapshots that are taken by themselves, and how many of them are kept.
struct SnapshotSchedule {
  std::string name;  // its snapshots are called <name>-<time>
  Duration every{3'600'000};
  std::uint32_t keep = 24;
  bool memory = false;
  bool quiesce = false;
  friend bool operator==(const SnapshotSchedule&, const SnapshotSchedule&) = default;
};
constexpr auto describe(Type<SnapshotSchedule>) {
  using S = SnapshotSchedule;
  return structure<S>("SnapshotSchedule", "Snapshots that are taken by themselves.",
                      field<&S::name>("name", "Name of the schedule.", {.format = "name"}),
                      field<&S::every>("every_ms", "Time between two of them.", {.min = 60'000}),
                      field<&S::keep>("keep", "How many of them are kept.", {.min = 1, .max = 500}),
                      field<&S::memory>("memory", "With memory, while it runs."),
                      field<&S::quiesce>("quiesce", "Its agent freezes the file systems for it."));
}
inline constexpr std::size_t kMostSchedules = 8;

// What can be changed of a guest; what a change goes back to when its task fails.
struct GuestConfiguration {
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  std::optional<PoolId> pool;
  std::optional<SnapshotId> snapshot;
  VmSpec spec;
  bool is_template = false;
  std::vector<SnapshotSchedule> schedules;
};
constexpr auto describe(Type<GuestConfiguration>) {
  using G = GuestConfiguration;
  return structure<G>("GuestConfiguration", "What can be changed of a guest.",
                      field<&G::name>("name", "Unique name."),
                      field<&G::display_name>("display_name", "Name for people."),
                      field<&G::description>("description", "Notes."),
                      field<&G::tags>("tags", "Tags."),
                      field<&G::pool>("pool", "Its resource pool."),
                      field<&G::snapshot>("snapshot", "The snapshot that it goes on from."),
                      field<&G::spec>("spec", "Hardware."),
                      field<&G::is_template>("template", "Others are made from it."),
                      field<&G::schedules>("schedules", "Snapshots taken by themselves."));
}

// The stored wish: guests/<id>/spec. Its revision is the ETag.
struct Guest {
  GuestId id;
  GuestKind kind = GuestKind::vm;
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  DatastoreId datastore;  // where its directory is
  std::optional<ImageId> image;
  std::uint32_t uid = 0;  // unprivileged user of its process, cluster-wide unique
  std::optional<PoolId> pool;  // whose limits and shares it is under
  VmSpec spec;
  std::optional<GuestSeed> seed;
  bool is_template = false;  // others are made from it; it never starts, and its disks never change
  std::optional<SnapshotId> snapshot;  // that its disks go on from
  std::vector<SnapshotSchedule> schedules;
  Timestamp created_at;
  std::optional<Timestamp> deleted_at;  // in the recycle bin since
};
constexpr auto describe(Type<Guest>) {
  return structure<Guest>(
      "Guest", "A guest as the store keeps it.", field<&Guest::id>("id", "Immutable id."),
      field<&Guest::kind>("kind", "Virtual machine or container."),
      field<&Guest::name>("name", "Unique name.", {.format = "name"}),
      field<&Guest::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&Guest::description>("description", "Notes.", {.max_length = 4096}),
      field<&Guest::tags>("tags", "Tags.", {.max_length = 64}),
      field<&Guest::datastore>("datastore", "Datastore of its directory."),
      field<&Guest::image>("image", "The image it came from."),
      field<&Guest::uid>("uid", "User id of its process."),
      field<&Guest::pool>("pool", "The resource pool it belongs to."),
      field<&Guest::spec>("spec", "Hardware."),
      field<&Guest::seed>("seed", "What is secret of its seed."),
      field<&Guest::is_template>("template", "Others are made from it; it never starts."),
      field<&Guest::snapshot>("snapshot", "The snapshot that it goes on from."),
      field<&Guest::schedules>("schedules", "Snapshots that are taken by themselves.",
                               {.max_length = kMostSchedules}),
      field<&Guest::created_at>("created_at", "When it was created."),
      field<&Guest::deleted_at>("deleted_at", "In the recycle bin since."));
}

// What the owner observed last. `crashed` is not `stopped`: QEMU ended without being asked.
enum class GuestState { provisioning, stopped, running, paused, suspended, crashed, broken };
constexpr auto describe(Type<GuestState>) {
  return enumeration<GuestState>(
      "GuestState", "What the owner observed last.",
      value(GuestState::provisioning, "provisioning", "Its volumes are being made."),
      value(GuestState::stopped, "stopped", "It has no process."),
      value(GuestState::running, "running", "Its CPUs run."),
      value(GuestState::paused, "paused", "It has a process, its CPUs stand still."),
      value(GuestState::suspended, "suspended",
            "It has no process; its memory is saved on its datastore."),
      value(GuestState::crashed, "crashed", "Its process ended without being asked."),
      value(GuestState::broken, "broken", "What was read of it makes no sense; see last_error."));
}

enum class PauseCause { asked, no_space, panic, watchdog, other };
constexpr auto describe(Type<PauseCause>) {
  return enumeration<PauseCause>(
      "PauseCause", "Why a guest's CPUs stand still.",
      value(PauseCause::asked, "asked", "Somebody paused it."),
      value(PauseCause::no_space, "no-space",
            "A disk's datastore is full; it goes on by itself when there is room."),
      value(PauseCause::panic, "panic", "Its system gave up (panic, blue screen)."),
      value(PauseCause::watchdog, "watchdog", "It did not feed its watchdog."),
      value(PauseCause::other, "other", "QEMU stopped it."));
}

struct DiskStatus {
  std::string name;
  std::string path;
};
constexpr auto describe(Type<DiskStatus>) {
  return structure<DiskStatus>("DiskStatus", "A disk as the hypervisor has it.",
                               field<&DiskStatus::name>("name", "Disk name."),
                               field<&DiskStatus::path>("path", "File of its top layer."));
}

// What the guest agent last said; present once it has answered, since the guest's start.
struct AgentStatus {
  bool connected = false;
  std::string version;
  std::string host_name;
  std::string os;  // "Debian GNU/Linux 12 (bookworm)"
  std::string kernel;  // "6.1.0-40-cloud-amd64"
  bool initialized = false;
  std::vector<std::string> ssh_host_keys;
  friend bool operator==(const AgentStatus&, const AgentStatus&) = default;
};
constexpr auto describe(Type<AgentStatus>) {
  return structure<AgentStatus>(
      "AgentStatus", "What the agent inside the guest says; not to be trusted.",
      field<&AgentStatus::connected>("connected", "It answers."),
      field<&AgentStatus::version>("version", "Version of the agent."),
      field<&AgentStatus::host_name>("host_name", "Host name."),
      field<&AgentStatus::os>("os", "Operating system."),
      field<&AgentStatus::kernel>("kernel", "Kernel release."),
      field<&AgentStatus::initialized>("initialized", "cloud-init has done all of its work."),
      field<&AgentStatus::ssh_host_keys>("ssh_host_keys", "Public keys of its SSH server."));
}

// The memory and the devices' state of a guest that is suspended, or of a snapshot. It agrees with
// the disks as they were then.
struct SavedMemory {
  LayerId layer;
  Bytes size;  // of the file
  Timestamp at;
};
constexpr auto describe(Type<SavedMemory>) {
  return structure<SavedMemory>("SavedMemory", "The memory of a suspended guest, or of a snapshot.",
                                field<&SavedMemory::layer>("layer", "Layer that holds it."),
                                field<&SavedMemory::size>("size_bytes", "Its size."),
                                field<&SavedMemory::at>("at", "When it was saved."));
}

// What a process has, which is what the specification said at its start and what was changed since.
// Where the two differ a change waits for the next start (model/hardware_change.hpp).
struct RunningHardware {
  VmSpec spec;
  Bytes base_memory;  // that it started with; the rest was added and can be taken away again
  std::vector<std::uint32_t> ports;  // PCI root ports, in use or not
};
constexpr auto describe(Type<RunningHardware>) {
  return structure<RunningHardware>(
      "RunningHardware", "The hardware that a guest's process has.",
      field<&RunningHardware::spec>("spec", "As of a specification."),
      field<&RunningHardware::base_memory>("base_memory_bytes", "Memory that it started with."),
      field<&RunningHardware::ports>("ports", "Its PCI root ports."));
}

// guests/<id>/status: written by the owner only, comparing the placement's epoch.
struct GuestStatus {
  GuestState state = GuestState::provisioning;
  std::uint64_t epoch = 0;
  std::optional<std::int32_t> pid;
  std::vector<std::string> qemu_argv;
  std::string accelerator;  // kvm, tcg
  std::vector<std::string> addresses;
  std::vector<DiskStatus> disks;
  std::string cgroup;
  std::string last_error;
  std::optional<Timestamp> started_at;
  std::uint32_t crashes = 0;  // since the last wished start; paces the restart policy
  std::optional<AgentStatus> agent;
  std::optional<Timestamp> thaw_at;  // its file systems are frozen until then at the latest
  std::optional<RunningHardware> running;  // while it has a process, or is suspended
  std::optional<SavedMemory> saved;  // while it is suspended
  std::optional<PauseCause> pause_cause;  // while it is paused
};
constexpr auto describe(Type<GuestStatus>) {
  return structure<GuestStatus>(
      "GuestStatus", "What the owner observed.", field<&GuestStatus::state>("state", "State."),
      field<&GuestStatus::epoch>("epoch", "Placement epoch of the observation."),
      field<&GuestStatus::pid>("pid", "Process id of QEMU."),
      field<&GuestStatus::qemu_argv>("qemu_argv", "QEMU's command line."),
      field<&GuestStatus::accelerator>("accelerator", "kvm or tcg."),
      field<&GuestStatus::addresses>("addresses", "Known IP addresses."),
      field<&GuestStatus::disks>("disks", "Disks."),
      field<&GuestStatus::cgroup>("cgroup", "Control group of its process."),
      field<&GuestStatus::last_error>("last_error",
                                      "Why it crashed or is broken, or why a start failed."),
      field<&GuestStatus::started_at>("started_at", "When its CPUs first ran."),
      field<&GuestStatus::crashes>("crashes", "Crashes since the last wished start."),
      field<&GuestStatus::agent>("agent", "What its agent says."),
      field<&GuestStatus::thaw_at>("thaw_at", "Its file systems are frozen, at most until then."),
      field<&GuestStatus::running>("running",
                                   "The hardware that its process has, or had when it "
                                   "was suspended."),
      field<&GuestStatus::saved>("saved", "Its memory, while it is suspended."),
      field<&GuestStatus::pause_cause>("pause_cause", "Why its CPUs stand still."));
}

}  // namespace ruche::model
