// Described types that use every shape; shared by the tests of json and the fuzz target.
#pragma once

#include "base/reflect.hpp"

namespace ruche::sample {

enum class Bus { virtio_blk, sata };
constexpr auto describe(Type<Bus>) {
  return enumeration<Bus>("Bus", "Device model.", value(Bus::virtio_blk, "virtio-blk", "Fast."),
                          value(Bus::sata, "sata", "Old."));
}

struct Disk {
  std::string name = "root";
  Bytes size = gib(1);
  Bus bus = Bus::virtio_blk;
  friend bool operator==(const Disk&, const Disk&) = default;
};
inline auto describe(Type<Disk>) {
  return structure<Disk>(
      "Disk", "A virtual disk.",
      field<&Disk::name>("name", "Name.", {.required = true, .format = "name"}),
      field<&Disk::size>("size_bytes", "Capacity.", {.min = 1 << 20, .example = "10GiB"}),
      field<&Disk::bus>("bus", "Device model."));
}

struct CreateVolume {
  std::string path;
  std::int32_t blocks = 8;
  friend bool operator==(const CreateVolume&, const CreateVolume&) = default;
};
inline auto describe(Type<CreateVolume>) {
  return structure<CreateVolume>(
      "CreateVolume", "Make a volume.",
      field<&CreateVolume::path>("path", "Where.", {.format = "path"}),
      field<&CreateVolume::blocks>("blocks", "How many.", {.min = 1, .max = 100}));
}
struct DropVolume {
  bool force = false;
  friend bool operator==(const DropVolume&, const DropVolume&) = default;
};
inline auto describe(Type<DropVolume>) {
  return structure<DropVolume>("DropVolume", "Remove a volume.",
                               field<&DropVolume::force>("force", "Even when in use."));
}
using Step = std::variant<CreateVolume, DropVolume>;

struct Guest {
  Id<Guest> id;
  std::string name;
  std::string note;
  bool autostart = true;
  std::uint16_t cpus = 2;
  std::int64_t serial = 0;
  double share = 0.5;
  Duration grace{60'000};
  Timestamp created;
  std::vector<Disk> disks;
  std::map<std::string, std::string> tags;
  std::map<std::string, Disk> spares;
  std::optional<Disk> seed;
  std::optional<std::int64_t> limit;
  Step step;
  std::vector<std::string> links;
  Secret<std::string> password;
  RawJson extra;
  std::vector<Guest> children;
  std::string state = "new";
  friend bool operator==(const Guest&, const Guest&) = default;
};
inline auto describe(Type<Guest>) {
  return structure<Guest>(
      "Guest", "A guest with everything.", field<&Guest::id>("id", "Id."),
      field<&Guest::name>("name", "Name.", {.required = true, .format = "name", .example = "web1"}),
      field<&Guest::note>("note", "Note.", {.max_length = 40}),
      field<&Guest::autostart>("autostart", "Start with the host."),
      field<&Guest::cpus>("cpus", "Virtual CPUs.", {.min = 1, .max = 512}),
      field<&Guest::serial>("serial", "Serial number."),
      field<&Guest::share>("share", "Share of a CPU.", {.min = 0, .max = 1}),
      field<&Guest::grace>("grace_ms", "Time to power off."),
      field<&Guest::created>("created", "When."),
      field<&Guest::disks>("disks", "Disks.", {.max_length = 4}),
      field<&Guest::tags>("tags", "Tags."), field<&Guest::spares>("spares", "Spare disks."),
      field<&Guest::seed>("seed", "Seed."),
      field<&Guest::limit>("limit", "Limit.", {.min = 1, .max = 10}),
      field<&Guest::step>("step", "Next step."),
      field<&Guest::links>("links", "Links.", {.max_length = 8, .format = "reference"}),
      field<&Guest::password>("password", "Password."), field<&Guest::extra>("extra", "Anything."),
      field<&Guest::children>("children", "Inner guests."),
      field<&Guest::state>("state", "State.", {.read_only = true}));
}

}  // namespace ruche::sample
