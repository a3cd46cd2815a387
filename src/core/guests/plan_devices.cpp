#include "core/guests/plan_devices.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/guests/host_devices.hpp"
#include "core/guests/plan_hardware.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/guests/share_place.hpp"
#include "core/guests/snapshot_documents.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/storage/layers.hpp"
#include "model/device_abilities.hpp"
#include "model/hardware.hpp"
#include "model/passthrough.hpp"
#include "model/share_rules.hpp"

namespace ruche::core::plans {

namespace {

template <class T>
std::size_t find_device(const std::vector<T>& devices, const std::string& name, const char* what,
                        const model::Guest& guest, const char* field) {
  const auto found = std::ranges::find(devices, name, &T::name);
  if (found != devices.end()) return static_cast<std::size_t>(found - devices.begin());
  throw Error(Reason::no_such_object, fmt::format("{} has no {} {}", guest.name, what, name))
      .at(field)
      .remedy(fmt::format("see them: ruche vm show {}", guest.name));
}

template <class T>
bool has_named(const std::vector<T>& devices, const std::string& name) {
  return std::ranges::find(devices, name, &T::name) != devices.end();
}

// disk0, disk1, …: the first that no device has, or the one that is wished.
std::string choose_name(const model::VmSpec& spec, const std::string& wished,
                        std::string_view kind) {
  const auto taken = [&](const std::string& name) {
    return has_named(spec.disks, name) || has_named(spec.nics, name) ||
           has_named(spec.cdroms, name) || has_named(spec.shares, name) ||
           has_named(spec.usb, name) || has_named(spec.pci, name);
  };
  if (!wished.empty() && taken(wished)) {
    throw Error(Reason::duplicate_device, fmt::format("a device is called {} already", wished))
        .at("/name");
  }
  if (!wished.empty()) return wished;
  for (int n = 0;; ++n) {
    auto name = fmt::format("{}{}", kind, n);
    if (!taken(name)) return name;
  }
}

bool runs(const GuestRecord& record) { return record.status && record.status->value.running; }

}  // namespace

// --- disks ---------------------------------------------------------------------------------------

Proposal add_disk(Draft& draft, const Site& site, const model::AddDisk& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto& store = draft.inventory().datastores().at(guest.datastore.value);
  stand_on(draft, store->placement, "the datastore " + store->spec->value.name);
  model::Layer layer;
  layer.id = draft.new_id<model::LayerId>();
  layer.owner_kind = model::ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.datastore = guest.datastore;
  layer.format = request.format;
  layer.size = request.size;
  model::DiskSpec disk;
  disk.name = choose_name(guest.spec, request.name, "disk");
  disk.layer = layer.id;
  disk.size = request.size;
  disk.bus = request.bus;
  disk.cache = request.cache;
  disk.discard = !request.keep_trimmed;
  disk.limits = request.limits;
  auto what = fmt::format("Add {} of {} to {}", disk.name, to_text(disk.size), guest.name);
  const auto warning = model::warning_of(model::kind_of(disk));
  if (!warning.empty()) what += fmt::format(" ({})", warning);
  guest.spec.disks.push_back(std::move(disk));
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  const model::CreateVolume create{layer.id, layer.size, std::nullopt};
  add_layer(draft, std::move(layer));
  return propose_change(record, "vm.disk.add", summary_of(what, edit), edit, {create});
}

Proposal remove_disk(Draft& draft, const Site& site, const model::DiskRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.disks, request.disk, "disk", guest, "/disk");
  const auto disk = guest.spec.disks[index];
  if (runs(record) && !why_not(kind_of(disk), model::Ability::hot_plug).empty()) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is on {}, whose disks go only while {} is stopped", disk.name,
                            enum_name(disk.bus), guest.name))
        .remedy(fmt::format("stop it first: ruche vm shutdown {}", guest.name));
  }
  draft.depend(keys::layer(disk.layer));
  const auto* layer = draft.find_layer(disk.layer);
  // What a snapshot holds leaves the guest, and stays for the snapshot.
  const auto held = holds_of(draft.inventory(), guest.id, disk.layer);
  if (layer && layer->references > held) {
    throw Error(Reason::in_use,
                fmt::format("{} layers stand on {}", layer->references - held, disk.name))
        .at("/disk")
        .remedy("delete those copies first");
  }
  guest.spec.disks.erase(guest.spec.disks.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Remove {} from {}", disk.name, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  std::vector<model::Step> after;
  if (held == 0) after.push_back(model::DeleteVolume{disk.layer});
  return propose_change(record, "vm.disk.remove", summary_of(what, edit), edit, {},
                        std::move(after));
}

Proposal grow_disk(Draft& draft, const Site&, const model::GrowDiskRequest& request) {
  const auto& record = find_editable(draft, request.vm);
  const auto guest = record.spec->value;
  const auto index = find_device(guest.spec.disks, request.disk, "disk", guest, "/disk");
  const auto& disk = guest.spec.disks[index];
  if (state_of(record) == model::GuestState::provisioning) {
    throw Error(Reason::wrong_state, fmt::format("{} is still being provisioned", guest.name));
  }
  refuse_suspended(record);
  if (request.size <= disk.size || request.size.count % 512 != 0) {
    throw Error(Reason::out_of_range,
                fmt::format("{} has {}; it can only become larger, by whole sectors of 512 bytes",
                            disk.name, to_text(disk.size)))
        .at("/size_bytes");
  }
  // QEMU's controller tells its guest nothing of a new size, and refuses it.
  if (runs(record) && disk.bus == model::DiskBus::nvme) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is an NVMe disk, which grows only while {} is stopped", disk.name,
                            guest.name))
        .remedy(fmt::format("stop it first: ruche vm shutdown {}", guest.name));
  }
  draft.guest(guest.id).spec.disks[index].size = request.size;
  resize_layer(draft, disk.layer, request.size);
  const auto what =
      fmt::format("Grow {} of {} to {}", disk.name, guest.name, to_text(request.size));
  auto proposal = propose_change(record, "vm.disk.grow", what, {});
  // What has grown stays so; the step itself says what the document becomes.
  proposal.plan = {model::GrowDisk{guest.id, disk.name, disk.layer, request.size, disk.size},
                   model::ExportConfiguration{guest.id, std::nullopt}};
  return proposal;
}

Proposal edit_disk(Draft& draft, const Site& site, const model::DiskRef& which,
                   const std::function<void(model::DiskEdit&)>& change) {
  const auto& record = find_editable(draft, which.vm);
  auto guest = record.spec->value;
  auto& disk = guest.spec.disks[find_device(guest.spec.disks, which.disk, "disk", guest, "/disk")];
  model::DiskEdit edited{disk.cache, disk.discard, disk.limits};
  change(edited);
  disk.cache = edited.cache;
  disk.discard = edited.discard;
  disk.limits = edited.limits;
  const auto what = fmt::format("Change {} of {}", disk.name, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.disk.set", summary_of(what, edit), edit);
}

// --- adapters ------------------------------------------------------------------------------------

namespace {

void take_wished_mac(Draft& draft, const std::string& mac, model::GuestId guest) {
  // The lowest bit of the first byte means a group (IEEE 802-2014, 8.2).
  const bool single = model::is_mac(mac) && std::stoi(mac.substr(0, 2), nullptr, 16) % 2 == 0;
  if (!single) {
    throw Error(Reason::bad_spec,
                "a hardware address is six pairs of hexadecimal digits in small letters, joined "
                "by colons, and not of a group: 52:54:00:12:34:56")
        .at("/mac");
  }
  if (draft.inventory().name_holder("mac", mac)) {
    throw Error(Reason::name_in_use, fmt::format("another adapter has the address {}", mac))
        .at("/mac");
  }
  draft.take_name("mac", mac, guest.value);
}

}  // namespace

Proposal add_nic(Draft& draft, const Site& site, const model::AddNic& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  model::NicSpec nic;
  nic.name = choose_name(guest.spec, request.name, "nic");
  nic.link = request.link;
  nic.mac = request.mac;
  if (request.mac.empty()) nic.mac = take_mac(draft, guest.id);
  if (!request.mac.empty()) take_wished_mac(draft, request.mac, guest.id);
  plug_in(draft, site, request.network, guest.id, nic);
  const auto what = fmt::format("Add {} to {}", nic.name, guest.name);
  guest.spec.nics.push_back(std::move(nic));
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.nic.add", summary_of(what, edit), edit);
}

Proposal remove_nic(Draft& draft, const Site& site, const model::NicRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.nics, request.nic, "network adapter", guest, "/nic");
  guest.spec.nics.erase(guest.spec.nics.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Remove {} from {}", request.nic, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.nic.remove", summary_of(what, edit), edit);
}

Proposal edit_nic(Draft& draft, const Site& site, const model::NicRef& which,
                  const std::function<void(model::NicEdit&)>& change) {
  const auto& record = find_editable(draft, which.vm);
  auto guest = record.spec->value;
  auto& nic =
      guest.spec.nics[find_device(guest.spec.nics, which.nic, "network adapter", guest, "/nic")];
  model::NicEdit edited{nic.link, nic.mac};
  change(edited);
  if (edited.mac != nic.mac) take_wished_mac(draft, edited.mac, guest.id);
  nic.link = edited.link;
  nic.mac = edited.mac;
  const auto what = fmt::format("Change {} of {}", nic.name, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.nic.set", summary_of(what, edit), edit);
}

// --- CD-ROM drives -------------------------------------------------------------------------------

namespace {

// Counts the new use; the old one is given back when the task has ended.
void insert(Draft& draft, const model::Guest& guest, const std::string& reference,
            model::CdromSpec& drive) {
  const auto& image = find_medium(draft, guest.datastore, reference, "/image");
  if (drive.layer == image.disk) return;
  count_user(draft, image.disk, 1);
  drive.image = image.id;
  drive.layer = image.disk;
}

}  // namespace

Proposal add_drive(Draft& draft, const Site& site, const model::AddDrive& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  model::CdromSpec drive;
  drive.name = choose_name(guest.spec, {}, "cdrom");
  if (!request.image.empty()) insert(draft, guest, request.image, drive);
  const auto what = fmt::format("Add {} to {}", drive.name, guest.name);
  guest.spec.cdroms.push_back(std::move(drive));
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.cdrom.add", summary_of(what, edit), edit);
}

Proposal remove_drive(Draft& draft, const Site& site, const model::DriveRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.cdroms, request.cdrom, "drive", guest, "/cdrom");
  if (runs(record)) {
    throw Error(Reason::wrong_state, fmt::format("drives go only while {} is stopped", guest.name))
        .remedy(
            fmt::format("empty it instead: ruche vm cdrom eject {} {}", guest.name, request.cdrom));
  }
  guest.spec.cdroms.erase(guest.spec.cdroms.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Remove {} from {}", request.cdrom, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.cdrom.remove", summary_of(what, edit), edit);
}

Proposal insert_medium(Draft& draft, const Site& site, const model::InsertMedium& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  auto& drive =
      guest.spec.cdroms[find_device(guest.spec.cdroms, request.cdrom, "drive", guest, "/cdrom")];
  insert(draft, guest, request.image, drive);
  const auto what = fmt::format("Insert {} into {} of {}", request.image, drive.name, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.cdrom.insert", summary_of(what, edit), edit);
}

Proposal eject_medium(Draft& draft, const Site& site, const model::DriveRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  auto& drive =
      guest.spec.cdroms[find_device(guest.spec.cdroms, request.cdrom, "drive", guest, "/cdrom")];
  drive.image.reset();
  drive.layer.reset();
  const auto what = fmt::format("Eject {} of {}", drive.name, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.cdrom.eject", summary_of(what, edit), edit);
}

// --- folders of the host -------------------------------------------------------------------------

Proposal add_share(Draft& draft, const Site& site, const model::AddShare& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto host = record.placement->value.host;
  // Of another host its own daemon tells, at the start.
  if (host == site.self && !site.capabilities.no_shares.empty()) {
    throw Error(Reason::host_cannot,
                "no folder of this host can be mounted: " + site.capabilities.no_shares)
        .at("/shares")
        .remedy(model::kShareRemedy);
  }
  model::ShareSpec share;
  share.name = choose_name(guest.spec, request.name, "share");
  share.path = request.path;
  share.read_only = request.read_only;
  unwrap(model::check_share(share));
  auto what = fmt::format("Let {} mount {} as {}{}", guest.name, share.path, share.name,
                          share.read_only ? ", read-only" : "");
  what += fmt::format(" ({})", model::warning_of(model::DeviceKind::share));
  guest.spec.shares.push_back(std::move(share));
  require_apart(draft.inventory(), host, guest.spec);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.share.add", summary_of(what, edit), edit);
}

Proposal remove_share(Draft& draft, const Site& site, const model::ShareRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.shares, request.share, "folder", guest, "/share");
  guest.spec.shares.erase(guest.spec.shares.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Take {} from {}", request.share, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.share.remove", summary_of(what, edit), edit);
}

// --- devices of the host -------------------------------------------------------------------------

namespace {

// Only a host itself knows what it has.
void require_here(const Draft& draft, const Site& site, const GuestRecord& record) {
  const auto host = record.placement->value.host;
  if (host == site.self) return;
  const auto found = draft.inventory().hosts().find(host.value);
  const bool known = found != draft.inventory().hosts().end() && found->second->spec;
  const auto name = known ? found->second->spec->value.name : to_text(host);
  throw Error(Reason::host_unavailable, fmt::format("{} is on {}, not on the host that answers",
                                                    record.spec->value.name, name))
      .at("/vm")
      .remedy(fmt::format("ask that host: run the command on {}", name));
}

template <class Device>
void require_usable(const model::HostFacts& facts, const Device& device, const char* field) {
  auto node = model::node_of(facts, device);
  if (!node) throw std::move(node.error()).at(field);
}

std::string what_is_added(const std::string& device, const std::string& name,
                          const std::string& guest, model::DeviceKind kind) {
  return fmt::format("Add {} to {} as {} ({})", device, guest, name, model::warning_of(kind));
}

}  // namespace

Proposal add_usb(Draft& draft, const Site& site, const model::HostFacts& facts,
                 const model::AddUsb& request) {
  const auto& record = find_editable(draft, request.vm);
  require_here(draft, site, record);
  auto guest = record.spec->value;
  auto device = model::parse_usb(request.device);
  if (!device) {
    throw Error(Reason::bad_format, "a USB device is its vendor and product, as in 046d:c52b")
        .at("/device")
        .remedy("see what there is: ruche host devices");
  }
  device->serial = request.serial;
  if (auto held = why_held(draft.inventory(), site.self, *device)) throw std::move(*held);
  require_usable(facts, *device, "/device");
  device->name = choose_name(guest.spec, {}, "usb");
  const auto what = what_is_added(request.device, device->name, guest.name, model::DeviceKind::usb);
  guest.spec.usb.push_back(std::move(*device));
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.usb.add", summary_of(what, edit), edit);
}

Proposal remove_usb(Draft& draft, const Site& site, const model::UsbRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.usb, request.usb, "USB device", guest, "/usb");
  guest.spec.usb.erase(guest.spec.usb.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Remove {} from {}", request.usb, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.usb.remove", summary_of(what, edit), edit);
}

Proposal add_pci(Draft& draft, const Site& site, const model::HostFacts& facts,
                 const model::AddPci& request) {
  const auto& record = find_editable(draft, request.vm);
  require_here(draft, site, record);
  auto guest = record.spec->value;
  if (!model::is_pci_address(request.address)) {
    throw Error(Reason::bad_format, "this is no address of a PCI device")
        .at("/address")
        .remedy("write it as in 0000:3b:00.0; see what there is: ruche host devices");
  }
  model::PciSpec device{.address = request.address, .mediated = request.mediated};
  auto held = why_held(draft.inventory(), facts, site.self, guest.id, device);
  if (held) throw std::move(*held);
  require_usable(facts, device, device.mediated.empty() ? "/address" : "/mediated");
  device.name = choose_name(guest.spec, {}, "pci");
  const auto what = what_is_added(request.address, device.name, guest.name, model::DeviceKind::pci);
  guest.spec.pci.push_back(std::move(device));
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.pci.add", summary_of(what, edit), edit);
}

Proposal remove_pci(Draft& draft, const Site& site, const model::PciRef& request) {
  const auto& record = find_editable(draft, request.vm);
  auto guest = record.spec->value;
  const auto index = find_device(guest.spec.pci, request.pci, "PCI device", guest, "/pci");
  guest.spec.pci.erase(guest.spec.pci.begin() + static_cast<std::ptrdiff_t>(index));
  const auto what = fmt::format("Remove {} from {}", request.pci, guest.name);
  const auto edit = change_hardware(draft, site, record, std::move(guest));
  return propose_change(record, "vm.pci.remove", summary_of(what, edit), edit);
}

}  // namespace ruche::core::plans
