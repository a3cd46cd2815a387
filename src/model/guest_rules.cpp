#include "model/guest_rules.hpp"

#include <fmt/format.h>

#include <set>

#include "model/hardware.hpp"

namespace ruche::model {

namespace {

using Check = std::expected<void, Error>;

constexpr Bytes kLeastThatGrows = mib(256);
constexpr Bytes kMostMemory = gib(64 << 10);  // what x86-64 addresses with 46 bits

Check refuse(Reason reason, std::string message, std::string field) {
  return std::unexpected(Error(reason, std::move(message)).at(std::move(field)));
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
  return {};
}

Check check_names(const VmSpec& spec) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < spec.disks.size(); ++i) {
    if (!seen.insert(spec.disks[i].name).second) {
      return refuse(Reason::duplicate_device,
                    fmt::format("two devices are called {}", spec.disks[i].name),
                    fmt::format("/disks/{}/name", i));
    }
  }
  for (std::size_t i = 0; i < spec.cdroms.size(); ++i) {
    if (!seen.insert(spec.cdroms[i].name).second) {
      return refuse(Reason::duplicate_device,
                    fmt::format("two devices are called {}", spec.cdroms[i].name),
                    fmt::format("/cdroms/{}/name", i));
    }
  }
  for (std::size_t i = 0; i < spec.nics.size(); ++i) {
    if (!seen.insert(spec.nics[i].name).second) {
      return refuse(Reason::duplicate_device,
                    fmt::format("two devices are called {}", spec.nics[i].name),
                    fmt::format("/nics/{}/name", i));
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

}  // namespace

std::expected<void, Error> check_spec(const VmSpec& spec) {
  for (const auto check : {check_cpus, check_topology, check_memory, check_memory_range, check_boot,
                           check_names, check_forwards, check_limits}) {
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
      return wrong(state == GuestState::crashed ? "crashed" : "stopped", start);
    case GuestState::running:
      if (request == PowerRequest::start) return wrong("running already", "nothing to do");
      if (request == PowerRequest::resume) return wrong("running, not paused", "nothing to do");
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
  return std::string(enum_name(observed));
}

}  // namespace ruche::model
