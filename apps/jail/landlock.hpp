// Landlock (landlock(7)): the program and its children reach only the listed paths. The kernel's
// version decides how much can be denied; one without Landlock denies nothing here.
#pragma once

#include <expected>
#include <string>

#include "options.hpp"

namespace ruche::jail {

// Builds the rules while we may still open every path. Returns the ruleset's descriptor, or -1 when
// the kernel has no Landlock.
std::expected<int, std::string> prepare_landlock(const Options& options);

// From here on the rules hold; needs no_new_privs.
std::expected<void, std::string> enter_landlock(int ruleset);

}  // namespace ruche::jail
