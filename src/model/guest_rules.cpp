#include "model/guest_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model/cpu_list.hpp"
#include "model/hardware.hpp"
#include "model/passthrough.hpp"
#include "model/share_rules.hpp"

namespace ruche::model {

namespace {

using Check = std::expected<void, Error>;

constexpr Bytes kLeastThatGrows = mib(256);
constexpr Bytes kMostMemory = gib(64 << 10);  // what x86-64 addresses with 46 bits

Check refuse(Reason reason, std::string message, std::string field) {
  return std::unexpected(Error(reason, std::move(message)).at(std::move(field)));
}

Check refuse(Reason reason, std::string message, std::string field, std::string remedy) {
  return std::unexpected(
      Error(reason, std::move(message)).at(std::move(field)).remedy(std::move(remedy)));
}

Check check_topology(const VmSpec& spec) {
  if (!spec.topology) return {};
  const auto& t = *spec.topology;
  if (std::uint64_t{t.sockets} * t.cores * t.threads == most_cpus(spec)) return {};
  return refuse(Reason::topology_mismatch,
                fmt::format("{} sockets × {} cores × {} threads is not {} CPUs", t.sockets, t.cores,
                            t.threads, most_cpus(spec)),
                "/topology");
}

Check check_cpus(const VmSpec& spec) {
  if (spec.cpus_max == 0 || spec.cpus_max >= spec.cpus) return {};
  return refuse(
      Reason::out_of_range,
      fmt::format("cpus_max is {}, less than the {} CPUs it has", spec.cpus_max, spec.cpus),
      "/cpus_max");
}

Check check_memory(const VmSpec& spec) {
  if (spec.memory > kMostMemory) {
    return refuse(Reason::out_of_range, "memory is at most " + to_text(kMostMemory),
                  "/memory_bytes");
  }
  if (spec.memory.count % (1 << 20) != 0) {
    return refuse(Reason::memory_not_aligned, "memory must be a whole number of MiB",
                  "/memory_bytes");
  }
  return {};
}

Check check_memory_range(const VmSpec& spec) {
  const auto most = spec.memory_max;
  if (most.count > 0 && most < spec.memory) {
    return refuse(Reason::out_of_range,
                  fmt::format("memory_max is {}, less than the {} it has", to_text(most),
                              to_text(spec.memory)),
                  "/memory_max_bytes");
  }
  const auto odd = most.count % kMemoryBlock.count + spec.memory.count % kMemoryBlock.count;
  if (most > kMostMemory) {
    return refuse(Reason::out_of_range, "memory is at most " + to_text(kMostMemory),
                  "/memory_max_bytes");
  }
  if (most.count > 0 && odd != 0) {
    return refuse(Reason::memory_not_aligned,
                  "memory is added in blocks of " + to_text(kMemoryBlock), "/memory_max_bytes");
  }
  // Linux keeps 64 MiB free for devices of 32 bits (swiotlb) where memory may lie above 4 GiB,
  // which is where it is added; with 128 MiB it does not come up.
  if (most.count > 0 && spec.memory < kLeastThatGrows) {
    return refuse(
        Reason::out_of_range,
        fmt::format("memory that can grow begins with at least {}", to_text(kLeastThatGrows)),
        "/memory_bytes");
  }
  if (spec.memory_target.count > 0 &&
      (spec.memory_min.count == 0 || spec.memory_target < spec.memory_min ||
       spec.memory_target > spec.memory)) {
    return refuse(Reason::out_of_range,
                  spec.memory_min.count == 0
                      ? "memory can only be taken back where memory_min says what stays"
                      : fmt::format("memory_target lies between memory_min, {}, and its {}",
                                    to_text(spec.memory_min), to_text(spec.memory)),
                  "/memory_target_bytes");
  }
  if (spec.memory_min > spec.memory) {
    return refuse(Reason::out_of_range,
                  fmt::format("memory_min is {}, more than the {} it has", to_text(spec.memory_min),
                              to_text(spec.memory)),
                  "/memory_min_bytes");
  }
  return {};
}

Check check_limits(const VmSpec& spec) {
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    const auto& limits = spec.disks[i].limits;
    const auto field = fmt::format("/disks/{}/limits", i);
    const bool burst_ops = limits.iops_burst > 0;
    if (burst_ops && (limits.iops == 0 || limits.iops_burst < limits.iops)) {
      return refuse(Reason::bad_spec, "a burst needs the limit that it stands above",
                    field + "/iops_burst");
    }
    const auto burst = limits.bytes_per_second_burst;
    if (burst.count > 0 &&
        (limits.bytes_per_second.count == 0 || burst < limits.bytes_per_second)) {
      return refuse(Reason::bad_spec, "a burst needs the limit that it stands above",
                    field + "/bandwidth_burst_bytes");
    }
  }
  return {};
}

Check check_boot(const VmSpec& spec) {
  const BootSpec& boot = spec.boot;
  if (boot.kind == BootKind::direct_kernel && !boot.kernel) {
    return refuse(Reason::kernel_missing, "direct kernel boot needs a kernel", "/boot/kernel");
  }
  const bool uses_kernel = boot.kernel && boot.kind != BootKind::bios;
  if (!uses_kernel && !boot.command_line.empty()) {
    return refuse(Reason::kernel_not_used,
                  "a kernel command line has an effect with direct kernel boot only",
                  "/boot/command_line");
  }
  if (boot.secure && boot.kind != BootKind::uefi) {
    return refuse(Reason::bad_spec, "Secure Boot needs UEFI", "/boot/secure");
  }
  // OVMF takes a kernel that QEMU hands to it without looking at its signature.
  if (boot.secure && uses_kernel) {
    return refuse(Reason::bad_spec,
                  "under Secure Boot nobody would check the kernel of an image that brings one",
                  "/boot/secure", "use an image that boots from its disk");
  }
  return {};
}

// Every device by its place in the specification, as in /disks/0.
template <class Visit>
Check each_named(const VmSpec& spec, Visit visit) {
  const auto each = [&](const auto& devices, const char* field) -> Check {
    for (std::size_t i = 0; i < devices.size(); ++i) {
      if (auto ok = visit(devices[i].name, fmt::format("/{}/{}/name", field, i)); !ok) return ok;
    }
    return {};
  };
  if (auto ok = each(spec.disks, "disks"); !ok) return ok;
  if (auto ok = each(spec.cdroms, "cdroms"); !ok) return ok;
  if (auto ok = each(spec.nics, "nics"); !ok) return ok;
  if (auto ok = each(spec.shares, "shares"); !ok) return ok;
  if (auto ok = each(spec.usb, "usb"); !ok) return ok;
  return each(spec.pci, "pci");
}

Check check_names(const VmSpec& spec) {
  std::set<std::string_view> seen;
  return each_named(spec, [&](const std::string& name, std::string field) -> Check {
    if (seen.insert(name).second) return {};
    return refuse(Reason::duplicate_device, fmt::format("two devices are called {}", name),
                  std::move(field));
  });
}

// Both become words of QEMU's and are looked for on the host.
Check check_host_devices(const VmSpec& spec) {
  for (std::size_t i = 0; i < spec.usb.size(); ++i) {
    const auto& device = spec.usb[i];
    if (is_usb_id(device.vendor_id) && is_usb_id(device.product_id)) continue;
    return refuse(Reason::bad_format, "vendor and product are four hexadecimal digits each",
                  fmt::format("/usb/{}", i), "write them as in 046d:c52b");
  }
  for (std::size_t i = 0; i < spec.pci.size(); ++i) {
    if (is_pci_address(spec.pci[i].address)) continue;
    return refuse(Reason::bad_format, "this is no address of a PCI device",
                  fmt::format("/pci/{}/address", i), "write it as in 0000:3b:00.0");
  }
  if (!spec.pci.empty() && spec.memory_min.count > 0) {
    return refuse(Reason::bad_spec,
                  "a PCI device of the host may write to all of its memory at any time, so that "
                  "none can be taken back",
                  "/memory_min_bytes", "leave memory_min out, or the device");
  }
  return {};
}

Check check_shares(const VmSpec& spec) {
  for (std::size_t i = 0; i < spec.shares.size(); ++i) {
    const auto& share = spec.shares[i];
    if (auto ok = check_share(share); !ok) {
      const auto field = fmt::format("/shares/{}{}", i, ok.error().field());
      return std::unexpected(std::move(ok.error()).at(field));
    }
  }
  return {};
}

Check check_forwards(const VmSpec& spec) {
  std::set<std::uint16_t> ports;
  for (std::size_t n = 0; n < spec.nics.size(); ++n) {
    for (std::size_t f = 0; f < spec.nics[n].forwards.size(); ++f) {
      const auto port = spec.nics[n].forwards[f].host_port;
      if (ports.insert(port).second) continue;
      return refuse(Reason::duplicate_port, fmt::format("host port {} is forwarded twice", port),
                    fmt::format("/nics/{}/forwards/{}/host_port", n, f));
    }
  }
  return {};
}

Check check_boot_order(const VmSpec& spec) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < spec.boot.order.size(); ++i) {
    const auto& name = spec.boot.order[i];
    const auto field = fmt::format("/boot_order/{}", i);
    if (!has_device(spec, name)) {
      return refuse(Reason::bad_spec, fmt::format("it has no {} to boot from", name), field,
                    "name its disks, drives and adapters, as in disk0, cdrom0, nic0");
    }
    if (!seen.insert(name).second) {
      return refuse(Reason::duplicate_device,
                    fmt::format("{} is named twice in the boot order", name), field,
                    "name each device once");
    }
  }
  return {};
}

Check check_numa(const VmSpec& spec) {
  const auto nodes = spec.numa.nodes;
  if (nodes > most_cpus(spec)) {
    return refuse(Reason::out_of_range,
                  fmt::format("{} NUMA nodes are more than its {} CPUs", nodes, most_cpus(spec)),
                  "/numa/nodes", "use fewer nodes, or give it more CPUs (cpus_max)");
  }
  if (spec.memory.count % (nodes * mib(1).count) != 0) {
    return refuse(Reason::memory_not_aligned,
                  fmt::format("{} of memory are not divided into whole MiB by {} NUMA nodes",
                              to_text(spec.memory), nodes),
                  "/memory_bytes", fmt::format("make it a multiple of {} MiB", nodes));
  }
  return {};
}

Check check_huge_pages(const VmSpec& spec) {
  if (spec.huge_pages == HugePageSize::none) return {};
  const auto page = spec.huge_pages == HugePageSize::mib2 ? mib(2) : gib(1);
  const Bytes unit{page.count * spec.numa.nodes};
  if (spec.memory.count % unit.count != 0) {
    return refuse(
        Reason::memory_not_aligned,
        fmt::format("{} of memory are no whole number of pages of {}{}", to_text(spec.memory),
                    to_text(page), spec.numa.nodes > 1 ? " in each NUMA node" : ""),
        "/memory_bytes", fmt::format("make it a multiple of {}", to_text(unit)));
  }
  if (page > kMemoryBlock && spec.memory_max > spec.memory) {
    return refuse(Reason::bad_spec,
                  fmt::format("memory is added in blocks of {}, smaller than a page of {}",
                              to_text(kMemoryBlock), to_text(page)),
                  "/memory_max_bytes", "use huge pages of 2m, or memory that does not grow");
  }
  if (spec.memory_min.count > 0) {
    return refuse(Reason::bad_spec,
                  "a balloon takes single pages of 4 KiB, and the host gets no huge page back",
                  "/memory_min_bytes", "leave memory_min out, or the huge pages");
  }
  return {};
}

Check check_pins(const VmSpec& spec) {
  const auto& pins = spec.cpu_pins;
  if (pins.size() > 1 && pins.size() != most_cpus(spec)) {
    return refuse(Reason::bad_spec,
                  fmt::format("{} pins for {} CPUs", pins.size(), most_cpus(spec)), "/cpu_pins",
                  "give one for all, or one for each CPU that it can have");
  }
  for (std::size_t i = 0; i < pins.size(); ++i) {
    if (const auto threads = parse_cpu_list(pins[i]); !threads) {
      return refuse(Reason::bad_format, threads.error(), fmt::format("/cpu_pins/{}", i),
                    "write them as in 0-3,8");
    }
  }
  return {};
}

// The board's tables are read by whatever boots, and take part in QEMU's command line.
Check check_smbios(const VmSpec& spec) {
  const auto& board = spec.smbios;
  const std::pair<const char*, const std::string*> texts[] = {{"manufacturer", &board.manufacturer},
                                                              {"product", &board.product},
                                                              {"version", &board.version},
                                                              {"serial", &board.serial},
                                                              {"sku", &board.sku},
                                                              {"family", &board.family},
                                                              {"asset_tag", &board.asset_tag}};
  const auto strange = [](char c) { return c < ' ' || c > '~'; };
  for (const auto& [name, text] : texts) {
    if (std::ranges::none_of(*text, strange)) continue;
    return refuse(Reason::bad_format, "a board's tables hold printable ASCII only",
                  fmt::format("/smbios/{}", name), "leave out other characters");
  }
  return {};
}

}  // namespace

std::expected<void, Error> check_spec(const VmSpec& spec) {
  for (const auto check :
       {check_cpus, check_topology, check_memory, check_memory_range, check_boot, check_names,
        check_forwards, check_limits, check_boot_order, check_numa, check_huge_pages, check_pins,
        check_smbios, check_shares, check_host_devices}) {
    if (auto ok = check(spec); !ok) return ok;
  }
  return {};
}

std::expected<void, Error> check_tags(const std::vector<std::string>& tags) {
  for (std::size_t i = 0; i < tags.size(); ++i) {
    const auto& tag = tags[i];
    const bool clean = tag.find_first_of(",=~ \t\r\n") == std::string::npos;
    if (tag.empty() || tag.size() > 63 || !clean) {
      return refuse(Reason::bad_tag, "a tag has 1 to 63 letters, none of them , = ~ or a space",
                    fmt::format("/tags/{}", i));
    }
  }
  return {};
}

std::optional<Error> refuse_power(PowerRequest request, GuestState state, std::string_view name) {
  const auto wrong = [&](std::string_view is, std::string remedy) {
    return Error(Reason::wrong_state, fmt::format("{} is {}", name, is)).remedy(std::move(remedy));
  };
  const std::string start = fmt::format("start it: ruche vm start {}", name);
  switch (state) {
    case GuestState::provisioning:
      if (request == PowerRequest::remove) return std::nullopt;
      return wrong("still being provisioned", "wait for its task");
    case GuestState::broken:
      if (request == PowerRequest::stop) return std::nullopt;
      if (request == PowerRequest::remove) {
        return Error(Reason::object_broken, fmt::format("{} is broken and may still run", name))
            .remedy(fmt::format("stop it first, or: ruche vm delete {} --stop", name));
      }
      return Error(Reason::object_broken, fmt::format("{} is broken", name))
          .remedy(fmt::format("see why: ruche vm show {}", name));
    case GuestState::stopped:
    case GuestState::crashed:
      if (request == PowerRequest::start || request == PowerRequest::remove) return std::nullopt;
      if (request == PowerRequest::discard) return wrong("not suspended", "nothing to do");
      return wrong(state == GuestState::crashed ? "crashed" : "stopped", start);
    case GuestState::suspended:
      if (request == PowerRequest::start || request == PowerRequest::resume ||
          request == PowerRequest::discard || request == PowerRequest::remove) {
        return std::nullopt;
      }
      if (request == PowerRequest::suspend) return wrong("suspended already", "nothing to do");
      return wrong("suspended", fmt::format("resume it: ruche vm resume {0}, or give its memory "
                                            "up: ruche vm discard {0}",
                                            name));
    case GuestState::running:
      if (request == PowerRequest::start) return wrong("running already", "nothing to do");
      if (request == PowerRequest::resume) return wrong("running, not paused", "nothing to do");
      if (request == PowerRequest::discard) return wrong("running, not suspended", "nothing to do");
      if (request == PowerRequest::remove) {
        return wrong("running", fmt::format("stop it first, or: ruche vm delete {} --stop", name));
      }
      return std::nullopt;
    case GuestState::paused:
      if (request == PowerRequest::start || request == PowerRequest::pause) {
        return wrong("paused", fmt::format("resume it: ruche vm resume {}", name));
      }
      if (request == PowerRequest::shutdown) {
        return wrong("paused and cannot hear the power button",
                     fmt::format("resume it first: ruche vm resume {}", name));
      }
      if (request == PowerRequest::remove) {
        return wrong("paused", fmt::format("stop it first, or: ruche vm delete {} --stop", name));
      }
      if (request == PowerRequest::discard) return wrong("paused, not suspended", "nothing to do");
      return std::nullopt;
  }
  return Error(Reason::internal_error, "an unknown state");
}

Reservation reservation_of(const VmSpec& spec, Bytes overhead) {
  return {spec.memory + overhead, spec.cpus};
}

std::string shown_state(GuestState observed, std::string_view method, bool deleted) {
  if (deleted) return "deleted";
  if (method == "vm.start" && observed != GuestState::running) return "starting";
  if ((method == "vm.stop" || method == "vm.shutdown") && observed == GuestState::running) {
    return "stopping";
  }
  if (method == "vm.suspend" && observed != GuestState::suspended) return "suspending";
  if (method == "vm.resume" && observed == GuestState::suspended) return "resuming";
  return std::string(enum_name(observed));
}

}  // namespace ruche::model
