#include <fmt/format.h>

#include <algorithm>

#include "core/guests/cloud_init.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/guests/plans.hpp"
#include "core/storage/layers.hpp"
#include "core/storage/placement_rules.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::ObjectKind;

constexpr Bytes kDefaultDisk = gib(8);
// More than a TPM ever keeps; its file becomes as large as what is in it.
constexpr Bytes kTpmState = kib(64);

// The image with the virtio drivers for Windows, by its name in the library.
constexpr const char* kDrivers = "virtio-win";
constexpr const char* kHowToGetDrivers =
    "ruche image import virtio-win --url https://fedorapeople.org/groups/virt/virtio-win/"
    "direct-downloads/stable-virtio/virtio-win.iso";

struct PlannedDisk {
  model::NewDisk disk;
  std::optional<model::LayerId> parent;
};

// Systems whose installer brings no virtio drivers.
bool lacks_virtio(model::GuestSystem system) {
  return system == model::GuestSystem::windows || system == model::GuestSystem::other;
}

model::DiskBus usual_bus(model::GuestSystem system) {
  return lacks_virtio(system) ? model::DiskBus::sata : model::DiskBus::virtio_blk;
}

std::vector<PlannedDisk> plan_disks(const model::CreateVm& request, const model::Image* image) {
  std::vector<PlannedDisk> disks;
  PlannedDisk first;
  first.disk.bus = request.disk_bus.value_or(usual_bus(request.system));
  first.disk.size = request.disk_size.count > 0 ? request.disk_size
                    : image                     ? image->size
                                                : kDefaultDisk;
  if (image) {
    if (first.disk.size < image->size) {
      throw Error(Reason::disk_too_small,
                  fmt::format("the image {} needs a disk of {}", image->name, to_text(image->size)))
          .at("/disk_size_bytes")
          .remedy("leave the size out, or make it larger");
    }
    first.parent = image->disk;
  }
  disks.push_back(first);
  for (const auto& disk : request.disks) disks.push_back({disk, std::nullopt});
  return disks;
}

void add_disks(Draft& draft, const model::CreateVm& request, const model::Image* image,
               model::Guest& guest, std::vector<model::Step>& plan) {
  for (const auto& [disk, parent] : plan_disks(request, image)) {
    model::Layer layer;
    layer.id = draft.new_id<model::LayerId>();
    layer.owner_kind = ObjectKind::guest;
    layer.owner = guest.id.value;
    layer.datastore = guest.datastore;
    layer.parent = parent;
    layer.format = parent ? model::DiskFormat::qcow2 : disk.format;
    layer.size = disk.size;
    plan.push_back(model::CreateVolume{layer.id, disk.size, parent});
    model::DiskSpec spec;
    spec.name = fmt::format("disk{}", guest.spec.disks.size());
    spec.layer = layer.id;
    spec.size = disk.size;
    spec.bus = disk.bus;
    guest.spec.disks.push_back(std::move(spec));
    add_layer(draft, std::move(layer));
  }
}

void set_boot(Draft& draft, const model::Image* image, model::Guest& guest) {
  if (!image) return;
  guest.image = image->id;
  auto order = std::move(guest.spec.boot.order);
  guest.spec.boot = image->boot;
  guest.spec.boot.order = std::move(order);
  if (image->boot.kernel) count_user(draft, *image->boot.kernel, 1);
  if (image->boot.initrd) count_user(draft, *image->boot.initrd, 1);
}

// A file of the guest's own beside its disks.
model::LayerId add_own_file(Draft& draft, const model::Guest& guest, model::LayerContent content,
                            Bytes size) {
  model::Layer layer;
  layer.id = draft.new_id<model::LayerId>();
  layer.owner_kind = ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.datastore = guest.datastore;
  layer.content = content;
  layer.format = model::DiskFormat::raw;
  layer.size = size;
  const auto id = layer.id;
  add_layer(draft, std::move(layer));
  return id;
}

// Secure Boot is UEFI's: it brings it along, unless something else was asked for.
void choose_boot(const model::CreateVm& request, model::BootSpec& boot) {
  if (request.boot) boot.kind = *request.boot;
  boot.secure = request.secure_boot;
  if (boot.secure && !request.boot && boot.kind == model::BootKind::bios) {
    boot.kind = model::BootKind::uefi;
  }
  if (boot.secure && boot.kind != model::BootKind::uefi) {
    throw Error(Reason::bad_spec,
                fmt::format("Secure Boot needs UEFI; this boots by {}", enum_name(boot.kind)))
        .at("/secure_boot")
        .remedy("boot it with uefi, or without Secure Boot");
  }
}

// UEFI instead of what the image says, with variables of the guest's own.
void set_firmware(Draft& draft, const Site& site, const model::CreateVm& request,
                  model::Guest& guest, std::vector<model::Step>& plan) {
  auto& boot = guest.spec.boot;
  choose_boot(request, boot);
  if (boot.kind == model::BootKind::bios) boot.command_line.clear();
  if (boot.kind != model::BootKind::uefi) {
    boot.uefi_vars.reset();
    return;
  }
  if (!site.capabilities.uefi) {
    throw Error(Reason::host_cannot, "this host has no UEFI firmware for guests")
        .at("/boot")
        .remedy("install the package ovmf and restart ruched, or boot with bios");
  }
  const auto& firmware = *site.capabilities.uefi;
  if (boot.secure && firmware.secure_code_path.empty()) {
    throw Error(Reason::host_cannot, "this host's UEFI firmware has no Secure Boot")
        .at("/secure_boot")
        .remedy("install Debian's package ovmf and restart ruched, or leave Secure Boot out");
  }
  boot.uefi_vars =
      add_own_file(draft, guest, model::LayerContent::uefi_vars, firmware.variables_size);
  plan.push_back(model::CreateUefiVariables{
      *boot.uefi_vars, boot.secure ? firmware.secure_variables_path : firmware.variables_path});
}

void add_tpm(Draft& draft, const Site& site, model::Guest& guest, std::vector<model::Step>& plan) {
  if (!site.capabilities.no_tpm.empty()) {
    throw Error(Reason::host_cannot, "this host has no TPM for guests: " + site.capabilities.no_tpm)
        .at("/tpm")
        .remedy("install the package swtpm and restart ruched, or leave the TPM out");
  }
  const auto state = add_own_file(draft, guest, model::LayerContent::tpm_state, kTpmState);
  guest.spec.tpm = model::TpmSpec{state};
  plan.push_back(model::CreateTpmState{state});
}

void add_cdroms(Draft& draft, const model::CreateVm& request, model::Guest& guest) {
  for (std::size_t i = 0; i < request.cdroms.size(); ++i) {
    const auto& image =
        find_medium(draft, guest.datastore, request.cdroms[i], fmt::format("/cdroms/{}", i));
    count_user(draft, image.disk, 1);
    guest.spec.cdroms.push_back({fmt::format("cdrom{}", i), image.id, image.disk, 0});
  }
}

// Windows that is installed from a medium, with a drive and a port to spare for its drivers.
bool takes_drivers(const Draft& draft, const model::CreateVm& request, const model::Guest& guest) {
  const auto& drives = guest.spec.cdroms;
  if (request.system != model::GuestSystem::windows || drives.empty()) return false;
  const auto on_sata =
      std::ranges::count(guest.spec.disks, model::DiskBus::sata, &model::DiskSpec::bus);
  const auto ports = drives.size() + static_cast<std::size_t>(on_sata);
  if (drives.size() >= model::kMostDrives || ports >= model::kSataPorts) return false;
  return std::ranges::none_of(drives, [&](const model::CdromSpec& drive) {
    const auto& image = draft.inventory().images().at(drive.image->value);
    return image->spec->value.name.starts_with(kDrivers);
  });
}

bool has_drivers(const Draft& draft, model::DatastoreId datastore) {
  const auto record = draft.inventory().find_image(kDrivers);
  if (!record) return false;
  const auto& image = record->spec->value;
  const bool busy = record->placement && !record->placement->value.claims.empty();
  return image.kind == model::ImageKind::iso && image.state == model::ImageState::ready &&
         image.datastore == datastore && !busy;
}

// A second medium that Windows' installer finds the virtio drivers on. What became of it, in words.
std::string add_drivers(Draft& draft, const model::CreateVm& request, model::Guest& guest) {
  if (!takes_drivers(draft, request, guest)) return {};
  if (!has_drivers(draft, guest.datastore)) {
    return fmt::format(", without virtio drivers: {}", kHowToGetDrivers);
  }
  const auto& image = find_medium(draft, guest.datastore, kDrivers, "/cdroms");
  count_user(draft, image.disk, 1);
  const auto name = fmt::format("cdrom{}", guest.spec.cdroms.size());
  guest.spec.cdroms.push_back({name, image.id, image.disk, 0});
  return fmt::format(", with the drivers of {} in {}", kDrivers, name);
}

void add_nic(Draft& draft, const Site& site, const model::CreateVm& request, model::Guest& guest) {
  if (request.no_nic && !request.network.empty()) {
    throw Error(Reason::bad_spec, "without an adapter there is no network").at("/network");
  }
  if (request.no_nic) return;
  model::NicSpec nic;
  nic.name = "nic0";
  nic.mac = take_mac(draft, guest.id);
  nic.forwards = request.forwards;
  if (lacks_virtio(request.system)) nic.model = model::NicModel::e1000e;
  plug_in(draft, site, request.network, guest.id, nic);
  guest.spec.nics.push_back(std::move(nic));
}

// No more than the host has: KVM warns of it, and a host with one processor may refuse the features
// of several. A topology is counted out by whoever gives it.
std::uint32_t room_for_cpus(const Draft& draft, const Site& site, const model::CreateVm& request) {
  constexpr std::uint32_t kMostWithoutRemapping = 255;  // of an xAPIC
  if (request.cpus_max) return *request.cpus_max;
  const auto host = draft.inventory().hosts().find(site.self.value);
  const bool known = host != draft.inventory().hosts().end() && host->second->status;
  const auto threads = known ? host->second->status->value.threads : 1;
  const auto room = std::min({std::max(4U, 2 * request.cpus), threads, kMostWithoutRemapping});
  return request.topology || room <= request.cpus ? 0 : room;
}

model::Guest make_guest(Draft& draft, const Site& site, const model::CreateVm& request) {
  model::Guest guest;
  guest.id = draft.new_id<model::GuestId>();
  guest.name = request.name;
  guest.display_name = request.display_name;
  guest.description = request.description;
  guest.tags = request.tags;
  guest.created_at = draft.now();
  guest.spec.system = request.system;
  guest.spec.cpus = request.cpus;
  guest.spec.cpus_max = room_for_cpus(draft, site, request);
  guest.spec.topology = request.topology;
  guest.spec.cpu_baseline = request.cpu_baseline;
  guest.spec.memory = request.memory;
  guest.spec.memory_max = request.memory_max;
  guest.spec.memory_min = request.memory_min;
  guest.spec.memory_kind = request.memory_kind;
  guest.spec.machine_type = site.capabilities.machine_type;
  guest.spec.boot.order = request.boot_order;
  guest.spec.serial_ports = request.serial_ports;
  guest.spec.display = request.display;
  guest.spec.sound = request.sound;
  guest.spec.smbios = request.smbios;
  guest.spec.numa = request.numa;
  guest.spec.huge_pages = request.huge_pages;
  guest.spec.cpu_pins = request.cpu_pins;
  guest.spec.generation_id = to_text(draft.new_id<model::GuestId>());
  guest.spec.watchdog = request.watchdog;
  guest.spec.autostart = request.autostart;
  guest.spec.start_order = request.start_order;
  guest.spec.start_delay = request.start_delay;
  guest.spec.restart_policy = request.restart_policy;
  guest.spec.on_host_shutdown = request.on_host_shutdown;
  return guest;
}

}  // namespace

Proposal create(Draft& draft, const Site& site, ports::Sealing& sealing,
                const model::CreateVm& request) {
  if (request.count > 1) {
    throw Error(Reason::bad_spec, "several at once are made from a template only")
        .at("/count")
        .remedy("name one: --from-template; or make the first one a template: ruche vm template");
  }
  auto seeding = plan_seed(request, draft.random());
  const auto* image = request.image.empty() ? nullptr : &find_image(draft, request.image, "/image");
  if (image && image->kind != model::ImageKind::disk) {
    throw Error(Reason::bad_spec, fmt::format("{} is a CD image, not a disk", image->name))
        .at("/image")
        .remedy(fmt::format("put it into a drive: --cdrom {}", image->name));
  }
  model::Guest guest = make_guest(draft, site, request);
  const std::string wanted_store =
      request.datastore.empty() && image ? to_text(image->datastore) : request.datastore;
  guest.datastore = choose_datastore(draft.inventory(), wanted_store, site.self).id;
  if (image && image->datastore != guest.datastore) {
    throw Error(Reason::bad_spec, fmt::format("the image {} is on another datastore", image->name))
        .at("/datastore")
        .remedy("leave the datastore out, or import the image there");
  }
  const auto& datastore = draft.inventory().datastores().at(guest.datastore.value);
  stand_on(draft, datastore->placement, "the datastore " + datastore->spec->value.name);
  unwrap(model::check_tags(guest.tags));
  check_host(draft, site, guest);
  check_forwards(draft, request.forwards, site.self, "/forwards");
  draft.take_name("vm", guest.name, guest.id.value);
  guest.uid = take_uid(draft, guest.id);

  guest.pool = pool_named(draft, request.pool, site.self);
  // Before its disks, which are counted in its pool.
  auto& placement = draft.create(keys::placement(site.self, guest.id.value),
                                 model::Placement{.kind = ObjectKind::guest,
                                                  .object = guest.id.value,
                                                  .host = site.self,
                                                  .pool = guest.pool});
  std::vector<model::Step> plan;
  set_boot(draft, image, guest);
  add_disks(draft, request, image, guest, plan);
  set_firmware(draft, site, request, guest, plan);
  if (request.tpm) add_tpm(draft, site, guest, plan);
  add_cdroms(draft, request, guest);
  const auto drivers = add_drivers(draft, request, guest);
  if (seeding) {
    guest.spec.cloud_init = std::move(seeding->shown);
    guest.seed = sealed(seeding->secret, sealing);
  }
  add_nic(draft, site, request, guest);
  unwrap(model::assign_slots(guest.spec));
  unwrap(model::check_spec(guest.spec));

  const model::GuestId id = guest.id;
  plan.push_back(model::RegisterGuest{id});
  draft.create(keys::guest_status(id), model::GuestStatus{});
  if (request.start) {
    reserve_for_start(draft, site, guest, placement);
    plan.push_back(model::LaunchMachine{id});
    plan.push_back(model::ResumeMachine{id});
  }
  draft.create(keys::guest_spec(id), std::move(guest));
  return Proposal{"vm.create",
                  (request.start ? "Create and start " : "Create ") + request.name + drivers,
                  {ObjectKind::guest, id.value, request.name},
                  {Facet::existence},
                  site.self,
                  std::move(plan)};
}

}  // namespace ruche::core::plans
