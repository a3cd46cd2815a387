// Snapshots: a guest as it was at one instant. Plain data; docs/adr/0025 says how one is taken.
#pragma once

#include <optional>
#include <string>

#include "base/reflect.hpp"
#include "model/guest.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class SnapshotState { creating, ready };
constexpr auto describe(Type<SnapshotState>) {
  return enumeration<SnapshotState>("SnapshotState", "Whether a snapshot may be used.",
                                    value(SnapshotState::creating, "creating", "Being taken."),
                                    value(SnapshotState::ready, "ready", "Complete."));
}

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
constexpr auto describe(Type<Snapshot>) {
  using S = Snapshot;
  return structure<S>("Snapshot", "A guest as it was at one instant.",
                      field<&S::id>("id", "Immutable id."), field<&S::guest>("guest", "The guest."),
                      field<&S::name>("name", "Name, unique in its guest.", {.format = "name"}),
                      field<&S::description>("description", "Notes.", {.max_length = 4096}),
                      field<&S::parent>("parent", "The snapshot that the guest had gone on from."),
                      field<&S::spec>("spec", "Hardware, with the layers that are kept."),
                      field<&S::memory>("memory", "Its memory."),
                      field<&S::running>("running", "The hardware that its process had."),
                      field<&S::state>("state", "State."),
                      field<&S::quiesced>("quiesced", "Its agent had frozen the file systems."),
                      field<&S::crash_consistent>("crash_consistent", "As after a power cut."),
                      field<&S::pause>("pause_ms", "How long its CPUs stood still."),
                      field<&S::schedule>("schedule", "The schedule that took it."),
                      field<&S::created_at>("created_at", "When it was taken."));
}

inline constexpr std::size_t kMostSnapshots = 500;  // of one guest
inline constexpr std::size_t kLongestChain = 200;   // of layers below a disk (QEMU's own limit)

}  // namespace ruche::model
