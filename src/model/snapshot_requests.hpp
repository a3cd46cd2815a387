// Requests about snapshots, templates and copies, and what is answered to them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

namespace ruche::model {

struct CreateSnapshot {
  std::string vm;
  std::string name;  // empty: the date and the time
  std::string description;
  bool memory = false;
  bool quiesce = false;
};

struct SnapshotRef {
  std::string vm;
  std::string snapshot;
};

struct RevertToSnapshot {
  std::string vm;
  std::string snapshot;
  bool start = false;
};

struct DeleteSnapshot {
  std::string vm;
  std::string snapshot;
  bool children = false;
};

struct FlattenVm {
  std::string vm;
};

struct CloneVm {
  std::string vm;
  std::string name;
  bool linked = false;
  std::string snapshot;  // name or id; empty: as it is now
  std::uint32_t count = 1;
  bool start = false;
  std::string network;  // name or id, or `user`; empty: those of the original
  std::string pool;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
};

struct TemplateVm {
  std::string vm;
  bool undo = false;
};

struct SetSchedule {
  std::string vm;
  std::string name;
  Duration every{3'600'000};
  std::uint32_t keep = 24;
  bool memory = false;
  bool quiesce = false;
};

struct ScheduleRef {
  std::string vm;
  std::string schedule;
};

// --- what is answered ----------------------------------------------------------------------------

struct SnapshotView {
  SnapshotId id;
  std::string name;
  std::string description;
  std::string parent;  // name; empty: the first of its line
  bool current = false;
  bool memory = false;
  Bytes memory_size;
  Bytes disks;  // virtual size of its disks
  bool quiesced = false;
  bool crash_consistent = false;
  Duration pause{0};
  SnapshotState state = SnapshotState::ready;
  std::string schedule;
  Timestamp created_at;
};

struct LayerView {
  std::string disk;  // of the VM, or what else it holds
  LayerId id;
  std::string parent;  // id; empty: it stands on nothing
  std::uint32_t height = 0;
  std::string what;  // "current", "snapshot before", "image debian12", …
  std::string owner;  // name of the VM or of the image
  DiskFormat format = DiskFormat::qcow2;
  Bytes size;
  std::optional<Bytes> used;  // absent: its datastore does not say
  std::uint32_t users = 0;
  std::string path;
};

struct ScheduleView {
  std::string name;
  Duration every{0};
  std::uint32_t keep = 0;
  bool memory = false;
  bool quiesce = false;
  std::uint32_t snapshots = 0;
  std::optional<Timestamp> next_at;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateSnapshot>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RevertToSnapshot>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteSnapshot>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::FlattenVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CloneVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TemplateVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SetSchedule>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ScheduleRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ScheduleView>();
