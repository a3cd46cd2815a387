#include "drivers/qemu/nics.hpp"

#include <fmt/format.h>

#include "base/ids.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::string_view kUserAddress = "10.0.2.15";  // libslirp's first DHCP lease

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (i % 3 == 2 ? c != ':' : !hex) return false;
  }
  return true;
}

std::expected<void, Error> check(const model::NicSpec& nic, std::size_t index) {
  const auto wrong = [&](const char* field, const char* message) {
    return std::unexpected(
        Error(Reason::bad_spec, message).at(fmt::format("/nics/{}{}", index, field)));
  };
  if (!is_valid_name(nic.name)) return wrong("/name", "not a name");
  if (!is_mac(nic.mac)) return wrong("/mac", "the adapter has no hardware address");
  if (nic.slot == 0) return wrong("/slot", "the adapter has no place yet");
  for (const auto& forward : nic.forwards) {
    if (forward.host_port == 0 || forward.guest_port == 0) {
      return wrong("/forwards", "a port is 1 to 65535");
    }
  }
  return {};
}

}  // namespace

std::expected<void, Error> add_nics(Arguments& out, const std::string& guest_name,
                                    const std::vector<model::NicSpec>& nics) {
  for (std::size_t i = 0; i < nics.size(); ++i) {
    const auto& nic = nics[i];
    if (auto ok = check(nic, i); !ok) return ok;
    auto network = fmt::format("user,id=net-{},hostname={}", nic.name, guest_name);
    for (const auto& forward : nic.forwards) {
      network += fmt::format(",hostfwd=tcp:127.0.0.1:{}-{}:{}", forward.host_port, kUserAddress,
                             forward.guest_port);
    }
    out.add("-netdev", std::move(network));
    // No option ROM: booting from the network would only delay a guest that has a disk.
    out.add("-device",
            fmt::format("virtio-net-pci,bus=port{},id=nic-{},netdev=net-{},mac={},romfile=",
                        nic.slot, nic.name, nic.name, nic.mac));
  }
  return {};
}

std::vector<std::string> known_addresses(const std::vector<model::NicSpec>& nics) {
  if (nics.empty()) return {};
  return {std::string(kUserAddress)};
}

}  // namespace ruche::drivers::qemu
