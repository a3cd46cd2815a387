#include "drivers/qemu/board.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

std::string table_entry(const char* key, const std::string& value) {
  return value.empty() ? std::string() : fmt::format(",{}={}", key, escaped(value));
}

}  // namespace

// The guest's id stays the board's: -uuid is what QEMU writes into the first table.
void add_smbios(Arguments& out, const model::SmbiosSpec& board) {
  const auto system = table_entry("manufacturer", board.manufacturer) +
                      table_entry("product", board.product) +
                      table_entry("version", board.version) + table_entry("serial", board.serial) +
                      table_entry("sku", board.sku) + table_entry("family", board.family);
  if (!system.empty()) out.add("-smbios", "type=1" + system);
  const auto chassis = table_entry("asset", board.asset_tag);
  if (!chassis.empty()) out.add("-smbios", "type=3" + chassis);
}

// The host plays nothing; a viewer hears it over VNC.
void add_sound(Arguments& out, model::SoundKind sound) {
  if (sound == model::SoundKind::none) return;
  out.add("-audiodev", fmt::format("none,id={}", kSoundDevice));
  out.add("-device",
          fmt::format("ich9-intel-hda,id=hda,bus=pcie.0,addr=0x{:x}", model::kSoundSlot));
  out.add("-device", fmt::format("hda-duplex,id=codec,bus=hda.0,audiodev={}", kSoundDevice));
}

std::optional<std::uint64_t> boot_index(const model::BootSpec& boot, std::string_view name,
                                        std::optional<std::uint64_t> usual) {
  if (boot.order.empty()) return usual;
  const auto found = std::ranges::find(boot.order, name);
  if (found == boot.order.end()) return std::nullopt;
  return static_cast<std::uint64_t>(found - boot.order.begin()) + 1;
}

}  // namespace ruche::drivers::qemu
