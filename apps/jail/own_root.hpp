// A process that is root where it lives and nobody outside: user, mount, process, IPC and host name
// namespaces of its own (user_namespaces(7)), and a root directory that holds nothing but the
// allowed paths. For helpers that must change owners and mount, such as the making of a Debian
// tree.
#pragma once

#include <expected>
#include <string>

#include "options.hpp"

namespace ruche::jail {

// Returns in the new process, which is the first of its process namespace: when it ends, the kernel
// ends all others in there. The calling process stays outside, waits for it and ends as it did; the
// end of the calling process is the end of the new one. The error names what failed.
std::expected<void, std::string> enter_own_root(const Options& options);

}  // namespace ruche::jail
