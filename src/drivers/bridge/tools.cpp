#include "drivers/bridge/tools.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "drivers/bridge/netlink.hpp"

namespace ruche::drivers::bridge {

namespace {

std::string find_program(const char* name) {
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/"}) {
    const auto path = std::string(folder) + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

void find_user(Tools& tools) {
  const passwd* user = ::getpwnam("dnsmasq");
  if (user == nullptr) return;
  tools.user = "dnsmasq";
  if (const group* own = ::getgrgid(user->pw_gid)) tools.group = own->gr_name;
}

// On a thread of its own.
std::string try_kernel() {
  if (::unshare(CLONE_NEWNET) != 0) return fmt::format("unshare: {}", std::strerror(errno));
  try {
    set_bridge({.name = "probe", .alias = "", .mac = "52:54:00:00:00:01", .address = {0x0a000001}});
    const auto tap = open_tap("probe-tap", "", "probe", 1500);
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

ports::NetworkCapabilities missing(std::string reason, std::string remedy) {
  return {.available = false, .reason = std::move(reason), .remedy = std::move(remedy)};
}

[[noreturn]] void fail(const std::string& path) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)));
}

}  // namespace

ports::NetworkCapabilities find_tools(Tools& tools, bool disabled) {
  if (disabled) {
    return missing("ruched was started with --networks none", "start it without that flag");
  }
  if (::geteuid() != 0) {
    return missing("networks need root, and ruched runs as an ordinary user",
                   "run ruched as root, or use --network user");
  }
  tools.nft = find_program("nft");
  if (tools.nft.empty()) return missing("there is no nft", "install it: apt install nftables");
  tools.dnsmasq = find_program("dnsmasq");
  if (tools.dnsmasq.empty()) {
    return missing("there is no dnsmasq", "install it: apt install dnsmasq-base");
  }
  find_user(tools);
  const auto failure = try_kernel();
  if (!failure.empty()) {
    return missing(fmt::format("the kernel makes no bridges or taps here ({})", failure),
                   "load the modules bridge and tun, or use --network user");
  }
  return {.available = true, .reason = {}, .remedy = {}};
}

std::string read_text(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(64 << 10, '\0');
  const auto got = file.open() ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

void make_public_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw Error(Reason::io_failed, fmt::format("{}: {}", path, error.message()));
  if (::chmod(path.c_str(), 0755) != 0) fail(path);
}

void write_public(const std::string& path, const std::string& content) {
  const auto temporary = path + ".new";
  const Descriptor file(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file.open() || ::fchmod(file.get(), 0644) != 0) fail(temporary);
  std::string_view left = content;
  while (!left.empty()) {
    const auto wrote = ::write(file.get(), left.data(), left.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) fail(temporary);
    left.remove_prefix(static_cast<std::size_t>(wrote));
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path);
}

}  // namespace ruche::drivers::bridge
