// Snapshots: a guest as it was at one instant. Plain data; docs/adr/0025 says how one is taken.
#pragma once

#include <optional>
#include <string>

#include "base/reflect.hpp"
#include "model/guest.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class SnapshotState { creating, ready };

// snapshots/<id>. Its specification names the layers that are kept for it: the disks as they were
// cut, and copies of the firmware's variables and of the TPM's state.
struct Snapshot {
  SnapshotId id;
  GuestId guest;
  std::string name;  // unique in its guest
  std::string description;
  std::optional<SnapshotId> parent;
  VmSpec spec;
  std::optional<SavedMemory> memory;
  std::optional<RunningHardware> running;  // with memory: what its process had
  SnapshotState state = SnapshotState::creating;
  bool quiesced = false;     // the agent had frozen its file systems
  bool crash_consistent = false;  // it ran, and neither memory nor agent were part of it
  Duration pause{0};         // how long its CPUs stood still
  std::string schedule;      // that took it; empty: somebody did
  Timestamp created_at;
};

inline constexpr std::size_t kMostSnapshots = 500;  // of one guest
inline constexpr std::size_t kLongestChain = 200;   // of layers below a disk (QEMU's own limit)

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Snapshot>();
