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

// The part of a guest's seed that no answer and no export shows: it can be written, never read. In
// the store each text is sealed by the host that took it (ports/sealing.hpp).
inline constexpr std::size_t kLongestSealedText = 90'000;  // of 64 KiB of plain text

struct GuestSeed {
  std::string password_hash;  // crypt(5)
  std::string user_data;
  std::string vendor_data;
};

// Snapshots that are taken by themselves, and how many of them are kept.
struct SnapshotSchedule {
  std::string name;  // its snapshots are called <name>-<time>
  Duration every{3'600'000};
  std::uint32_t keep = 24;
  bool memory = false;
  bool quiesce = false;
  friend bool operator==(const SnapshotSchedule&, const SnapshotSchedule&) = default;
};
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

// What the owner observed last. `crashed` is not `stopped`: QEMU ended without being asked.
enum class GuestState { provisioning, stopped, running, paused, suspended, crashed, broken };

enum class PauseCause { asked, no_space, panic, watchdog, other };

struct DiskStatus {
  std::string name;
  std::string path;
};

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

// The memory and the devices' state of a guest that is suspended, or of a snapshot. It agrees with
// the disks as they were then.
struct SavedMemory {
  LayerId layer;
  Bytes size;  // of the file
  Timestamp at;
};

// What a process has, which is what the specification said at its start and what was changed since.
// Where the two differ a change waits for the next start (model/hardware_change.hpp).
struct RunningHardware {
  VmSpec spec;
  Bytes base_memory;  // that it started with; the rest was added and can be taken away again
  std::vector<std::uint32_t> ports;  // PCI root ports, in use or not
};

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

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestSeed>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotSchedule>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestConfiguration>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Guest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PauseCause>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskStatus>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AgentStatus>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SavedMemory>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RunningHardware>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestStatus>();
