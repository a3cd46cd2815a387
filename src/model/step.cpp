#include "model/step.hpp"

namespace ruche::model {

constexpr auto describe(Type<CreateVolume>) {
  return structure<CreateVolume>("CreateVolume", "Makes an empty volume or an overlay.",
                                 field<&CreateVolume::layer>("layer", "The new layer."),
                                 field<&CreateVolume::size>("size_bytes", "Capacity."),
                                 field<&CreateVolume::parent>("parent", "The layer below."));
}

constexpr auto describe(Type<CopyVolume>) {
  return structure<CopyVolume>("CopyVolume", "Copies a volume.",
                               field<&CopyVolume::layer>("layer", "The new layer."),
                               field<&CopyVolume::source>("source", "What is copied."),
                               field<&CopyVolume::parent>("parent", "The layer below."));
}

constexpr auto describe(Type<DeleteVolume>) {
  return structure<DeleteVolume>("DeleteVolume", "Removes a volume for good.",
                                 field<&DeleteVolume::layer>("layer", "The layer."));
}

constexpr auto describe(Type<CreateUefiVariables>) {
  return structure<CreateUefiVariables>(
      "CreateUefiVariables", "Gives a guest firmware variables of its own.",
      field<&CreateUefiVariables::layer>("layer", "The new layer."),
      field<&CreateUefiVariables::path>("path", "The file to copy."));
}

constexpr auto describe(Type<CreateTpmState>) {
  return structure<CreateTpmState>("CreateTpmState", "Gives a guest a TPM of its own.",
                                   field<&CreateTpmState::layer>("layer", "The new layer."));
}

constexpr auto describe(Type<RegisterGuest>) {
  return structure<RegisterGuest>("RegisterGuest",
                                  "Makes a new guest visible and exports its configuration.",
                                  field<&RegisterGuest::guest>("guest", "The guest."));
}

constexpr auto describe(Type<AdmitGuest>) {
  return structure<AdmitGuest>(
      "AdmitGuest", "Looks once more at a guest's files and takes it in.",
      field<&AdmitGuest::guest>("guest", "The guest."),
      field<&AdmitGuest::images>("images", "Images that it stands on and that were not known."));
}

constexpr auto describe(Type<ExportConfiguration>) {
  return structure<ExportConfiguration>(
      "ExportConfiguration", "Writes the configuration beside the volumes.",
      field<&ExportConfiguration::guest>("guest", "The guest."),
      field<&ExportConfiguration::before>("before", "What the change changed."));
}

constexpr auto describe(Type<ChangeHardware>) {
  return structure<ChangeHardware>("ChangeHardware",
                                   "Changes the hardware of a guest while it runs.",
                                   field<&ChangeHardware::guest>("guest", "The guest."));
}

constexpr auto describe(Type<GrowDisk>) {
  return structure<GrowDisk>("GrowDisk", "Makes a disk larger, also while its guest runs.",
                             field<&GrowDisk::guest>("guest", "The guest."),
                             field<&GrowDisk::disk>("disk", "Its disk."),
                             field<&GrowDisk::layer>("layer", "The disk's top layer."),
                             field<&GrowDisk::size>("size_bytes", "What it becomes."),
                             field<&GrowDisk::before>("before_bytes", "What it was."));
}

constexpr auto describe(Type<LaunchMachine>) {
  return structure<LaunchMachine>(
      "LaunchMachine", "Starts the guest's process, CPUs standing still.",
      field<&LaunchMachine::guest>("guest", "The guest."),
      field<&LaunchMachine::memory>("memory", "Saved memory to go on from."),
      field<&LaunchMachine::snapshot>("snapshot", "The snapshot that it is of."));
}

constexpr auto describe(Type<ResumeMachine>) {
  return structure<ResumeMachine>(
      "ResumeMachine", "Lets the CPUs run.", field<&ResumeMachine::guest>("guest", "The guest."),
      field<&ResumeMachine::from_memory>("from_memory", "It was suspended."));
}

constexpr auto describe(Type<PauseMachine>) {
  return structure<PauseMachine>("PauseMachine", "Stops the CPUs.",
                                 field<&PauseMachine::guest>("guest", "The guest."));
}

constexpr auto describe(Type<ResetMachine>) {
  return structure<ResetMachine>("ResetMachine", "Presses the reset button.",
                                 field<&ResetMachine::guest>("guest", "The guest."));
}

constexpr auto describe(Type<ShutdownMachine>) {
  return structure<ShutdownMachine>(
      "ShutdownMachine", "Presses the power button and waits.",
      field<&ShutdownMachine::guest>("guest", "The guest."),
      field<&ShutdownMachine::patience>("patience_ms", "How long the guest may take."),
      field<&ShutdownMachine::then_stop>("then_stop", "End its process after that."));
}

constexpr auto describe(Type<SaveMemory>) {
  return structure<SaveMemory>("SaveMemory", "Stops the CPUs and saves the memory.",
                               field<&SaveMemory::guest>("guest", "The guest."),
                               field<&SaveMemory::layer>("layer", "What it is saved to."),
                               field<&SaveMemory::was_paused>("was_paused", "It was paused."));
}

constexpr auto describe(Type<Overlay>) {
  return structure<Overlay>("Overlay", "A disk that goes on in another layer.",
                            field<&Overlay::disk>("disk", "The guest's disk."),
                            field<&Overlay::below>("below", "The layer that is kept."),
                            field<&Overlay::layer>("layer", "The layer that it goes on in."));
}

constexpr auto describe(Type<KeptFile>) {
  return structure<KeptFile>("KeptFile", "A file of which a copy is kept.",
                             field<&KeptFile::source>("source", "The guest's file."),
                             field<&KeptFile::layer>("layer", "The copy."));
}

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

constexpr auto describe(Type<MergeLayer>) {
  return structure<MergeLayer>("MergeLayer", "Takes the layer below into a layer.",
                               field<&MergeLayer::guest>("guest", "The guest."),
                               field<&MergeLayer::layer>("layer", "The layer that stays."),
                               field<&MergeLayer::below>("below", "The layer that is taken in."));
}

constexpr auto describe(Type<ForgetSnapshot>) {
  return structure<ForgetSnapshot>("ForgetSnapshot", "Removes a snapshot; its children stay.",
                                   field<&ForgetSnapshot::guest>("guest", "The guest."),
                                   field<&ForgetSnapshot::snapshot>("snapshot", "The snapshot."));
}

constexpr auto describe(Type<RevertGuest>) {
  return structure<RevertGuest>("RevertGuest", "Goes back to a snapshot.",
                                field<&RevertGuest::guest>("guest", "The guest."),
                                field<&RevertGuest::snapshot>("snapshot", "The snapshot."));
}

constexpr auto describe(Type<DiscardMemory>) {
  return structure<DiscardMemory>("DiscardMemory", "Gives up the memory of a suspended guest.",
                                  field<&DiscardMemory::guest>("guest", "The guest."));
}

constexpr auto describe(Type<StopMachine>) {
  return structure<StopMachine>("StopMachine", "Ends the guest's process at once.",
                                field<&StopMachine::guest>("guest", "The guest."),
                                field<&StopMachine::memory>("memory", "Its memory is saved here."));
}

constexpr auto describe(Type<FreezeGuest>) {
  return structure<FreezeGuest>("FreezeGuest", "Freezes the guest's file systems.",
                                field<&FreezeGuest::guest>("guest", "The guest."),
                                field<&FreezeGuest::hold>("hold_ms", "Thawed after that."));
}

constexpr auto describe(Type<ThawGuest>) {
  return structure<ThawGuest>("ThawGuest", "Thaws the guest's file systems.",
                              field<&ThawGuest::guest>("guest", "The guest."));
}

constexpr auto describe(Type<RecycleGuest>) {
  return structure<RecycleGuest>("RecycleGuest", "Moves the guest to the recycle bin.",
                                 field<&RecycleGuest::guest>("guest", "The guest."));
}

constexpr auto describe(Type<RestoreGuest>) {
  return structure<RestoreGuest>("RestoreGuest", "Takes the guest out of the recycle bin.",
                                 field<&RestoreGuest::guest>("guest", "The guest."),
                                 field<&RestoreGuest::name>("name", "Its name from now on."));
}

constexpr auto describe(Type<ForgetGuest>) {
  return structure<ForgetGuest>("ForgetGuest", "Removes the guest's directory and documents.",
                                field<&ForgetGuest::guest>("guest", "The guest."));
}

constexpr auto describe(Type<MoveGuest>) {
  return structure<MoveGuest>("MoveGuest", "Gives a stopped guest to another host.",
                              field<&MoveGuest::guest>("guest", "The guest."),
                              field<&MoveGuest::to>("to", "The new owner."));
}

constexpr auto describe(Type<DownloadImage>) {
  return structure<DownloadImage>("DownloadImage", "Fetches an image file to the datastore.",
                                  field<&DownloadImage::image>("image", "The new image."),
                                  field<&DownloadImage::url>("url", "Where it comes from."));
}

constexpr auto describe(Type<ImportImage>) {
  return structure<ImportImage>("ImportImage",
                                "Checks an image file and copies it into the library.",
                                field<&ImportImage::image>("image", "The new image."),
                                field<&ImportImage::path>("path", "The file on this host."),
                                field<&ImportImage::upload>("upload", "The upload it is."),
                                field<&ImportImage::format>("format", "Its declared format."),
                                field<&ImportImage::checksum>("checksum", "What it must have."));
}

constexpr auto describe(Type<BuildImage>) {
  return structure<BuildImage>("BuildImage", "Builds an image from packages.",
                               field<&BuildImage::image>("image", "The new image."),
                               field<&BuildImage::recipe>("recipe", "What to build."));
}

constexpr auto describe(Type<ForgetImage>) {
  return structure<ForgetImage>("ForgetImage", "Removes the image's files and documents.",
                                field<&ForgetImage::image>("image", "The image."));
}

constexpr auto describe(Type<AttachDatastore>) {
  return structure<AttachDatastore>(
      "AttachDatastore", "Prepares a datastore and looks at it.",
      field<&AttachDatastore::datastore>("datastore", "The datastore."),
      field<&AttachDatastore::adopt>("adopt", "Its place may have been another datastore's."));
}

constexpr auto describe(Type<DetachDatastore>) {
  return structure<DetachDatastore>(
      "DetachDatastore", "Forgets a datastore; its files stay.",
      field<&DetachDatastore::datastore>("datastore", "The datastore."));
}

constexpr auto describe(Type<ApplyNetwork>) {
  return structure<ApplyNetwork>("ApplyNetwork", "Makes a network on its host what it shall be.",
                                 field<&ApplyNetwork::network>("network", "The network."),
                                 field<&ApplyNetwork::before>("before", "What it was."));
}

constexpr auto describe(Type<RemoveNetwork>) {
  return structure<RemoveNetwork>("RemoveNetwork", "Takes a network away.",
                                  field<&RemoveNetwork::network>("network", "The network."));
}

constexpr auto describe(Type<RunForEach>) {
  return structure<RunForEach>(
      "RunForEach", "Makes a task for each guest and waits for them.",
      field<&RunForEach::order>("order", "What shall happen to each."),
      field<&RunForEach::guests>("guests", "The guests."),
      field<&RunForEach::copy>("copy", "They are made from another."),
      field<&RunForEach::names>("names", "What the copies are called.", {.max_length = 1000}));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateVolume>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CopyVolume>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteVolume>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUefiVariables>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateTpmState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RegisterGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AdmitGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ExportConfiguration>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ChangeHardware>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GrowDisk>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LaunchMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ResumeMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PauseMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ResetMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ShutdownMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SaveMemory>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Overlay>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::KeptFile>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TakeSnapshot>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MergeLayer>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetSnapshot>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RevertGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiscardMemory>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::StopMachine>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::FreezeGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ThawGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RecycleGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RestoreGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MoveGuest>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DownloadImage>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ImportImage>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BuildImage>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ForgetImage>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AttachDatastore>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DetachDatastore>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ApplyNetwork>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RemoveNetwork>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RunForEach>();
