// Lists of hardware threads as the kernel writes them: "0-3,8".
#pragma once

#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <string_view>

namespace ruche::model {

inline constexpr std::uint32_t kLastHostThread = 8191;  // the kernel's own limit on x86-64

// The error says what is wrong with it.
std::expected<std::set<std::uint32_t>, std::string> parse_cpu_list(std::string_view text);

}  // namespace ruche::model
