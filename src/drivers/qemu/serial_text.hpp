// Small pure parts of the serial console.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace ruche::drivers::qemu {

// RFC 4648 section 4, as ringbuf-read answers. Fails with hypervisor_failed.
std::expected<std::string, Error> decode_base64(std::string_view text);

// How many bytes at the end of `before` are repeated at the start of `stream`: the longest suffix
// that is a prefix. Linear in both.
std::size_t overlap(std::string_view before, std::string_view stream);

// Keeps the last `limit` bytes.
void keep_tail(std::string& text, std::size_t limit);

}  // namespace ruche::drivers::qemu
