#include <fmt/format.h>

#include "core/guests/cloud_init.hpp"
#include "core/guests/plans.hpp"
#include "core/networks/addresses.hpp"
#include "core/networks/network_plans.hpp"
#include "core/placement/admission.hpp"
#include "core/storage/layers.hpp"
#include "core/storage/placement_rules.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::ObjectKind;

constexpr Bytes kDefaultDisk = gib(8);
constexpr const char* kDefaultNetwork = "default";
// Users of guest processes: above every range that distributions hand out (login.defs(5), nss-
// systemd(8)), below 2^31.
constexpr std::uint32_t kFirstUid = 0x70000000;
constexpr std::uint32_t kUidCount = 0x08000000;

const model::HostStatus& host_status(const Draft& draft, model::HostId host) {
  const auto found = draft.inventory().hosts().find(host.value);
  if (found == draft.inventory().hosts().end() || !found->second->status) {
    throw Error(Reason::host_unavailable, "the host has not described itself yet")
        .remedy("try again in a moment");
  }
  return found->second->status->value;
}

std::uint32_t take_uid(Draft& draft, model::GuestId guest) {
  while (true) {
    const auto uid = kFirstUid + static_cast<std::uint32_t>(draft.random().below(kUidCount));
    if (draft.inventory().name_holder("uid", std::to_string(uid))) continue;
    draft.take_name("uid", std::to_string(uid), guest.value);
    return uid;
  }
}

std::string take_mac(Draft& draft, model::GuestId guest) {
  while (true) {
    const std::string mac = model::make_mac(draft.random());
    if (draft.inventory().name_holder("mac", mac)) continue;
    draft.take_name("mac", mac, guest.value);
    return mac;
  }
}

// What the new guest stands on must not be on its way out, now or by the time of the commit.
void stand_on(Draft& draft, const std::optional<Stored<model::Placement>>& placement,
              const std::string& name) {
  if (!placement) return;
  draft.depend(keys::placement(placement->value.host, placement->value.object));
  for (const auto& claim : placement->value.claims) {
    throw Error(Reason::claimed, fmt::format("{} is busy: task {}", name, to_text(claim.task)))
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
  }
}

const model::Image* find_image(Draft& draft, const std::string& reference,
                               const std::string& field = "/image") {
  if (reference.empty()) return nullptr;
  const auto record = draft.inventory().find_image(reference);
  if (!record) {
    throw Error(Reason::no_such_object, fmt::format("no image {}", reference))
        .at(field)
        .remedy("see them: ruche image list; make one: ruche image build demo");
  }
  const model::Image& image = record->spec->value;
  if (image.state != model::ImageState::ready) {
    throw Error(Reason::wrong_state, fmt::format("the image {} is still being made", image.name))
        .at(field)
        .remedy("wait for its task: ruche task list");
  }
  if (image.kind == model::ImageKind::iso) {
    throw Error(Reason::bad_spec, fmt::format("the image {} is a CD, not a disk", image.name))
        .at("/image")
        .remedy("put it into a CD-ROM drive instead, or choose a disk image: ruche image list");
  }
  stand_on(draft, record->placement, "the image " + image.name);
  return &image;
}

struct PlannedDisk {
  model::NewDisk disk;
  std::optional<model::LayerId> parent;
};

std::vector<PlannedDisk> plan_disks(const model::CreateVm& request, const model::Image* image) {
  std::vector<PlannedDisk> disks;
  PlannedDisk first;
  first.disk.bus = request.disk_bus;
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
    guest.spec.disks.push_back(
        {fmt::format("disk{}", guest.spec.disks.size()), layer.id, disk.size, disk.bus, 0});
    add_layer(draft, std::move(layer));
  }
}

void set_boot(Draft& draft, const model::Image* image, model::Guest& guest) {
  if (!image) return;
  guest.image = image->id;
  guest.spec.boot = image->boot;
  if (image->boot.kernel) count_user(draft, *image->boot.kernel, 1);
  if (image->boot.initrd) count_user(draft, *image->boot.initrd, 1);
}

// UEFI instead of what the image says, with variables of the guest's own.
void set_firmware(Draft& draft, const Site& site, const model::CreateVm& request,
                  model::Guest& guest, std::vector<model::Step>& plan) {
  auto& boot = guest.spec.boot;
  if (request.boot) boot.kind = *request.boot;
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
  model::Layer layer;
  layer.id = draft.new_id<model::LayerId>();
  layer.owner_kind = ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.datastore = guest.datastore;
  layer.content = model::LayerContent::uefi_vars;
  layer.format = model::DiskFormat::raw;
  layer.size = firmware.variables_size;
  boot.uefi_vars = layer.id;
  plan.push_back(model::CreateUefiVariables{layer.id, firmware.variables_path});
  add_layer(draft, std::move(layer));
}

void add_cdroms(Draft& draft, const model::CreateVm& request, model::Guest& guest) {
  for (std::size_t i = 0; i < request.cdroms.size(); ++i) {
    const auto field = fmt::format("/cdroms/{}", i);
    const auto* image = find_image(draft, request.cdroms[i], field);
    if (image == nullptr || image->kind != model::ImageKind::iso) {
      throw Error(Reason::bad_spec,
                  fmt::format("{} is no CD image", image ? image->name : "nothing"))
          .at(field)
          .remedy("give an image of kind iso: ruche image list");
    }
    if (image->datastore != guest.datastore) {
      throw Error(Reason::bad_spec,
                  fmt::format("the image {} is on another datastore", image->name))
          .at(field)
          .remedy("import it into the VM's datastore");
    }
    count_user(draft, image->disk, 1);
    guest.spec.cdroms.push_back({fmt::format("cdrom{}", i), image->id, image->disk, 0});
  }
}

// Host ports that other guests of this host have.
void check_forwards(const Draft& draft, const model::CreateVm& request, model::HostId host) {
  for (std::size_t i = 0; i < request.forwards.size(); ++i) {
    const auto port = request.forwards[i].host_port;
    const auto holder =
        holder_of(draft.inventory(), host, {model::Protocol::tcp, "127.0.0.1", port});
    if (!holder) continue;
    throw Error(Reason::port_in_use,
                fmt::format("host port {} leads into {} already", port, *holder))
        .at(fmt::format("/forwards/{}/host_port", i))
        .remedy("choose another host port");
  }
}

// The network that the request means, or the default one where it works; null: QEMU's own.
const NetworkRecord* choose_network(const Draft& draft, const Site& site,
                                    const std::string& wished) {
  if (wished == "user") return nullptr;
  const auto& able = site.networks;
  if (wished.empty()) {
    const auto found = draft.inventory().find_network(kDefaultNetwork);
    return able.available ? found.get() : nullptr;  // the inventory keeps it
  }
  const auto& record = find_network(draft, wished);
  if (able.available) return &record;
  throw Error(Reason::network_unavailable, "this host has no networks: " + able.reason)
      .at("/network")
      .remedy(able.remedy);
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
  if (const auto* record = choose_network(draft, site, request.network)) {
    const auto& network = record->spec->value;
    draft.depend(keys::placement(record->placement->value.host, network.id.value));
    for (const auto& claim : record->placement->value.claims) {
      if (claim.facet != Facet::existence) continue;
      throw Error(Reason::claimed, fmt::format("the network {} comes or goes: task {}",
                                               network.name, to_text(claim.task)))
          .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
    }
    nic.kind = model::NicKind::network;
    nic.network = network.id;
    nic.address = take_address(draft, network, guest.id);
  }
  guest.spec.nics.push_back(std::move(nic));
}

model::Guest make_guest(Draft& draft, const Site& site, const model::CreateVm& request) {
  model::Guest guest;
  guest.id = draft.new_id<model::GuestId>();
  guest.name = request.name;
  guest.display_name = request.display_name;
  guest.description = request.description;
  guest.tags = request.tags;
  guest.created_at = draft.now();
  guest.spec.cpus = request.cpus;
  guest.spec.topology = request.topology;
  guest.spec.cpu_baseline = request.cpu_baseline;
  guest.spec.memory = request.memory;
  guest.spec.memory_kind = request.memory_kind;
  guest.spec.machine_type = site.capabilities.machine_type;
  guest.spec.display = request.display;
  guest.spec.generation_id = to_text(draft.new_id<model::GuestId>());
  guest.spec.autostart = request.autostart;
  guest.spec.restart_policy = request.restart_policy;
  return guest;
}

void check_host(const Draft& draft, const Site& site, const model::Guest& guest) {
  const auto& host = host_status(draft, site.self);
  unwrap(can_run_baseline(host, guest.spec.cpu_baseline));
  const auto wanted = model::reservation_of(guest.spec, site.capabilities.overhead);
  const auto record = draft.inventory().hosts().find(site.self.value)->second;
  if (record->ledger) unwrap(could_ever_run(record->ledger->value, wanted));
}

}  // namespace

Proposal create(Draft& draft, const Site& site, const model::CreateVm& request) {
  auto seeding = plan_seed(request, draft.random());
  const auto* image = find_image(draft, request.image);
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
  check_forwards(draft, request, site.self);
  draft.take_name("vm", guest.name, guest.id.value);
  guest.uid = take_uid(draft, guest.id);

  std::vector<model::Step> plan;
  set_boot(draft, image, guest);
  add_disks(draft, request, image, guest, plan);
  set_firmware(draft, site, request, guest, plan);
  add_cdroms(draft, request, guest);
  if (seeding) {
    guest.spec.cloud_init = std::move(seeding->shown);
    guest.seed = std::move(seeding->secret);
  }
  add_nic(draft, site, request, guest);
  unwrap(model::assign_slots(guest.spec));
  unwrap(model::check_spec(guest.spec));

  const model::GuestId id = guest.id;
  plan.push_back(model::RegisterGuest{id});
  auto& placement = draft.create(
      keys::placement(site.self, id.value),
      model::Placement{.kind = ObjectKind::guest, .object = id.value, .host = site.self});
  draft.create(keys::guest_status(id), model::GuestStatus{});
  if (request.start) {
    reserve_for_start(draft, site, guest, placement);
    plan.push_back(model::LaunchMachine{id});
    plan.push_back(model::ResumeMachine{id});
  }
  draft.create(keys::guest_spec(id), std::move(guest));
  return Proposal{"vm.create",
                  (request.start ? "Create and start " : "Create ") + request.name,
                  {ObjectKind::guest, id.value, request.name},
                  {Facet::existence},
                  site.self,
                  std::move(plan)};
}

}  // namespace ruche::core::plans
