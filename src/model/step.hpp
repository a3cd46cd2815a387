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

// A copy of all that a volume shows, standing on a layer of its chain or on nothing.
struct CopyVolume {
  LayerId layer;
  LayerId source;
  std::optional<LayerId> parent;
};

struct DeleteVolume {
  LayerId layer;
};

// The variables of a guest's UEFI firmware, as they are before its first boot.
struct CreateUefiVariables {
  LayerId layer;
  std::string path;  // what they are copied from
};

// What a guest's TPM keeps, empty: the chip makes its seeds and keys at its first start.
struct CreateTpmState {
  LayerId layer;
};

struct RegisterGuest {
  GuestId guest;
};

// A guest that was found on a datastore becomes one of the store's.
struct AdmitGuest {
  GuestId guest;
  std::vector<ImageId> images;  // which came with it
};

struct ExportConfiguration {
  GuestId guest;
  std::optional<GuestConfiguration> before;  // of a change: what it changed, to go back to
};

// The process becomes what the specification says, as far as a process can; what cannot waits for
// the next start. Nothing for a guest that has none.
struct ChangeHardware {
  GuestId guest;
};

// A disk never shrinks, so one that has grown stays as it is whatever becomes of the task.
struct GrowDisk {
  GuestId guest;
  std::string disk;
  LayerId layer;
  Bytes size;
  Bytes before;
};

struct LaunchMachine {
  GuestId guest;
  std::optional<LayerId> memory;  // what it goes on from
  std::optional<SnapshotId> snapshot;  // whose memory that is; absent: of the suspended guest
};

// From then on saved memory is of no use: it no longer agrees with the disks.
struct ResumeMachine {
  GuestId guest;
  bool from_memory = false;
};

struct PauseMachine {
  GuestId guest;
};

struct ResetMachine {
  GuestId guest;
};

struct ShutdownMachine {
  GuestId guest;
  Duration patience{60'000};
  bool then_stop = false;  // after the deadline: end the process; else the step fails
};

// Stops the CPUs and writes memory and devices into a file; the guest goes on when it is taken
// back.
struct SaveMemory {
  GuestId guest;
  LayerId layer;
  bool was_paused = false;  // before it; then it stays so when it is taken back
};

// A disk that goes on in another layer from the instant of a snapshot on.
struct Overlay {
  std::string disk;
  LayerId below;  // what it wrote to, and what is kept
  LayerId layer;  // what it writes to from then on
};
// A small file of the guest's own (firmware variables, TPM state) of which a copy is kept.
struct KeptFile {
  LayerId source;
  LayerId layer;
};

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

// What is in the layer below moves up into this one, which then stands on what the other stood on.
// What either shows stays the same at every moment.
struct MergeLayer {
  GuestId guest;  // whose process may have them open
  LayerId layer;
  LayerId below;
};

struct ForgetSnapshot {
  GuestId guest;
  SnapshotId snapshot;
};

// The guest's document says what it was reverted to already; this is for people and for the task.
struct RevertGuest {
  GuestId guest;
  SnapshotId snapshot;
};

// A suspended guest becomes a stopped one.
struct DiscardMemory {
  GuestId guest;
};

struct StopMachine {
  GuestId guest;
  std::optional<LayerId> memory;  // where its memory was saved: it is suspended then, not stopped
};

struct FreezeGuest {
  GuestId guest;
  Duration hold{30'000};  // then it is thawed, whatever happens
};

struct ThawGuest {
  GuestId guest;
};

struct RecycleGuest {
  GuestId guest;
};

struct RestoreGuest {
  GuestId guest;
  std::string name;  // reserved for it; another than before when that was taken meanwhile
};

struct ForgetGuest {
  GuestId guest;
};

struct MoveGuest {
  GuestId guest;
  HostId to;
};

struct DownloadImage {
  ImageId image;
  std::string url;
};

struct ImportImage {
  ImageId image;
  std::string path;  // of this host; empty: what came in
  std::optional<UploadId> upload;  // what came in by an upload, not by a download
  std::optional<ImageFormat> format;
  std::string checksum;  // empty: any
};

struct BuildImage {
  ImageId image;
  std::string recipe;
};

struct ForgetImage {
  ImageId image;
};

struct AttachDatastore {
  DatastoreId datastore;
  bool adopt = false;  // its place may have been another datastore's
};

struct DetachDatastore {
  DatastoreId datastore;
};

struct ApplyNetwork {
  NetworkId network;
  std::optional<Network> before;  // of a change: to go back to; absent: the network is new
};

struct RemoveNetwork {
  NetworkId network;
};

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

using Step =
    std::variant<CreateVolume, CopyVolume, DeleteVolume, CreateUefiVariables, CreateTpmState,
                 SaveMemory, DiscardMemory, TakeSnapshot, MergeLayer, ForgetSnapshot, RevertGuest,
                 RegisterGuest, AdmitGuest, ExportConfiguration, ChangeHardware, GrowDisk,
                 LaunchMachine, ResumeMachine, PauseMachine, ResetMachine, ShutdownMachine,
                 StopMachine, FreezeGuest, ThawGuest, RecycleGuest, RestoreGuest, ForgetGuest,
                 MoveGuest, ImportImage, BuildImage, ForgetImage, DownloadImage, AttachDatastore,
                 DetachDatastore, ApplyNetwork, RemoveNetwork, RunForEach>;

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateVolume>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CopyVolume>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteVolume>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUefiVariables>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateTpmState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RegisterGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AdmitGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ExportConfiguration>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ChangeHardware>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::GrowDisk>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LaunchMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ResumeMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PauseMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ResetMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ShutdownMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SaveMemory>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Overlay>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::KeptFile>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TakeSnapshot>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MergeLayer>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetSnapshot>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RevertGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiscardMemory>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::StopMachine>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::FreezeGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ThawGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RecycleGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RestoreGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MoveGuest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DownloadImage>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImportImage>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BuildImage>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetImage>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AttachDatastore>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DetachDatastore>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ApplyNetwork>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RemoveNetwork>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RunForEach>();
