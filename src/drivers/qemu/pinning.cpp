#include "drivers/qemu/pinning.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "model/cpu_list.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::int64_t kMostThreadNumber = 1 << 22;  // PID_MAX_LIMIT of proc_pid(5)

// A mask as wide as the kernel can have it.
class Mask {
 public:
  Mask() : set_(CPU_ALLOC(kWidth)) {
    if (set_ == nullptr) throw std::bad_alloc();
    CPU_ZERO_S(size(), set_);
  }
  ~Mask() { CPU_FREE(set_); }
  Mask(const Mask&) = delete;
  Mask& operator=(const Mask&) = delete;

  void add(std::uint32_t thread) { CPU_SET_S(thread, size(), set_); }
  std::size_t size() const { return CPU_ALLOC_SIZE(kWidth); }
  const cpu_set_t* set() const { return set_; }

 private:
  static constexpr std::size_t kWidth = model::kLastHostThread + 1;
  cpu_set_t* set_;
};

// An empty list stands for every thread of the host.
void pin(std::int32_t process, std::int64_t thread, std::int64_t cpu, const std::string& list) {
  if (::access(fmt::format("/proc/{}/task/{}", process, thread).c_str(), F_OK) != 0) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("QEMU says that CPU {} is thread {}, which is none of its threads", cpu,
                            thread));
  }
  const auto wanted = list.empty() ? fmt::format("0-{}", model::kLastHostThread) : list;
  const auto threads = model::parse_cpu_list(wanted);
  if (!threads) throw Error(Reason::bad_spec, threads.error()).at("/cpu_pins");
  Mask mask;
  for (const auto number : *threads) mask.add(number);
  if (::sched_setaffinity(static_cast<pid_t>(thread), mask.size(), mask.set()) == 0) return;
  if (errno == EINVAL) {
    throw Error(Reason::host_cannot,
                fmt::format("CPU {} is pinned to {}, and this host has no such hardware thread, or "
                            "keeps it from the daemon",
                            cpu, list))
        .at("/cpu_pins")
        .remedy("pin it to threads of this host: ruche host show");
  }
  throw Error(Reason::hypervisor_failed,
              fmt::format("CPU {} cannot be pinned to {}: {}", cpu, list, std::strerror(errno)));
}

std::string list_of(const std::vector<std::string>& pins, std::int64_t cpu) {
  if (pins.size() == 1) return pins.front();
  const auto index = static_cast<std::size_t>(cpu);
  return index < pins.size() ? pins[index] : std::string();
}

}  // namespace

Async<void> pin_cpus(std::shared_ptr<MachineCore> core, std::vector<std::string> pins) {
  const auto answer = co_await core->qmp().execute("query-cpus-fast");
  if (!answer.is_array()) throw Error(Reason::hypervisor_failed, "QEMU's CPUs are no list");
  for (const auto& entry : answer.get_array()) {
    const auto& said = as_object(entry);
    const auto cpu = number_member(said, "cpu-index");
    const auto thread = number_member(said, "thread-id");
    if (cpu < 0 || thread <= 0 || thread > kMostThreadNumber) {
      throw Error(Reason::hypervisor_failed, "what QEMU says of its CPUs makes no sense");
    }
    pin(core->record().pid, thread, cpu, list_of(pins, cpu));
  }
}

}  // namespace ruche::drivers::qemu
