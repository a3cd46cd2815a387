#include "model/snapshot.hpp"

namespace ruche::model {

constexpr auto describe(Type<SnapshotState>) {
  return enumeration<SnapshotState>("SnapshotState", "Whether a snapshot may be used.",
                                    value(SnapshotState::creating, "creating", "Being taken."),
                                    value(SnapshotState::ready, "ready", "Complete."));
}

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

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::SnapshotState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Snapshot>();
