// Steps: the vocabulary of plans. A step is data with an idempotent apply, an idempotent revert and
// an observation; what each does lives beside its concern in src/core (steps_*.cpp).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/reflect.hpp"
#include "model/bulk.hpp"
#include "model/ids.hpp"
#include "model/network.hpp"
#include "model/requests.hpp"
#include "model/snapshot_requests.hpp"
#include "model/storage.hpp"

namespace ruche::model {

struct CreateVolume {
  LayerId layer;
  Bytes size;
  std::optional<LayerId> parent;
};
constexpr auto describe(Type<CreateVolume>) {
  return structure<CreateVolume>("CreateVolume", "Makes an empty volume or an overlay.",
                                 field<&CreateVolume::layer>("layer", "The new layer."),
                                 field<&CreateVolume::size>("size_bytes", "Capacity."),
                                 field<&CreateVolume::parent>("parent", "The layer below."));
}

// A copy of all that a volume shows, standing on a layer of its chain or on nothing.
struct CopyVolume {
  LayerId layer;
  LayerId source;
  std::optional<LayerId> parent;
};
constexpr auto describe(Type<CopyVolume>) {
  return structure<CopyVolume>("CopyVolume", "Copies a volume.",
                               field<&CopyVolume::layer>("layer", "The new layer."),
                               field<&CopyVolume::source>("source", "What is copied."),
                               field<&CopyVolume::parent>("parent", "The layer below."));
}

struct DeleteVolume {
  LayerId layer;
};
constexpr auto describe(Type<DeleteVolume>) {
  return structure<DeleteVolume>("DeleteVolume", "Removes a volume for good.",
                                 field<&DeleteVolume::layer>("layer", "The layer."));
}

// The variables of a guest's UEFI firmware, as they are before its first boot.
struct CreateUefiVariables {
  LayerId layer;
  std::string path;  // what they are copied from
};
constexpr auto describe(Type<CreateUefiVariables>) {
  return structure<CreateUefiVariables>(
      "CreateUefiVariables", "Gives a guest firmware variables of its own.",
      field<&CreateUefiVariables::layer>("layer", "The new layer."),
      field<&CreateUefiVariables::path>("path", "The file to copy."));
}

// What a guest's TPM keeps, empty: the chip makes its seeds and keys at its first start.
struct CreateTpmState {
  LayerId layer;
};
constexpr auto describe(Type<CreateTpmState>) {
  return structure<CreateTpmState>("CreateTpmState", "Gives a guest a TPM of its own.",
                                   field<&CreateTpmState::layer>("layer", "The new layer."));
}

struct RegisterGuest {
  GuestId guest;
};
constexpr auto describe(Type<RegisterGuest>) {
  return structure<RegisterGuest>("RegisterGuest",
                                  "Makes a new guest visible and exports its configuration.",
                                  field<&RegisterGuest::guest>("guest", "The guest."));
}

// A guest that was found on a datastore becomes one of the store's.
struct AdmitGuest {
  GuestId guest;
  std::vector<ImageId> images;  // which came with it
};
constexpr auto describe(Type<AdmitGuest>) {
  return structure<AdmitGuest>(
      "AdmitGuest", "Looks once more at a guest's files and takes it in.",
      field<&AdmitGuest::guest>("guest", "The guest."),
      field<&AdmitGuest::images>("images", "Images that it stands on and that were not known."));
}

struct ExportConfiguration {
  GuestId guest;
  std::optional<GuestConfiguration> before;  // of a change: what it changed, to go back to
};
constexpr auto describe(Type<ExportConfiguration>) {
  return structure<ExportConfiguration>(
      "ExportConfiguration", "Writes the configuration beside the volumes.",
      field<&ExportConfiguration::guest>("guest", "The guest."),
      field<&ExportConfiguration::before>("before", "What the change changed."));
}

// The process becomes what the specification says, as far as a process can; what cannot waits for
// the next start. Nothing for a guest that has none.
struct ChangeHardware {
  GuestId guest;
};
constexpr auto describe(Type<ChangeHardware>) {
  return structure<ChangeHardware>("ChangeHardware",
                                   "Changes the hardware of a guest while it runs.",
                                   field<&ChangeHardware::guest>("guest", "The guest."));
}

// A disk never shrinks, so one that has grown stays as it is whatever becomes of the task.
struct GrowDisk {
  GuestId guest;
  std::string disk;
  LayerId layer;
  Bytes size;
  Bytes before;
};
constexpr auto describe(Type<GrowDisk>) {
  return structure<GrowDisk>("GrowDisk", "Makes a disk larger, also while its guest runs.",
                             field<&GrowDisk::guest>("guest", "The guest."),
                             field<&GrowDisk::disk>("disk", "Its disk."),
                             field<&GrowDisk::layer>("layer", "The disk's top layer."),
                             field<&GrowDisk::size>("size_bytes", "What it becomes."),
                             field<&GrowDisk::before>("before_bytes", "What it was."));
}

struct LaunchMachine {
  GuestId guest;
  std::optional<LayerId> memory;  // what it goes on from
  std::optional<SnapshotId> snapshot;  // whose memory that is; absent: of the suspended guest
};
constexpr auto describe(Type<LaunchMachine>) {
  return structure<LaunchMachine>(
      "LaunchMachine", "Starts the guest's process, CPUs standing still.",
      field<&LaunchMachine::guest>("guest", "The guest."),
      field<&LaunchMachine::memory>("memory", "Saved memory to go on from."),
      field<&LaunchMachine::snapshot>("snapshot", "The snapshot that it is of."));
}

// From then on saved memory is of no use: it no longer agrees with the disks.
struct ResumeMachine {
  GuestId guest;
  bool from_memory = false;
};
constexpr auto describe(Type<ResumeMachine>) {
  return structure<ResumeMachine>(
      "ResumeMachine", "Lets the CPUs run.", field<&ResumeMachine::guest>("guest", "The guest."),
      field<&ResumeMachine::from_memory>("from_memory", "It was suspended."));
}

struct PauseMachine {
  GuestId guest;
};
constexpr auto describe(Type<PauseMachine>) {
  return structure<PauseMachine>("PauseMachine", "Stops the CPUs.",
                                 field<&PauseMachine::guest>("guest", "The guest."));
}

struct ResetMachine {
  GuestId guest;
};
constexpr auto describe(Type<ResetMachine>) {
  return structure<ResetMachine>("ResetMachine", "Presses the reset button.",
                                 field<&ResetMachine::guest>("guest", "The guest."));
}

struct ShutdownMachine {
  GuestId guest;
  Duration patience{60'000};
  bool then_stop = false;  // after the deadline: end the process; else the step fails
};
constexpr auto describe(Type<ShutdownMachine>) {
  return structure<ShutdownMachine>(
      "ShutdownMachine", "Presses the power button and waits.",
      field<&ShutdownMachine::guest>("guest", "The guest."),
      field<&ShutdownMachine::patience>("patience_ms", "How long the guest may take."),
      field<&ShutdownMachine::then_stop>("then_stop", "End its process after that."));
}

// Stops the CPUs and writes memory and devices into a file; the guest goes on when it is taken
// back.
struct SaveMemory {
  GuestId guest;
  LayerId layer;
  bool was_paused = false;  // before it; then it stays so when it is taken back
};
constexpr auto describe(Type<SaveMemory>) {
  return structure<SaveMemory>("SaveMemory", "Stops the CPUs and saves the memory.",
                               field<&SaveMemory::guest>("guest", "The guest."),
                               field<&SaveMemory::layer>("layer", "What it is saved to."),
                               field<&SaveMemory::was_paused>("was_paused", "It was paused."));
}

// A disk that goes on in another layer from the instant of a snapshot on.
struct Overlay {
  std::string disk;
  LayerId below;  // what it wrote to, and what is kept
  LayerId layer;  // what it writes to from then on
};
constexpr auto describe(Type<Overlay>) {
  return structure<Overlay>("Overlay", "A disk that goes on in another layer.",
                            field<&Overlay::disk>("disk", "The guest's disk."),
                            field<&Overlay::below>("below", "The layer that is kept."),
                            field<&Overlay::layer>("layer", "The layer that it goes on in."));
}
// A small file of the guest's own (firmware variables, TPM state) of which a copy is kept.
struct KeptFile {
  LayerId source;
  LayerId layer;
};
constexpr auto describe(Type<KeptFile>) {
  return structure<KeptFile>("KeptFile", "A file of which a copy is kept.",
                             field<&KeptFile::source>("source", "The guest's file."),
                             field<&KeptFile::layer>("layer", "The copy."));
}

// One instant for everything. Without a snapshot only the disks are cut there, for copies to stand
// on. Once it has begun, the guest goes on in the new layers whatever becomes of the rest: what
// they show is right whether the cut was made or not.
struct TakeSnapshot {
  GuestId guest;
  std::optional<SnapshotId> snapshot;
  std::vector<Overlay> disks;
  std::vector<KeptFile> files;
  std::optional<LayerId> memory;
  bool thaw = false;  // it was frozen for this
  bool was_paused = false;  // then it stays so
};
constexpr auto describe(Type<TakeSnapshot>) {
  using T = TakeSnapshot;
  return structure<T>("TakeSnapshot", "Cuts the disks, and saves the memory, at one instant.",
                      field<&T::guest>("guest", "The guest."),
                      field<&T::snapshot>("snapshot", "The new snapshot."),
                      field<&T::disks>("disks", "Disks and the layers they go on in."),
                      field<&T::files>("files", "Files that are copied."),
                      field<&T::memory>("memory", "Layer for the memory."),
                      field<&T::thaw>("thaw", "Its file systems were frozen for this."),
                      field<&T::was_paused>("was_paused", "It was paused."));
}

// What is in the layer below moves up into this one, which then stands on what the other stood on.
// What either shows stays the same at every moment.
struct MergeLayer {
  GuestId guest;  // whose process may have them open
  LayerId layer;
  LayerId below;
};
constexpr auto describe(Type<MergeLayer>) {
  return structure<MergeLayer>("MergeLayer", "Takes the layer below into a layer.",
                               field<&MergeLayer::guest>("guest", "The guest."),
                               field<&MergeLayer::layer>("layer", "The layer that stays."),
                               field<&MergeLayer::below>("below", "The layer that is taken in."));
}

struct ForgetSnapshot {
  GuestId guest;
  SnapshotId snapshot;
};
constexpr auto describe(Type<ForgetSnapshot>) {
  return structure<ForgetSnapshot>("ForgetSnapshot", "Removes a snapshot; its children stay.",
                                   field<&ForgetSnapshot::guest>("guest", "The guest."),
                                   field<&ForgetSnapshot::snapshot>("snapshot", "The snapshot."));
}

// The guest's document says what it was reverted to already; this is for people and for the task.
struct RevertGuest {
  GuestId guest;
  SnapshotId snapshot;
};
constexpr auto describe(Type<RevertGuest>) {
  return structure<RevertGuest>("RevertGuest", "Goes back to a snapshot.",
                                field<&RevertGuest::guest>("guest", "The guest."),
                                field<&RevertGuest::snapshot>("snapshot", "The snapshot."));
}

// A suspended guest becomes a stopped one.
struct DiscardMemory {
  GuestId guest;
};
constexpr auto describe(Type<DiscardMemory>) {
  return structure<DiscardMemory>("DiscardMemory", "Gives up the memory of a suspended guest.",
                                  field<&DiscardMemory::guest>("guest", "The guest."));
}

struct StopMachine {
  GuestId guest;
  std::optional<LayerId> memory;  // where its memory was saved: it is suspended then, not stopped
};
constexpr auto describe(Type<StopMachine>) {
  return structure<StopMachine>("StopMachine", "Ends the guest's process at once.",
                                field<&StopMachine::guest>("guest", "The guest."),
                                field<&StopMachine::memory>("memory", "Its memory is saved here."));
}

struct FreezeGuest {
  GuestId guest;
  Duration hold{30'000};  // then it is thawed, whatever happens
};
constexpr auto describe(Type<FreezeGuest>) {
  return structure<FreezeGuest>("FreezeGuest", "Freezes the guest's file systems.",
                                field<&FreezeGuest::guest>("guest", "The guest."),
                                field<&FreezeGuest::hold>("hold_ms", "Thawed after that."));
}

struct ThawGuest {
  GuestId guest;
};
constexpr auto describe(Type<ThawGuest>) {
  return structure<ThawGuest>("ThawGuest", "Thaws the guest's file systems.",
                              field<&ThawGuest::guest>("guest", "The guest."));
}

struct RecycleGuest {
  GuestId guest;
};
constexpr auto describe(Type<RecycleGuest>) {
  return structure<RecycleGuest>("RecycleGuest", "Moves the guest to the recycle bin.",
                                 field<&RecycleGuest::guest>("guest", "The guest."));
}

struct RestoreGuest {
  GuestId guest;
  std::string name;  // reserved for it; another than before when that was taken meanwhile
};
constexpr auto describe(Type<RestoreGuest>) {
  return structure<RestoreGuest>("RestoreGuest", "Takes the guest out of the recycle bin.",
                                 field<&RestoreGuest::guest>("guest", "The guest."),
                                 field<&RestoreGuest::name>("name", "Its name from now on."));
}

struct ForgetGuest {
  GuestId guest;
};
constexpr auto describe(Type<ForgetGuest>) {
  return structure<ForgetGuest>("ForgetGuest", "Removes the guest's directory and documents.",
                                field<&ForgetGuest::guest>("guest", "The guest."));
}

struct MoveGuest {
  GuestId guest;
  HostId to;
};
constexpr auto describe(Type<MoveGuest>) {
  return structure<MoveGuest>("MoveGuest", "Gives a stopped guest to another host.",
                              field<&MoveGuest::guest>("guest", "The guest."),
                              field<&MoveGuest::to>("to", "The new owner."));
}

struct DownloadImage {
  ImageId image;
  std::string url;
};
constexpr auto describe(Type<DownloadImage>) {
  return structure<DownloadImage>("DownloadImage", "Fetches an image file to the datastore.",
                                  field<&DownloadImage::image>("image", "The new image."),
                                  field<&DownloadImage::url>("url", "Where it comes from."));
}

struct ImportImage {
  ImageId image;
  std::string path;  // of this host; empty: what came in
  std::optional<UploadId> upload;  // what came in by an upload, not by a download
  std::optional<ImageFormat> format;
  std::string checksum;  // empty: any
};
constexpr auto describe(Type<ImportImage>) {
  return structure<ImportImage>("ImportImage",
                                "Checks an image file and copies it into the library.",
                                field<&ImportImage::image>("image", "The new image."),
                                field<&ImportImage::path>("path", "The file on this host."),
                                field<&ImportImage::upload>("upload", "The upload it is."),
                                field<&ImportImage::format>("format", "Its declared format."),
                                field<&ImportImage::checksum>("checksum", "What it must have."));
}

struct BuildImage {
  ImageId image;
  std::string recipe;
};
constexpr auto describe(Type<BuildImage>) {
  return structure<BuildImage>("BuildImage", "Builds an image from packages.",
                               field<&BuildImage::image>("image", "The new image."),
                               field<&BuildImage::recipe>("recipe", "What to build."));
}

struct ForgetImage {
  ImageId image;
};
constexpr auto describe(Type<ForgetImage>) {
  return structure<ForgetImage>("ForgetImage", "Removes the image's files and documents.",
                                field<&ForgetImage::image>("image", "The image."));
}

struct AttachDatastore {
  DatastoreId datastore;
  bool adopt = false;  // its place may have been another datastore's
};
constexpr auto describe(Type<AttachDatastore>) {
  return structure<AttachDatastore>(
      "AttachDatastore", "Prepares a datastore and looks at it.",
      field<&AttachDatastore::datastore>("datastore", "The datastore."),
      field<&AttachDatastore::adopt>("adopt", "Its place may have been another datastore's."));
}

struct DetachDatastore {
  DatastoreId datastore;
};
constexpr auto describe(Type<DetachDatastore>) {
  return structure<DetachDatastore>(
      "DetachDatastore", "Forgets a datastore; its files stay.",
      field<&DetachDatastore::datastore>("datastore", "The datastore."));
}

struct ApplyNetwork {
  NetworkId network;
  std::optional<Network> before;  // of a change: to go back to; absent: the network is new
};
constexpr auto describe(Type<ApplyNetwork>) {
  return structure<ApplyNetwork>("ApplyNetwork", "Makes a network on its host what it shall be.",
                                 field<&ApplyNetwork::network>("network", "The network."),
                                 field<&ApplyNetwork::before>("before", "What it was."));
}

struct RemoveNetwork {
  NetworkId network;
};
constexpr auto describe(Type<RemoveNetwork>) {
  return structure<RemoveNetwork>("RemoveNetwork", "Takes a network away.",
                                  field<&RemoveNetwork::network>("network", "The network."));
}

// A copy that is to be made: its id is chosen with the order.
struct NewCopy {
  GuestId guest;
  std::string name;
};

// One task for each of several guests; see docs/adr/0018. With `copy` they are made from another.
struct RunForEach {
  BulkVms order;  // what was asked; `vms` is empty
  std::vector<GuestId> guests;
  std::optional<CloneVm> copy;
  std::vector<std::string> names;  // of copies, as `guests`
};
constexpr auto describe(Type<RunForEach>) {
  return structure<RunForEach>(
      "RunForEach", "Makes a task for each guest and waits for them.",
      field<&RunForEach::order>("order", "What shall happen to each."),
      field<&RunForEach::guests>("guests", "The guests."),
      field<&RunForEach::copy>("copy", "They are made from another."),
      field<&RunForEach::names>("names", "What the copies are called.", {.max_length = 1000}));
}

using Step =
    std::variant<CreateVolume, CopyVolume, DeleteVolume, CreateUefiVariables, CreateTpmState,
                 SaveMemory, DiscardMemory, TakeSnapshot, MergeLayer, ForgetSnapshot, RevertGuest,
                 RegisterGuest, AdmitGuest, ExportConfiguration, ChangeHardware, GrowDisk,
                 LaunchMachine, ResumeMachine, PauseMachine, ResetMachine, ShutdownMachine,
                 StopMachine, FreezeGuest, ThawGuest, RecycleGuest, RestoreGuest, ForgetGuest,
                 MoveGuest, ImportImage, BuildImage, ForgetImage, DownloadImage, AttachDatastore,
                 DetachDatastore, ApplyNetwork, RemoveNetwork, RunForEach>;

}  // namespace ruche::model
