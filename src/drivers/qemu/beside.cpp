#include "drivers/qemu/beside.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>

#include <cerrno>
#include <cstring>

namespace ruche::drivers::qemu {

namespace {

constexpr Duration kEndLimit = std::chrono::seconds(5);

Async<void> wait_for_end(ports::Process& process) { co_await process.wait(); }

Async<void> reap(std::unique_ptr<ports::Process> process) { co_await process->wait(); }

Async<bool> ended(Services services, ports::Process& process) {
  bool late = false;
  try {
    co_await with_deadline(services.clock, kEndLimit, "the end of a process beside QEMU",
                           wait_for_end(process));
  } catch (const Error&) {
    late = true;
  }
  co_return !late;
}

}  // namespace

Descriptor open_log(const GuestDirectory& directory, std::string_view name) {
  const auto path = directory.file(name);
  Descriptor log(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!log.open()) {
    throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  return log;
}

Async<void> start_beside(Services services, ports::SpawnRequest request) {
  const auto name = request.name;
  auto process = co_await services.processes.spawn(std::move(request));
  services.scope.spawn(name, reap(std::move(process)));
}

Async<void> end_beside(Services services, std::vector<std::string> words) {
  for (const auto& identity : services.processes.find_by_words(words)) {
    const auto process = services.processes.find(identity);
    if (!process) continue;
    process->signal(SIGTERM);
    const bool gently = co_await ended(services, *process);
    if (gently) continue;
    process->signal(SIGKILL);
    const bool gone = co_await ended(services, *process);
    if (gone) continue;
    throw Error(Reason::hypervisor_failed,
                fmt::format("process {} does not end; the kernel holds it", identity.pid))
        .remedy("look at the storage below it; a process waiting for a disk cannot be killed");
  }
}

}  // namespace ruche::drivers::qemu
