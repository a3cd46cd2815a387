#include "contract/bridge_harness.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>

namespace ruche::contract {

namespace {
constexpr const char* kInstance = "0c0a51de";
}

std::string no_real_networks() {
  if (::geteuid() != 0) return "only root has networks";
  if (::access("/usr/sbin/nft", X_OK) != 0) return "there is no nft";
  if (::access("/usr/sbin/dnsmasq", X_OK) != 0) return "there is no dnsmasq";
  return {};
}

std::string shell(const std::string& line) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, writing.get(), 2);
  std::string words[] = {"sh", "-c", line};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, "/bin/sh", &actions, nullptr, argv, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return "no shell";
  writing.reset();
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(reading.get(), part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  ::waitpid(pid, nullptr, 0);
  return text;
}

BridgeHarness::BridgeHarness() {
  if (::unshare(CLONE_NEWNET) != 0) throw Error(Reason::io_failed, "no namespace");
  shell("ip link set lo up");
  directory_ = fmt::format("/tmp/ruche-networks-{}", ::getpid());
  processes_ = drivers::linux::linux_processes(
      {std::string(RUCHE_BINARY_DIR) + "/bin/jail", fmt::format("networks-{}", ::getpid())});
  lane_ = std::make_unique<Lane>("networks");  // in the new namespace, as its parent is
  open();
}

BridgeHarness::~BridgeHarness() {
  close();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
  for (const auto& line : log_.take_errors()) ADD_FAILURE() << line.message;
}

void BridgeHarness::open() {
  scope_ = std::make_unique<Scope>(loop_.executor(), "daemon");
  run([this]() -> Async<void> {
    driver_ =
        co_await drivers::bridge::open_bridge({.label = kInstance, .run_directory = directory_},
                                              {*processes_, loop_.clock(), log_, *scope_, *lane_});
  });
  if (!driver_->capabilities().available) ADD_FAILURE() << driver_->capabilities().reason;
}

void BridgeHarness::close() {
  run([this]() -> Async<void> {
    scope_->cancel(CancelReason::shutdown);
    co_await drain(*scope_);
  });
  driver_.reset();
  scope_.reset();
}

void BridgeHarness::run(std::function<Async<void>()> work) {
  loop_.run(with_deadline(loop_.clock(), std::chrono::minutes(2), "the test", work()));
}

void BridgeHarness::restart() {
  close();
  open();
}

void BridgeHarness::occupy(const std::string& subnet) {
  shell(
      "ip link add other type veth peer name other-end && ip link set other up && "
      "ip link set other-end up && ip route add " +
      subnet + " dev other");
}

std::uint16_t BridgeHarness::listen() {
  listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), 1) != 0 ||
      ::getsockname(listener_.get(), raw, &size) != 0) {
    throw Error(Reason::io_failed, "no listener");
  }
  return ntohs(address.sin_port);
}

}  // namespace ruche::contract
