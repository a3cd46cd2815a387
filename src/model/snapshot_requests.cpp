#include "model/snapshot_requests.hpp"

namespace ruche::model {

constexpr auto describe(Type<CreateSnapshot>) {
  using C = CreateSnapshot;
  return structure<C>(
      "CreateSnapshot", "A snapshot to take.",
      field<&C::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&C::name>("name", "Its name; the date and the time when absent.",
                      {.format = "name", .positional = true, .example = "before"}),
      field<&C::description>("description", "Notes.", {.max_length = 4096}),
      field<&C::memory>("memory", "With its memory: it goes on from this very instant later."),
      field<&C::quiesce>("quiesce", "Its agent freezes the file systems for the instant."));
}

constexpr auto describe(Type<SnapshotRef>) {
  using R = SnapshotRef;
  return structure<R>(
      "SnapshotRef", "A snapshot of a VM.",
      field<&R::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&R::snapshot>(
          "snapshot", "Name or id of the snapshot.",
          {.required = true, .format = "reference", .positional = true, .example = "before"}));
}

constexpr auto describe(Type<RevertToSnapshot>) {
  using R = RevertToSnapshot;
  return structure<R>(
      "RevertToSnapshot", "A snapshot to go back to.",
      field<&R::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&R::snapshot>(
          "snapshot", "Name or id of the snapshot.",
          {.required = true, .format = "reference", .positional = true, .example = "before"}),
      field<&R::start>("start", "Start it then; one with memory goes on in any case."));
}

constexpr auto describe(Type<DeleteSnapshot>) {
  using D = DeleteSnapshot;
  return structure<D>(
      "DeleteSnapshot", "A snapshot to delete.",
      field<&D::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&D::snapshot>(
          "snapshot", "Name or id of the snapshot.",
          {.required = true, .format = "reference", .positional = true, .example = "before"}),
      field<&D::children>("children", "With all that were taken after it in its line."));
}

constexpr auto describe(Type<FlattenVm>) {
  using F = FlattenVm;
  return structure<F>(
      "FlattenVm", "A VM whose disks shall stand on nothing.",
      field<&F::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}));
}

constexpr auto describe(Type<CloneVm>) {
  using C = CloneVm;
  return structure<C>(
      "CloneVm", "A VM to copy.",
      field<&C::vm>(
          "vm", "The original: name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&C::name>("name", "Unique name of the copy.",
                      {.required = true, .format = "name", .positional = true, .example = "web2"}),
      field<&C::linked>("linked",
                        "Its disks stand on those of the original and hold what differs only; made "
                        "at once."),
      field<&C::snapshot>("snapshot", "As the original was then: name or id of its snapshot.",
                          {.format = "reference"}),
      field<&C::count>("count",
                       "How many; then they are called NAME-1, NAME-2 …; of ten and more NAME-01",
                       {.min = 1, .max = 1000}),
      field<&C::start>("start", "Start it when it is there."),
      field<&C::network>("network", "Network of its adapters; as the original when absent.",
                         {.format = "reference"}),
      field<&C::pool>("pool", "Resource pool: name or id.", {.format = "reference"}),
      field<&C::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&C::description>("description", "Notes.", {.max_length = 4096}),
      field<&C::tags>("tags", "Tags.", {.max_length = 64, .flag = "tag"}));
}

constexpr auto describe(Type<TemplateVm>) {
  using T = TemplateVm;
  return structure<T>(
      "TemplateVm", "A VM that others are made from.",
      field<&T::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&T::undo>("undo", "Make it an ordinary one again."));
}

constexpr auto describe(Type<SetSchedule>) {
  using S = SetSchedule;
  return structure<S>(
      "SetSchedule", "Snapshots to take by themselves.",
      field<&S::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&S::name>(
          "name", "Name of the schedule.",
          {.required = true, .format = "name", .positional = true, .example = "hourly"}),
      field<&S::every>("every_ms", "Time between two of them.", {.min = 60'000, .example = "1h"}),
      field<&S::keep>("keep", "How many of them are kept.", {.min = 1, .max = 500}),
      field<&S::memory>("memory", "With memory, while it runs."),
      field<&S::quiesce>("quiesce", "Its agent freezes the file systems for it."));
}

constexpr auto describe(Type<ScheduleRef>) {
  using S = ScheduleRef;
  return structure<S>(
      "ScheduleRef", "A schedule of a VM.",
      field<&S::vm>(
          "vm", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "web1"}),
      field<&S::schedule>(
          "schedule", "Its name.",
          {.required = true, .format = "name", .positional = true, .example = "hourly"}));
}

constexpr auto describe(Type<SnapshotView>) {
  using S = SnapshotView;
  return structure<S>(
      "Snapshot", "A VM as it was at one instant.", field<&S::id>("id", "Immutable id."),
      field<&S::name>("name", "Name, unique in its VM."),
      field<&S::description>("description", "Notes."),
      field<&S::parent>("parent", "Name of the snapshot before it; empty: the first of its line."),
      field<&S::current>("current", "The VM goes on from this one."),
      field<&S::memory>("memory", "With memory."),
      field<&S::memory_size>("memory_size_bytes", "What the memory takes of the datastore."),
      field<&S::disks>("disks_bytes", "Size of its disks, as the guest sees them."),
      field<&S::quiesced>("quiesced", "Its agent had frozen the file systems."),
      field<&S::crash_consistent>("crash_consistent", "As after a power cut."),
      field<&S::pause>("pause_ms", "How long the CPUs stood still for it."),
      field<&S::state>("state", "State."),
      field<&S::schedule>("schedule", "The schedule that took it; empty: somebody did."),
      field<&S::created_at>("created_at", "When it was taken."));
}

constexpr auto describe(Type<LayerView>) {
  using L = LayerView;
  return structure<L>(
      "Layer", "A link of a disk's chain.",
      field<&L::disk>("disk", "The VM's disk, or what else it holds."),
      field<&L::id>("id", "Immutable id."),
      field<&L::parent>("parent", "Id of the layer below; empty: it stands on nothing."),
      field<&L::height>("height", "How many layers are below it."),
      field<&L::what>("what", "What it is: current, a snapshot, an image, part of others."),
      field<&L::owner>("owner", "Whose it is: a VM or an image."),
      field<&L::format>("format", "How it is stored."),
      field<&L::size>("size_bytes", "Size of the disk, or of the file."),
      field<&L::used>("used_bytes", "What it takes of its datastore."),
      field<&L::users>("users", "Layers, VMs and snapshots that need it."),
      field<&L::path>("path", "Its file."));
}

constexpr auto describe(Type<ScheduleView>) {
  using S = ScheduleView;
  return structure<S>("Schedule", "Snapshots that are taken by themselves.",
                      field<&S::name>("name", "Name."),
                      field<&S::every>("every_ms", "Time between two of them."),
                      field<&S::keep>("keep", "How many are kept."),
                      field<&S::memory>("memory", "With memory, while it runs."),
                      field<&S::quiesce>("quiesce", "Its agent freezes the file systems for it."),
                      field<&S::snapshots>("snapshots", "How many there are."),
                      field<&S::next_at>("next_at", "When the next one is due."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateSnapshot>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RevertToSnapshot>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteSnapshot>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::FlattenVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CloneVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TemplateVm>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SetSchedule>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ScheduleRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LayerView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ScheduleView>();
