#include "core/tasks/task_service.hpp"

#include <fmt/format.h>

#include "core/tasks/accept.hpp"
#include "ports/downloads.hpp"

namespace ruche::core {

namespace {

std::string guest_name(const Inventory& inventory, model::GuestId id) {
  const auto found = inventory.guests().find(id.value);
  if (found == inventory.guests().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}
std::string image_name(const Inventory& inventory, model::ImageId id) {
  const auto found = inventory.images().find(id.value);
  if (found == inventory.images().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}
std::string datastore_name(const Inventory& inventory, model::DatastoreId id) {
  const auto found = inventory.datastores().find(id.value);
  if (found == inventory.datastores().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}
std::string network_name(const Inventory& inventory, model::NetworkId id) {
  const auto found = inventory.networks().find(id.value);
  if (found == inventory.networks().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}
std::string host_name(const Inventory& inventory, model::HostId id) {
  const auto found = inventory.hosts().find(id.value);
  if (found == inventory.hosts().end() || !found->second->spec) return to_text(id);
  return found->second->spec->value.name;
}

std::string snapshot_name(const Inventory& inventory, model::SnapshotId id) {
  const auto found = inventory.snapshots().find(id.value);
  return found == inventory.snapshots().end() ? to_text(id) : found->second->value.name;
}

struct Describe {
  const Inventory& inventory;
  std::string guest(model::GuestId id) const { return guest_name(inventory, id); }

  std::string operator()(const model::CreateVolume& s) const {
    return s.parent
               ? fmt::format("make an overlay of {} (layer {})", to_text(s.size), to_text(s.layer))
               : fmt::format("make an empty volume of {} (layer {})", to_text(s.size),
                             to_text(s.layer));
  }
  std::string operator()(const model::CopyVolume& s) const {
    return fmt::format("copy the volume {} (layer {}{})", to_text(s.source), to_text(s.layer),
                       s.parent ? fmt::format(", on {}", to_text(*s.parent)) : "");
  }
  std::string operator()(const model::TakeSnapshot& s) const {
    const auto& snapshots = inventory.snapshots();
    const auto found = s.snapshot ? snapshots.find(s.snapshot->value) : snapshots.end();
    const auto what = found == snapshots.end()
                          ? std::string("cut the disks")
                          : fmt::format("take the snapshot {}", found->second->value.name);
    return fmt::format("{} of {}{}", what, guest(s.guest), s.memory ? ", with its memory" : "");
  }
  std::string operator()(const model::MergeLayer& s) const {
    return fmt::format("merge layer {} into the one on top of it ({}), of {}", to_text(s.below),
                       to_text(s.layer), guest(s.guest));
  }
  std::string operator()(const model::ForgetSnapshot& s) const {
    return fmt::format("forget the snapshot {} of {}", snapshot_name(inventory, s.snapshot),
                       guest(s.guest));
  }
  std::string operator()(const model::RevertGuest& s) const {
    return fmt::format("{} goes back to the snapshot {}", guest(s.guest),
                       snapshot_name(inventory, s.snapshot));
  }
  std::string operator()(const model::DeleteVolume& s) const {
    return fmt::format("remove the volume {} for good", to_text(s.layer));
  }
  std::string operator()(const model::CreateUefiVariables& s) const {
    return fmt::format("copy the firmware's variables (layer {})", to_text(s.layer));
  }
  std::string operator()(const model::CreateTpmState& s) const {
    return fmt::format("make a TPM that knows nothing yet (layer {})", to_text(s.layer));
  }
  std::string operator()(const model::SaveMemory& s) const {
    return fmt::format("stop the CPUs of {} and save its memory (layer {})", guest(s.guest),
                       to_text(s.layer));
  }
  std::string operator()(const model::DiscardMemory& s) const {
    return fmt::format("give up the saved memory of {}", guest(s.guest));
  }
  std::string operator()(const model::FreezeGuest& s) const {
    return fmt::format("freeze the file systems of {} for at most {}", guest(s.guest),
                       to_text(s.hold));
  }
  std::string operator()(const model::ThawGuest& s) const {
    return fmt::format("thaw the file systems of {}", guest(s.guest));
  }
  std::string operator()(const model::RegisterGuest& s) const {
    return fmt::format("write the configuration of {}", guest(s.guest));
  }
  std::string operator()(const model::AdmitGuest& s) const {
    std::string with;
    if (s.images.size() == 1) with = ", with the image below it";
    if (s.images.size() > 1) with = fmt::format(", with {} images", s.images.size());
    return fmt::format("look once more at the files of {} and take it in{}", guest(s.guest), with);
  }
  std::string operator()(const model::ExportConfiguration& s) const {
    return fmt::format("write the configuration of {}", guest(s.guest));
  }
  std::string operator()(const model::ChangeHardware& s) const {
    return fmt::format("change the hardware of {} while it runs", guest(s.guest));
  }
  std::string operator()(const model::GrowDisk& s) const {
    return fmt::format("grow {} of {} to {}", s.disk, guest(s.guest), to_text(s.size));
  }
  std::string operator()(const model::LaunchMachine& s) const {
    return fmt::format("launch the process of {}{}", guest(s.guest),
                       s.memory ? ", with its saved memory" : "");
  }
  std::string operator()(const model::ResumeMachine& s) const {
    return fmt::format("let the CPUs of {} run", guest(s.guest));
  }
  std::string operator()(const model::PauseMachine& s) const {
    return fmt::format("stop the CPUs of {}", guest(s.guest));
  }
  std::string operator()(const model::ResetMachine& s) const {
    return fmt::format("press the reset button of {}", guest(s.guest));
  }
  std::string operator()(const model::ShutdownMachine& s) const {
    return fmt::format("press the power button of {} and wait up to {}{}", guest(s.guest),
                       to_text(s.patience), s.then_stop ? ", then end its process" : "");
  }
  std::string operator()(const model::StopMachine& s) const {
    return fmt::format("end the process of {}", guest(s.guest));
  }
  std::string operator()(const model::RecycleGuest& s) const {
    return fmt::format("move {} to the recycle bin", guest(s.guest));
  }
  std::string operator()(const model::RestoreGuest& s) const {
    return fmt::format("take {} out of the recycle bin", guest(s.guest));
  }
  std::string operator()(const model::ForgetGuest& s) const {
    return fmt::format("remove the directory and documents of {}", guest(s.guest));
  }
  std::string operator()(const model::MoveGuest& s) const {
    return fmt::format("give {} to host {}", guest(s.guest), host_name(inventory, s.to));
  }
  std::string operator()(const model::ImportImage& s) const {
    const std::string what = !s.path.empty() ? s.path
                             : s.upload      ? fmt::format("the upload {}", to_text(*s.upload))
                                             : "what was downloaded";
    return fmt::format("check {} and copy it into the library as {}", what,
                       image_name(inventory, s.image));
  }
  std::string operator()(const model::DownloadImage& s) const {
    return fmt::format("download {} for the image {}", ports::shown_url(s.url),
                       image_name(inventory, s.image));
  }
  std::string operator()(const model::BuildImage& s) const {
    return fmt::format("build the image {} from packages (recipe {})",
                       image_name(inventory, s.image), s.recipe);
  }
  std::string operator()(const model::ForgetImage& s) const {
    return fmt::format("remove the files and documents of image {}",
                       image_name(inventory, s.image));
  }
  std::string operator()(const model::ApplyNetwork& s) const {
    return fmt::format("apply the configuration of network {}", network_name(inventory, s.network));
  }
  std::string operator()(const model::RemoveNetwork& s) const {
    return fmt::format("take the network {} away", network_name(inventory, s.network));
  }
  std::string operator()(const model::AttachDatastore& s) const {
    return fmt::format("{} the datastore {}", s.adopt ? "take over the place of" : "prepare",
                       datastore_name(inventory, s.datastore));
  }
  std::string operator()(const model::DetachDatastore& s) const {
    return fmt::format("forget the datastore {}; its files stay",
                       datastore_name(inventory, s.datastore));
  }
  std::string operator()(const model::RunForEach& s) const {
    const auto count = s.guests.size();
    if (s.copy) return fmt::format("make {} copies with a task of its own for each", count);
    return fmt::format("{} {} with a task of its own", enum_name(s.order.action),
                       count == 1 ? "a VM" : fmt::format("each of {} VMs", count));
  }
};

}  // namespace

std::string describe_step(const model::Step& step, const Inventory& inventory) {
  return std::visit(Describe{inventory}, step);
}

Async<ports::Revision> TaskService::cancel(Caller caller, model::TaskRef request) {
  co_await writer_.inventory().ready();
  const auto found = writer_.inventory().find_task(request.task);
  if (!found) {
    throw Error(Reason::no_such_object, fmt::format("no task {}", request.task)).at("/task");
  }
  const model::TaskId id = found->value.id;
  co_return co_await writer_.transact([&](Draft& draft) {
    auto& task = draft.task(id);
    if (!model::is_open(task.state)) {
      throw Error(Reason::wrong_state,
                  fmt::format("the task has ended already ({})", enum_name(task.state)));
    }
    task.cancel_requested = model::CancelKind::user;
    auto record = audit_record(caller, "task.cancel", task.object);
    record.task = id;
    draft.record(task.host, std::move(record));
  });
}

}  // namespace ruche::core
