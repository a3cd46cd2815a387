#include "drivers/qemu/launch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "drivers/qemu/seed.hpp"
#include "drivers/qemu/serial_port.hpp"
#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/write_tracking.hpp"
#include "model/hardware.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::uint32_t kThreadsBesideCpus = 128;  // QEMU's thread pool has at most 64
// One for each disk that can be on a root port, and the SCSI controller's.
constexpr std::uint32_t kMostIoThreads = model::kLastFreeSlot - model::kFirstFreeSlot + 2;

[[noreturn]] void fail(const std::string& path) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)));
}

}  // namespace

Descriptor open_for_qemu(const OpenFile& file) {
  if (file.opened) {
    Descriptor copy(::fcntl(file.opened->get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.open()) fail(file.path);
    return copy;
  }
  const int mode = file.writable ? O_RDWR : O_RDONLY;
  // Only what the machine's own packages brought may be a link, and only below /dev is a device
  // one.
  const int links = file.path.starts_with("/usr/") ? 0 : O_NOFOLLOW;
  Descriptor opened(::open(file.path.c_str(), mode | links | O_CLOEXEC | O_NONBLOCK));
  if (!opened.open()) fail(file.path);
  struct stat info{};
  if (::fstat(opened.get(), &info) != 0) fail(file.path);
  const bool device = S_ISBLK(info.st_mode) || S_ISCHR(info.st_mode);
  if (!S_ISREG(info.st_mode) && !(device && file.path.starts_with("/dev/"))) {
    throw Error(Reason::io_failed, file.path + " is neither a file nor a device");
  }
  if (::fcntl(opened.get(), F_SETFL, mode) != 0) fail(file.path);
  return opened;
}

namespace {

bool readable_by(const Descriptor& file, std::uint32_t uid) {
  struct stat info{};
  if (uid == 0) return true;
  if (::fstat(file.get(), &info) != 0) return false;
  return (info.st_mode & S_IROTH) != 0 || (info.st_uid == uid && (info.st_mode & S_IRUSR) != 0);
}

void hand_over(Handover& handover, Descriptor descriptor, int number) {
  handover.passed.push_back({descriptor.get(), number});
  handover.held.push_back(std::move(descriptor));
}

std::vector<std::string> existing(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0; });
  return paths;
}

}  // namespace

Handover prepare_handover(GuestDirectory& directory, BootFiles& boot_files,
                          const HandoverRequest& request) {
  directory.create();
  Handover handover;
  hand_over(handover, directory.listen(kQmpSocket), kQmpDescriptor);
  hand_over(handover, directory.listen(kAgentSocket), kAgentDescriptor);
  if (!request.seed.empty()) hand_over(handover, make_seed(request.seed), kSeedDescriptor);
  for (std::uint32_t port = 0; port < request.serial_ports; ++port) {
    hand_over(handover, directory.listen(SerialPort{port}.socket()), serial_descriptor(port));
  }
  for (const auto& file : request.files) {
    auto opened = open_for_qemu(file);
    if (file.by_path && readable_by(opened, request.uid)) {
      handover.read_paths.push_back(file.path);
    } else if (file.by_path) {
      opened = boot_files.share(opened, file.path);
    }
    hand_over(handover, std::move(opened), file.number);
  }
  return handover;
}

void allow_program(ports::Confinement& confinement, const std::string& path) {
  confinement.execute_paths = existing({path, "/lib64/ld-linux-x86-64.so.2"});
  confinement.read_paths = existing({"/usr/lib", "/etc/ld.so.cache", "/dev/urandom"});
}

// resolv.conf is for the guest's DNS; overcommit_memory says whether room for memory can be left
// unreserved; /dev/null is opened by QEMU to learn whether the kernel has
// locks that belong to open files, without which it would fall back to weaker ones.
void allow_qemu(ports::Confinement& confinement, const std::string& qemu_path) {
  confinement.execute_paths = existing({qemu_path, "/lib64/ld-linux-x86-64.so.2"});
  confinement.read_paths = existing({"/usr/lib", "/usr/share/qemu", "/usr/share/seabios",
                                     "/etc/ld.so.cache", "/etc/resolv.conf", "/etc/localtime",
                                     "/dev/urandom", "/proc/sys/vm/overcommit_memory"});
  confinement.write_paths = existing({"/dev/null", kWriteTracking});
}

ports::SpawnRequest spawn_request(const ports::MachineSpec& machine, const CommandLine& line,
                                  const Handover& handover, const GuestDirectory& directory,
                                  Bytes overhead) {
  ports::SpawnRequest request;
  request.name = "QEMU of " + machine.name;
  request.argv = line.argv;
  request.environment = {"LC_ALL=C"};
  request.descriptors = handover.passed;
  request.stderr_path = directory.file(kErrorFile);
  auto& confinement = request.confinement;
  confinement.user = machine.uid;
  confinement.group = machine.uid;
  allow_qemu(confinement, line.argv.front());
  confinement.read_paths.insert(confinement.read_paths.end(), handover.read_paths.begin(),
                                handover.read_paths.end());
  confinement.cgroup = to_text(machine.guest);
  confinement.cpu_weight = machine.cpu_weight;
  confinement.late_cgroup = true;  // QEMU starts no process, and no guest code runs before that
  // A limit against a process gone wild, not an account: a guest that is killed for a few MiB that
  // the measured overhead lacked would be the worse evil.
  const auto most = std::max(machine.spec.memory, machine.spec.memory_max);
  confinement.memory_max = most + overhead + overhead;
  if (machine.spec.display == model::DisplayKind::virtio) *confinement.memory_max += kScreenMemory;
  if (!machine.spec.pci.empty()) {
    confinement.locks_memory = true;
    // The kernel's tables of what a device may write to: two words for each page.
    *confinement.memory_max += Bytes{most.count / 256};
  }
  confinement.pids_max = kThreadsBesideCpus + kMostIoThreads + 2 * model::most_cpus(machine.spec);
  const auto shares = static_cast<std::uint32_t>(machine.spec.shares.size());
  confinement.memory_max->count += shares * kShareMemory.count;
  *confinement.pids_max += shares * kShareThreads;
  return request;
}

}  // namespace ruche::drivers::qemu
