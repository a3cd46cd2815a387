#include "hardware_requests.hpp"

#include <fmt/format.h>

#include <array>

#include "pool_requests.hpp"

namespace ruche::sim {

namespace {

constexpr std::array kBuses = {model::DiskBus::virtio_blk, model::DiskBus::virtio_scsi,
                               model::DiskBus::sata, model::DiskBus::nvme};

// Of the disks or adapters that it has, or one that it has not.
template <class T>
std::string any_of(const std::vector<T>& devices, const char* otherwise, std::uint64_t number) {
  return number < devices.size() ? devices[number].name : otherwise;
}

}  // namespace

model::CreateVm random_guest(const SimHost& host,
                             const std::function<std::uint64_t(std::uint64_t)>& pick) {
  const auto one_in = [&](std::uint64_t n) { return pick(n) == 0; };
  model::CreateVm request;
  request.name = fmt::format("vm{}", pick(8));
  request.image = one_in(4) ? "" : "demo";
  request.datastore = request.image.empty() ? (one_in(3) ? "store0" : "shared") : "";
  if (!request.image.empty() && one_in(4)) request.image = fmt::format("image{}", pick(3));
  request.memory = gib(1 + static_cast<std::int64_t>(pick(5)));
  request.cpus = 1 + static_cast<std::uint32_t>(pick(8));
  if (one_in(2)) request.memory_max = gib(6);
  if (one_in(3)) request.pool = pool_of(host);
  request.start = one_in(2);
  request.autostart = one_in(3);
  request.restart_policy = one_in(2) ? model::RestartPolicy::on_crash : model::RestartPolicy::never;
  return request;
}

GuestRequest hardware_request(SimHost& host, const model::Guest& guest,
                              const std::function<std::uint64_t(std::uint64_t)>& pick) {
  const auto process = host.machines().find(guest.id);
  if (process && pick(4) == 0) process->keeps_devices = !process->keeps_devices;
  const auto id = to_text(guest.id);
  const auto& spec = guest.spec;
  const auto disk = any_of(spec.disks, "disk9", pick(spec.disks.size() + 1));
  const auto nic = any_of(spec.nics, "nic9", pick(spec.nics.size() + 1));
  const auto share = any_of(spec.shares, "share9", pick(spec.shares.size() + 1));
  switch (pick(12)) {
    case 0:
    case 1: {
      const auto cpus = static_cast<std::uint32_t>(1 + pick(8));
      const auto memory = gib(1 + static_cast<std::int64_t>(pick(4)));
      const auto change = [=](model::VmEdit& edit) {
        edit.cpus = cpus;
        edit.memory = memory;
        edit.cpu_pins.clear();
        if (cpus % 2 == 1) edit.cpu_pins = {"0-3"};
      };
      return {"set " + guest.name, requests::edit(id, change)};
    }
    case 2:
    case 3: {
      model::AddDisk request;
      request.vm = id;
      request.size = mib(1 + static_cast<std::int64_t>(pick(8)));
      request.bus = kBuses[pick(kBuses.size())];
      return {"add a disk to " + guest.name, requests::add_disk(request)};
    }
    case 4:
      return {"remove " + disk + " of " + guest.name, requests::remove_disk(id, disk)};
    case 5: {
      const auto size = gib(1 + static_cast<std::int64_t>(pick(4)));
      return {"grow " + disk + " of " + guest.name, requests::grow_disk(id, disk, size)};
    }
    case 6:
    case 7: {
      const auto pool = pick(3) == 0 ? "" : pool_of(host);
      const auto change = [=](model::VmEdit& edit) { edit.pool = pool; };
      return {"put " + guest.name + " into pool '" + pool + "'", requests::edit(id, change)};
    }
    case 8:
      return {"add an adapter to " + guest.name, requests::add_nic({.vm = id})};
    case 9:
      return {"share a folder with " + guest.name,
              requests::add_share({id, "/srv/data", "", pick(2) == 0})};
    case 10:
      return {"take " + share + " from " + guest.name, requests::remove_share(id, share)};
    default:
      return {"remove " + nic + " of " + guest.name, requests::remove_nic(id, nic)};
  }
}

}  // namespace ruche::sim
