#include "drivers/qemu/nics.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.hpp"
#include "drivers/qemu/board.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::string_view kUserAddress = "10.0.2.15";  // libslirp's first DHCP lease

// QEMU gets the tap itself and no right to make another.
std::expected<json::Object, Error> plugged(Arguments& out, const model::NicSpec& nic,
                                           const std::vector<ports::AttachedPort>& ports) {
  const auto port = std::ranges::find(ports, nic.name, &ports::AttachedPort::nic);
  if (port == ports.end()) {
    return std::unexpected(
        Error(Reason::bad_spec, fmt::format("{} is plugged in nowhere", nic.name)).at("/nics"));
  }
  const auto tap = std::to_string(out.hand_over(port->interface, port->tap));
  std::string vhost;
  if (port->vhost) vhost = std::to_string(out.hand_over("/dev/vhost-net", port->vhost));
  return tap_network(nic, tap, vhost);
}

}  // namespace

std::string nic_id(std::string_view name) { return fmt::format("nic-{}", name); }
std::string netdev_id(std::string_view name) { return fmt::format("net-{}", name); }

std::expected<void, Error> check_nic(const model::NicSpec& nic, std::size_t index) {
  const auto wrong = [&](const char* field, const char* message) {
    return std::unexpected(
        Error(Reason::bad_spec, message).at(fmt::format("/nics/{}{}", index, field)));
  };
  if (!is_valid_name(nic.name)) return wrong("/name", "not a name");
  if (!model::is_mac(nic.mac)) return wrong("/mac", "the adapter has no hardware address");
  if (nic.slot == 0) return wrong("/slot", "the adapter has no place yet");
  for (const auto& forward : nic.forwards) {
    if (forward.host_port == 0 || forward.guest_port == 0) {
      return wrong("/forwards", "a port is 1 to 65535");
    }
  }
  return {};
}

json::Object user_network(const std::string& guest_name, const model::NicSpec& nic) {
  json::Object network{{"type", "user"}, {"id", netdev_id(nic.name)}, {"hostname", guest_name}};
  json::Array forwards;
  for (const auto& forward : nic.forwards) {
    forwards.push_back(json::Object{{"str", fmt::format("tcp:127.0.0.1:{}-{}:{}", forward.host_port,
                                                        kUserAddress, forward.guest_port)}});
  }
  if (!forwards.empty()) network["hostfwd"] = std::move(forwards);
  return network;
}

json::Object tap_network(const model::NicSpec& nic, const std::string& tap,
                         const std::string& vhost) {
  json::Object network{{"type", "tap"}, {"id", netdev_id(nic.name)}, {"fd", tap}};
  if (!vhost.empty()) {
    network["vhost"] = true;
    network["vhostfd"] = vhost;
  }
  return network;
}

// No option ROM, which it has only where the boot order names it: booting from the network would
// only delay a guest that has a disk.
json::Object nic_device(const model::NicSpec& nic, bool boots) {
  const bool virtio = nic.model == model::NicModel::virtio;
  json::Object device{{"driver", virtio ? "virtio-net-pci" : "e1000e"},
                      {"id", nic_id(nic.name)},
                      {"bus", fmt::format("port{}", nic.slot)},
                      {"netdev", netdev_id(nic.name)},
                      {"mac", nic.mac}};
  if (!boots) device["romfile"] = "";
  return device;
}

std::expected<void, Error> add_nics(Arguments& out, const ports::MachineSpec& machine) {
  const auto& nics = machine.spec.nics;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const auto& nic = nics[i];
    if (auto ok = check_nic(nic, i); !ok) return ok;
    if (nic.kind == model::NicKind::user) {
      out.add("-netdev", boost::json::serialize(user_network(machine.name, nic)));
    } else {
      const auto network = plugged(out, nic, machine.ports);
      if (!network) return std::unexpected(network.error());
      out.add("-netdev", boost::json::serialize(*network));
    }
    const auto index = boot_index(machine.spec.boot, nic.name, std::nullopt);
    auto device = nic_device(nic, index.has_value());
    if (index) device["bootindex"] = *index;
    out.add("-device", boost::json::serialize(device));
  }
  return {};
}

std::vector<std::string> known_addresses(const std::vector<model::NicSpec>& nics) {
  std::vector<std::string> known;
  for (const auto& nic : nics) {
    const bool user = nic.kind == model::NicKind::user;
    known.push_back(user ? std::string(kUserAddress) : nic.address);
  }
  return known;
}

}  // namespace ruche::drivers::qemu
