// "Did you mean …?"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ruche::cli {

// The known word nearest to what was typed, if any is near enough.
std::optional<std::string> closest(std::string_view typed, const std::vector<std::string>& known);

}  // namespace ruche::cli
