// The guest's memory: what it is made of, its NUMA nodes, and the devices that add and take it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "drivers/qemu/arguments.hpp"
#include "model/guest.hpp"

namespace ruche::drivers::qemu {

// What -machine says of the memory, with a comma behind it. NUMA nodes bring their own.
const char* machine_memory(const model::VmSpec& spec);
// Fails with host_cannot where a node is bound to one that this host does not have.
std::expected<void, Error> add_memory(Arguments& out, const model::VmSpec& spec,
                                      std::uint32_t host_nodes);
// After the root ports that they stand behind.
void add_memory_devices(Arguments& out, const model::VmSpec& spec);

// How many NUMA nodes the host has, numbered without a gap; `root` is /sys/devices/system/node.
std::uint32_t count_numa_nodes(const std::string& root);

// The error of a launch that failed for want of huge pages, from QEMU's last words; else nothing.
std::optional<Error> lacks_huge_pages(const model::VmSpec& spec, std::string_view last_words);

}  // namespace ruche::drivers::qemu
