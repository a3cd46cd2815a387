#include "core/guests/found_guest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "core/guests/cloud_init.hpp"
#include "core/storage/datastore_pool.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware.hpp"
#include "model/snapshot.hpp"

namespace ruche::core {

using model::DiskFormat;
using model::LayerContent;
using model::ObjectKind;
using ports::VolumeRef;

namespace {

constexpr Bytes kLargestBootFile = mib(512);

Error refused(std::string what) {
  return Error(Reason::guest_refused, std::move(what))
      .remedy("Its disks may still be good: import one as an image, and create a VM from it.");
}

// The seed's words go into files that cloud-init reads: they keep the rules of a creation.
void check_seed(const model::CloudInit& init) {
  model::CreateVm request;
  request.name = "found";
  request.user = init.user;
  request.host_name = init.host_name;
  request.ssh_keys = init.ssh_keys;
  request.packages = init.packages;
  const auto random = seeded_random(0);
  plan_seed(request, *random);
}

bool is_our_mac(std::string_view text) {
  return text.starts_with("52:54:00:") && model::is_mac(text);
}

// It becomes a word of QEMU's command line, which takes options after a comma.
bool is_machine_type(std::string_view text) {
  constexpr std::string_view kFamily = "pc-q35-";
  return text.starts_with(kFamily) && text.size() < 24 &&
         text.find_first_not_of("0123456789.", kFamily.size()) == text.npos;
}

// What a request cannot say, and a planner never says wrong.
std::optional<Error> broken_text(const model::Guest& guest) {
  const auto bad = [](std::string what, std::string field) {
    return Error(Reason::bad_format, std::move(what)).at(std::move(field));
  };
  if (guest.name.empty()) return bad("it has no name", "/name");
  if (!is_machine_type(guest.spec.machine_type)) {
    return bad("no machine type of ours", "/spec/machine_type");
  }
  for (const auto& disk : guest.spec.disks) {
    if (disk.name.empty()) return bad("a disk has no name", "/spec/disks");
  }
  for (const auto& cdrom : guest.spec.cdroms) {
    if (cdrom.name.empty()) return bad("a drive has no name", "/spec/cdroms");
    if (cdrom.image.has_value() != cdrom.layer.has_value()) {
      return bad("a drive has half a medium", "/spec/cdroms");
    }
  }
  std::set<std::string_view> macs;
  for (const auto& nic : guest.spec.nics) {
    if (nic.name.empty()) return bad("an adapter has no name", "/spec/nics");
    if (!is_our_mac(nic.mac)) return bad("no hardware address of ours", "/spec/nics");
    if (!macs.insert(nic.mac).second) return bad("two adapters have one address", "/spec/nics");
  }
  return std::nullopt;
}

std::optional<Error> broken_rule(model::Guest& guest) {
  if (auto bad = broken_text(guest)) return bad;
  if (auto ok = model::check_tags(guest.tags); !ok) return std::move(ok.error());
  if (auto ok = model::assign_slots(guest.spec); !ok) return std::move(ok.error());
  if (auto ok = model::check_spec(guest.spec); !ok) return std::move(ok.error());
  if (!guest.spec.cloud_init) return std::nullopt;
  try {
    check_seed(*guest.spec.cloud_init);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

// Walks the files that a guest stands on.
class Walk {
 public:
  Walk(ports::FoundGuests& files, FoundGuest& found) : files_(files), found_(found) {}

  Async<void> all() {
    for (const auto& disk : found_.guest.spec.disks) {
      auto top = of_guest(disk.layer, LayerContent::disk);
      const auto format = co_await format_of(top);
      top.format = format;
      co_await chain(top, disk.size);
    }
    const auto& boot = found_.guest.spec.boot;
    if (boot.uefi_vars) co_await file(of_guest(*boot.uefi_vars, LayerContent::uefi_vars));
    const auto& tpm = found_.guest.spec.tpm;
    if (tpm) co_await file(of_guest(tpm->state, LayerContent::tpm_state));
    if (boot.kernel) co_await file(of_image(*boot.kernel, LayerContent::kernel));
    if (boot.initrd) co_await file(of_image(*boot.initrd, LayerContent::initrd));
    for (const auto& cdrom : found_.guest.spec.cdroms) {
      if (!cdrom.layer || !cdrom.image) continue;
      VolumeRef medium{ObjectKind::image, cdrom.image->value, *cdrom.layer, LayerContent::disk,
                       DiskFormat::raw};
      // A medium may be in two drives.
      if (const auto* known = find(*cdrom.layer)) {
        require_same(*known, medium);
      } else {
        co_await file(medium);
      }
    }
  }

 private:
  VolumeRef of_guest(model::LayerId layer, LayerContent content) const {
    const bool disk = content == LayerContent::disk;
    return {ObjectKind::guest, found_.guest.id.value, layer, content,
            disk ? DiskFormat::qcow2 : DiskFormat::raw};
  }
  VolumeRef of_image(model::LayerId layer, LayerContent content) const {
    if (!found_.guest.image) throw refused("it boots from a kernel of no image");
    return {ObjectKind::image, found_.guest.image->value, layer, content, DiskFormat::raw};
  }

  // A configuration does not say how its disks are stored; their files do.
  Async<DiskFormat> format_of(VolumeRef top) {
    std::optional<Error> missing;
    try {
      co_await files_.examine(top);
    } catch (const Error& error) {
      if (error.reason() != Reason::no_such_object) throw;
      missing = error;
    }
    co_return missing ? DiskFormat::raw : DiskFormat::qcow2;
  }

  const model::Layer* find(model::LayerId id) const {
    const auto at = std::ranges::find(found_.layers, id, &model::Layer::id);
    return at == found_.layers.end() ? nullptr : &*at;
  }
  // Two writers of one file would be its end.
  void require_unused(model::LayerId id) const {
    if (find(id)) throw refused(fmt::format("it uses the layer {} twice", to_text(id)));
  }
  static void require_same(const model::Layer& known, const VolumeRef& volume) {
    if (known.owner == volume.owner && known.owner_kind == volume.owner_kind &&
        known.content == volume.content && known.format == volume.format) {
      return;
    }
    throw refused(fmt::format("it says two things of the layer {}", to_text(known.id)));
  }

  Async<void> chain(VolumeRef top, Bytes size) {
    std::vector<model::Layer> links;
    // A disk is layers of its guest, one on the other, on an image's or on nothing. Each is one
    // disk's: what is below one must not be what another writes to.
    for (std::optional<VolumeRef> link = top; link;) {
      const VolumeRef at = *link;
      const bool own = at.owner_kind == ObjectKind::guest && at.owner == found_.guest.id.value;
      const bool image = at.owner_kind == ObjectKind::image && at.format == DiskFormat::qcow2;
      const bool on_image = !links.empty() && links.back().owner_kind == ObjectKind::image;
      if (on_image) throw refused("its image stands on another layer");
      if (!own && !image) throw refused("a disk stands on layers of another VM");
      if (links.size() >= model::kLongestChain) throw refused("a disk stands on too many layers");
      if (own) require_unused(at.layer);
      if (const auto* known = find(at.layer)) {
        require_same(*known, at);
        break;
      }
      const auto seen = co_await files_.examine(at);
      links.push_back(layer_of(at, seen));
      if (links.size() == 1 && seen.size != size) {
        throw refused(fmt::format("the disk in {} has {}, its configuration says {}",
                                  to_text(at.layer), to_text(seen.size), to_text(size)));
      }
      link = seen.parent;
    }
    found_.layers.insert(found_.layers.end(), links.rbegin(), links.rend());
  }

  Async<void> file(VolumeRef volume) {
    require_unused(volume.layer);
    const auto seen = co_await files_.examine(volume);
    if (volume.content != LayerContent::disk && seen.size > kLargestBootFile) {
      throw refused(fmt::format("the file of {} is too large to boot from", to_text(volume.layer)));
    }
    found_.layers.push_back(layer_of(volume, seen));
  }

  static model::Layer layer_of(const VolumeRef& volume, const ports::FoundVolume& seen) {
    model::Layer layer;
    layer.id = volume.layer;
    layer.owner_kind = volume.owner_kind;
    layer.owner = volume.owner;
    layer.content = volume.content;
    layer.format = volume.format;
    layer.size = seen.size;
    if (seen.parent) layer.parent = seen.parent->layer;
    return layer;
  }

  ports::FoundGuests& files_;
  FoundGuest& found_;
};

}  // namespace

std::expected<model::Guest, Error> read_configuration(std::string_view text, model::GuestId id) {
  auto guest = json::try_decode<model::Guest>(text);
  if (!guest)
    return std::unexpected(refused("its configuration makes no sense").caused_by(guest.error()));
  if (guest->id != id) {
    return std::unexpected(refused(fmt::format(
        "its configuration is of the guest {}, not of this folder's", to_text(guest->id))));
  }
  if (guest->kind != model::GuestKind::vm) {
    return std::unexpected(refused("it is no virtual machine"));
  }
  // Folders and devices were another host's, or are of this one and nothing that a file may take.
  guest->spec.shares.clear();
  guest->spec.usb.clear();
  guest->spec.pci.clear();
  if (auto broken = broken_rule(*guest)) {
    return std::unexpected(refused("its configuration breaks a rule").caused_by(*broken));
  }
  guest->uid = 0;
  guest->seed.reset();
  guest->deleted_at.reset();
  // Snapshots are the store's that took them; their layers below its disks are merged in time.
  guest->snapshot.reset();
  guest->schedules.clear();
  return guest;
}

Async<FoundGuest> find_guest_files(ports::FoundGuests& files, model::GuestId id) {
  FoundGuest found;
  const auto text = co_await files.read_note(id, kConfigurationNote);
  auto guest = read_configuration(text, id);
  if (!guest) throw std::move(guest.error());
  found.guest = std::move(*guest);
  Walk walk(files, found);
  co_await walk.all();
  co_return found;
}

Async<void> verify_layer(ports::FoundGuests& files, model::Layer layer,
                         std::optional<VolumeRef> parent) {
  const auto seen = co_await files.examine(volume_ref(layer));
  const bool same_parent =
      seen.parent.has_value() == parent.has_value() &&
      (!parent || (seen.parent->layer == parent->layer && seen.parent->owner == parent->owner &&
                   seen.parent->format == parent->format));
  if (seen.size == layer.size && same_parent) co_return;
  throw refused(
      fmt::format("the file of layer {} has changed since it was looked at", to_text(layer.id)));
}

}  // namespace ruche::core
