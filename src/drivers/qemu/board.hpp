// What belongs to the board: what it says of itself, what it boots from, and its sound card.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "drivers/qemu/arguments.hpp"
#include "model/guest.hpp"

namespace ruche::drivers::qemu {

inline constexpr const char* kSoundDevice = "sound";  // the host's end of it

void add_smbios(Arguments& out, const model::SmbiosSpec& board);
void add_sound(Arguments& out, model::SoundKind sound);

// A device's place in the boot order, 1 the first: `usual` without an order of the guest's own;
// nothing for one that the order leaves out.
std::optional<std::uint64_t> boot_index(const model::BootSpec& boot, std::string_view name,
                                        std::optional<std::uint64_t> usual);

}  // namespace ruche::drivers::qemu
