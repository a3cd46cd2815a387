#include "model/hardware.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::model {

namespace {

// Places of one kind: PCI root ports, SCSI targets or SATA ports.
class Places {
 public:
  Places(const char* what, std::uint32_t first, std::uint32_t last)
      : what_(what), first_(first), last_(last) {}

  std::expected<void, Error> take(std::uint32_t slot, const std::string& field) {
    if (slot < first_ || slot > last_) {
      return std::unexpected(
          Error(Reason::bad_spec,
                fmt::format("{} {} does not exist; they are {} to {}", what_, slot, first_, last_))
              .at(field));
    }
    if (!taken_.insert(slot).second) {
      return std::unexpected(
          Error(Reason::bad_spec, fmt::format("{} {} holds two devices", what_, slot)).at(field));
    }
    return {};
  }

  std::expected<std::uint32_t, Error> next(const std::string& field) {
    for (auto slot = first_; slot <= last_; ++slot) {
      if (taken_.insert(slot).second) return slot;
    }
    return std::unexpected(
        Error(Reason::bad_spec, fmt::format("there are only {} {}s", last_ - first_ + 1, what_))
            .at(field)
            .remedy("use fewer devices of this kind, or another bus"));
  }

 private:
  const char* what_;
  std::uint32_t first_, last_;
  std::set<std::uint32_t> taken_;
};

struct AllPlaces {
  Places pci{"PCI slot", kFirstFreeSlot, kLastFreeSlot};
  Places scsi{"SCSI target", 1, kMostScsiTargets};
  Places sata{"SATA port", 1, kSataPorts};

  Places& of(DiskBus bus) {
    switch (bus) {
      case DiskBus::virtio_blk:
      case DiskBus::nvme:
        return pci;
      case DiskBus::virtio_scsi:
        return scsi;
      case DiskBus::sata:
        return sata;
    }
    broken_invariant("a disk bus outside its enumeration");
  }
};

// Calls visit(places, slot, field) for every device; stops at the first failure.
template <class Visit>
std::expected<void, Error> each_device(VmSpec& spec, AllPlaces& places, Visit visit) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    auto& disk = spec.disks[i];
    if (auto ok = visit(places.of(disk.bus), disk.slot, fmt::format("/disks/{}/slot", i)); !ok) {
      return ok;
    }
  }
  for (std::size_t i = 0; i < spec.cdroms.size(); ++i) {
    const auto field = fmt::format("/cdroms/{}/slot", i);
    if (auto ok = visit(places.sata, spec.cdroms[i].slot, field); !ok) return ok;
  }
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    if (auto ok = visit(places.pci, spec.nics[i].slot, fmt::format("/nics/{}/slot", i)); !ok) {
      return ok;
    }
  }
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    const auto field = fmt::format("/shares/{}/slot", i);
    if (auto ok = visit(places.pci, spec.shares[i].slot, field); !ok) return ok;
  }
  for (std::size_t i = 0; i < spec.pci.size(); ++i) {
    if (auto ok = visit(places.pci, spec.pci[i].slot, fmt::format("/pci/{}/slot", i)); !ok) {
      return ok;
    }
  }
  return {};
}

}  // namespace

std::expected<void, Error> assign_slots(VmSpec& spec) {
  VmSpec assigned = spec;
  AllPlaces places;
  using Result = std::expected<void, Error>;
  // Those that have a place first, so that a new device never takes one of theirs.
  auto kept =
      each_device(assigned, places, [](Places& of, std::uint32_t& slot, const std::string& field) {
        return slot == 0 ? Result() : of.take(slot, field);
      });
  if (!kept) return kept;
  auto given =
      each_device(assigned, places, [](Places& of, std::uint32_t& slot, const std::string& field) {
        if (slot != 0) return Result();
        auto next = of.next(field);
        if (!next) return Result(std::unexpected(std::move(next.error())));
        slot = *next;
        return Result();
      });
  if (!given) return given;
  spec = std::move(assigned);
  return {};
}

std::set<std::uint32_t> root_ports(const VmSpec& spec) {
  std::set<std::uint32_t> slots = {kRandomSlot, kScsiSlot, kChannelSlot};
  if (spec.display != DisplayKind::none || !spec.usb.empty()) slots.insert(kUsbSlot);
  if (spec.memory_min.count > 0) slots.insert(kBalloonSlot);
  if (spec.memory_max.count > 0) slots.insert(kMemorySlot);
  for (const auto& disk : spec.disks) {
    if (disk.bus == DiskBus::virtio_blk || disk.bus == DiskBus::nvme) slots.insert(disk.slot);
  }
  for (const auto& nic : spec.nics) slots.insert(nic.slot);
  for (const auto& share : spec.shares) slots.insert(share.slot);
  for (const auto& device : spec.pci) slots.insert(device.slot);
  std::uint32_t spare = 0;
  for (auto slot = kFirstFreeSlot; slot <= kLastFreeSlot && spare < kSparePorts; ++slot) {
    if (slots.insert(slot).second) ++spare;
  }
  slots.erase(0);  // a device without a place is refused where it is made
  return slots;
}

std::uint32_t most_cpus(const VmSpec& spec) { return std::max(spec.cpus, spec.cpus_max); }

bool has_device(const VmSpec& spec, std::string_view name) {
  const auto is_it = [name](const auto& device) { return device.name == name; };
  return std::ranges::any_of(spec.disks, is_it) || std::ranges::any_of(spec.cdroms, is_it) ||
         std::ranges::any_of(spec.nics, is_it);
}

std::string make_mac(Random& random) {
  const auto bits = random.next();
  return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", bits & 0xff, (bits >> 8) & 0xff,
                     (bits >> 16) & 0xff);
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view allowed = i % 3 == 2 ? ":" : "0123456789abcdef";
    if (allowed.find(text[i]) == allowed.npos) return false;
  }
  return true;
}

}  // namespace ruche::model
