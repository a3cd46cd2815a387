#include "drivers/qemu/memory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/cpu.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

Bytes page_size(model::HugePageSize pages) {
  return pages == model::HugePageSize::gib1 ? gib(1) : mib(2);
}

// What serves a folder reads and writes the guest's memory itself.
bool is_shared(const model::VmSpec& spec) {
  return spec.memory_kind == model::MemoryKind::shareable || !spec.shares.empty();
}

// Huge pages come from a memory file also when nobody shares it: that needs no mount and no path.
std::string backend(const model::VmSpec& spec, bool shared) {
  if (spec.huge_pages != model::HugePageSize::none) {
    return fmt::format("memory-backend-memfd,share={},hugetlb=on,hugetlbsize={}M",
                       shared ? "on" : "off", page_size(spec.huge_pages).count >> 20);
  }
  return shared ? "memory-backend-memfd,share=on" : "memory-backend-ram";
}

// Huge pages are taken at once: one that is missing later would end the guest.
void add_node(Arguments& out, const model::VmSpec& spec, const std::string& id, Bytes size,
              std::uint32_t node) {
  const bool shared = is_shared(spec);
  auto text = fmt::format("{},id={},size={}M", backend(spec, shared), id, size.count >> 20);
  if (spec.huge_pages != model::HugePageSize::none) text += ",prealloc=on";
  if (spec.numa.bind) text += fmt::format(",host-nodes={},policy=bind", node);
  out.add("-object", std::move(text));
}

// Memory that comes later is of the same kind as what is there from the start, in the first node.
// Of huge pages it is shared with nobody, but mapped so: QEMU gives back no others.
void add_room(Arguments& out, const model::VmSpec& spec) {
  if (spec.memory_max <= spec.memory) return;
  const bool huge = spec.huge_pages != model::HugePageSize::none;
  const bool shared = huge || is_shared(spec);
  out.add("-object", fmt::format("{},id={}ram,size={}M,reserve=off{}", backend(spec, shared),
                                 kMemoryDevice, (spec.memory_max - spec.memory).count >> 20,
                                 spec.numa.bind ? ",host-nodes=0,policy=bind" : ""));
}

void add_nodes(Arguments& out, const model::VmSpec& spec) {
  const Bytes share{spec.memory.count / spec.numa.nodes};
  for (std::uint32_t node = 0; node < spec.numa.nodes; ++node) {
    const auto id = fmt::format("ram{}", node);
    add_node(out, spec, id, share, node);
    out.add("-numa", fmt::format("node,nodeid={},memdev={}", node, id));
  }
  const auto topology = topology_of(spec);
  const auto nodes = cpu_nodes(model::most_cpus(spec), spec.numa.nodes);
  for (std::uint32_t cpu = 0; cpu < nodes.size(); ++cpu) {
    const auto place = cpu_place(topology, cpu);
    out.add("-numa", fmt::format("cpu,node-id={},socket-id={},core-id={},thread-id={}", nodes[cpu],
                                 place.at("socket-id").as_int64(), place.at("core-id").as_int64(),
                                 place.at("thread-id").as_int64()));
  }
}

}  // namespace

const char* machine_memory(const model::VmSpec& spec) {
  return spec.numa.nodes > 1 ? "" : "memory-backend=ram,";
}

std::expected<void, Error> add_memory(Arguments& out, const model::VmSpec& spec,
                                      std::uint32_t host_nodes) {
  if (spec.numa.bind && spec.numa.nodes > host_nodes) {
    return std::unexpected(
        Error(Reason::host_cannot,
              fmt::format("its memory is bound to {} NUMA nodes; this host has {}", spec.numa.nodes,
                          host_nodes))
            .at("/numa/nodes")
            .remedy("use fewer nodes, or do not bind them"));
  }
  const auto size = spec.memory.count >> 20;
  const bool grows = spec.memory_max.count > 0;
  out.add("-m", grows ? fmt::format("size={}M,maxmem={}M", size, spec.memory_max.count >> 20)
                      : fmt::format("size={}M", size));
  if (spec.numa.nodes > 1) {
    add_nodes(out, spec);
  } else {
    add_node(out, spec, "ram", spec.memory, 0);
  }
  add_room(out, spec);
  return {};
}

void add_memory_devices(Arguments& out, const model::VmSpec& spec) {
  const bool huge = spec.huge_pages != model::HugePageSize::none;
  if (spec.memory_max > spec.memory) {
    out.add("-device", fmt::format("virtio-mem-pci,id={},bus=port{},memdev={}ram,"
                                   "requested-size=0{}",
                                   kMemoryDevice, model::kMemorySlot, kMemoryDevice,
                                   huge ? ",prealloc=on" : ""));
  }
  if (spec.memory_min.count > 0) {
    out.add("-device", fmt::format("virtio-balloon-pci,id={},bus=port{},free-page-reporting=on",
                                   kBalloonDevice, model::kBalloonSlot));
  }
}

std::uint32_t count_numa_nodes(const std::string& root) {
  std::uint32_t nodes = 0;
  while (::access(fmt::format("{}/node{}", root, nodes).c_str(), F_OK) == 0) ++nodes;
  return std::max(nodes, 1U);
}

std::optional<Error> lacks_huge_pages(const model::VmSpec& spec, std::string_view last_words) {
  if (spec.huge_pages == model::HugePageSize::none) return std::nullopt;
  // What QEMU says when a memory file cannot be mapped, and when its pages cannot be had.
  const auto says = [&](std::string_view words) {
    return last_words.find(words) != last_words.npos;
  };
  if (!says("backing store for guest RAM") && !says("preallocat") && !says("host memory pages")) {
    return std::nullopt;
  }
  const auto page = page_size(spec.huge_pages);
  const auto count = spec.memory.count / page.count;
  const auto pool = fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB", page.count >> 10);
  return Error(
             Reason::not_enough_memory,
             fmt::format("it needs {} huge pages of {}, and the host has not so many free{}", count,
                         to_text(page), spec.numa.bind ? " in the nodes that it is bound to" : ""))
      .at("/huge_pages")
      .remedy(fmt::format("see how many are free in {}/free_hugepages, and have the kernel keep "
                          "more: sysctl vm.nr_hugepages=… for pages of 2 MiB, {}/nr_hugepages for "
                          "either; early after a boot is best",
                          pool, pool));
}

}  // namespace ruche::drivers::qemu
