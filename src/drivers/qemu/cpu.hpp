// The processor a guest sees. The baselines are our own table of a model and flags, because
// QEMU's model names follow vendors' products, not the x86-64 levels of the psABI.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/json_value.hpp"
#include "model/guest.hpp"
#include "model/host.hpp"

namespace ruche::drivers::qemu {

// The value of -cpu. Fails with host_cannot when this accelerator lacks the level.
std::expected<std::string, Error> cpu_argument(const model::VmSpec& spec,
                                               model::Accelerator accelerator);
// The value of -smp. Fails with bad_spec when the topology does not amount to the CPUs. Where CPUs
// may come and go only the first is the board's; the others are devices.
std::expected<std::string, Error> smp_argument(const model::VmSpec& spec);
std::vector<json::Object> cpu_devices(const model::VmSpec& spec, model::Accelerator accelerator);
std::string cpu_id(std::size_t index);

// Without a topology of its own a guest has one socket; where that divides them, one for each NUMA
// node, because systems expect a socket's CPUs in one node.
model::CpuTopology topology_of(const model::VmSpec& spec);
// The NUMA nodes of the CPUs, by their places: evenly, the first nodes one more.
std::vector<std::uint32_t> cpu_nodes(std::uint32_t cpus, std::uint32_t nodes);
// Places in the order in which CPUs come: the first of each node, then the second of each, …;
// `nodes` are those of the places.
std::vector<std::size_t> order_of_coming(const std::vector<std::uint32_t>& nodes);
// Of a place: socket-id, core-id and thread-id.
json::Object cpu_place(const model::CpuTopology& topology, std::uint32_t place);

}  // namespace ruche::drivers::qemu
