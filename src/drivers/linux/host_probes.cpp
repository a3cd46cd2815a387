// What only a try can tell: whether KVM makes a machine, whether nftables answers.
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.hpp"
#include "drivers/linux/cgroups.hpp"
#include "drivers/linux/host_facts.hpp"

namespace ruche::drivers::linux {

namespace {

constexpr unsigned kLandlockVersionQuestion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
constexpr int kKvmVersion = 12;                   // Linux, Documentation/virt/kvm/api.rst

// Opening is not enough: another hypervisor may hold the processor's virtualization.
std::string probe_kvm(const char* path) {
  if (::access(path, F_OK) != 0) return "";
  const Descriptor kvm(::open(path, O_RDWR | O_CLOEXEC));
  if (!kvm.open()) return std::strerror(errno);
  if (::ioctl(kvm.get(), KVM_GET_API_VERSION, 0) != kKvmVersion) return "it is not KVM's device";
  const Descriptor machine(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
  if (!machine.open()) return std::string("it makes no machine: ") + std::strerror(errno);
  return "usable";
}

// Asks for the generation of the rule set, the smallest question there is (nft's own first one).
std::string probe_nftables() {
  if (::geteuid() != 0) return "";
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket.open()) return std::strerror(errno);
  const timeval patience{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  struct {
    nlmsghdr head;
    nfgenmsg body;
  } question{};
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  question.head.nlmsg_flags = NLM_F_REQUEST;
  if (::send(socket.get(), &question, sizeof question, 0) < 0) return std::strerror(errno);
  alignas(nlmsghdr) char answer[4096];
  const auto got = ::recv(socket.get(), answer, sizeof answer, 0);
  if (got < 0) return std::strerror(errno);
  if (static_cast<std::size_t>(got) < sizeof(nlmsghdr)) return "it answers nonsense";
  nlmsghdr head;
  std::memcpy(&head, answer, sizeof head);
  if (head.nlmsg_type != NLMSG_ERROR) return "usable";
  nlmsgerr error{};
  const auto size = static_cast<std::size_t>(got) - sizeof head;
  std::memcpy(&error, answer + sizeof head, std::min(size, sizeof error));
  return std::strerror(-error.error);
}

std::string probe_clock() {
  timex question{};
  if (::adjtimex(&question) < 0) return "";
  return (question.status & STA_UNSYNC) != 0 ? "no" : "yes";
}

bool has_nft() {
  for (const char* path : {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"}) {
    if (::access(path, X_OK) == 0) return true;
  }
  return false;
}

}  // namespace

std::int64_t landlock_version() {
  const auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kLandlockVersionQuestion);
  return version < 0 ? 0 : version;
}

HostProbes probe_host(const std::string& cgroup_mount) {
  return {.kvm = probe_kvm("/dev/kvm"),
          .nftables = probe_nftables(),
          .clock_synchronized = probe_clock(),
          .landlock = landlock_version(),
          .is_root = ::geteuid() == 0,
          .nft_program = has_nft(),
          .cgroup_writable = Cgroups({.instance = "check", .mount = cgroup_mount}).usable()};
}

}  // namespace ruche::drivers::linux
