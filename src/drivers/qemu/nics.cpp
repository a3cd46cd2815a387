#include "drivers/qemu/nics.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/ids.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::string_view kUserAddress = "10.0.2.15";  // libslirp's first DHCP lease

std::expected<void, Error> check(const model::NicSpec& nic, std::size_t index) {
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

std::string user_network(const std::string& guest_name, const model::NicSpec& nic) {
  auto network = fmt::format("user,id=net-{},hostname={}", nic.name, guest_name);
  for (const auto& forward : nic.forwards) {
    network += fmt::format(",hostfwd=tcp:127.0.0.1:{}-{}:{}", forward.host_port, kUserAddress,
                           forward.guest_port);
  }
  return network;
}

// QEMU gets the tap itself and no right to make another.
std::expected<std::string, Error> plugged(Arguments& out, const model::NicSpec& nic,
                                          const std::vector<ports::AttachedPort>& ports) {
  const auto port = std::ranges::find(ports, nic.name, &ports::AttachedPort::nic);
  if (port == ports.end()) {
    return std::unexpected(
        Error(Reason::bad_spec, fmt::format("{} is plugged in nowhere", nic.name)).at("/nics"));
  }
  auto network =
      fmt::format("tap,id=net-{},fd={}", nic.name, out.hand_over(port->interface, port->tap));
  if (port->vhost) {
    network += fmt::format(",vhost=on,vhostfd={}", out.hand_over("/dev/vhost-net", port->vhost));
  }
  return network;
}

}  // namespace

std::expected<void, Error> add_nics(Arguments& out, const ports::MachineSpec& machine) {
  const auto& nics = machine.spec.nics;
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const auto& nic = nics[i];
    if (auto ok = check(nic, i); !ok) return ok;
    if (nic.kind == model::NicKind::user) {
      out.add("-netdev", user_network(machine.name, nic));
    } else {
      auto network = plugged(out, nic, machine.ports);
      if (!network) return std::unexpected(std::move(network.error()));
      out.add("-netdev", std::move(*network));
    }
    // No option ROM: booting from the network would only delay a guest that has a disk.
    out.add("-device",
            fmt::format("virtio-net-pci,bus=port{},id=nic-{},netdev=net-{},mac={},romfile=",
                        nic.slot, nic.name, nic.name, nic.mac));
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
