// Small pure parts of the serial console.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ruche::drivers::qemu {

// How many bytes at the end of `before` are repeated at the start of `stream`: the longest suffix
// that is a prefix. Linear in both.
std::size_t overlap(std::string_view before, std::string_view stream);

// Keeps the last `limit` bytes.
void keep_tail(std::string& text, std::size_t limit);

}  // namespace ruche::drivers::qemu
