#include "drivers/bridge/listeners.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ruche::drivers::bridge {

namespace {

namespace fs = std::filesystem;

template <class T>
std::optional<T> number(std::string_view text, int base) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string process_with(std::uint64_t inode) {
  const auto wanted = fmt::format("socket:[{}]", inode);
  std::error_code ignored;
  for (const auto& process : fs::directory_iterator("/proc", ignored)) {
    const auto pid = process.path().filename().string();
    if (!number<int>(pid, 10)) continue;
    std::error_code hidden;
    for (const auto& file : fs::directory_iterator(process.path() / "fd", hidden)) {
      if (fs::read_symlink(file.path(), hidden).string() != wanted) continue;
      auto name = read(fmt::format("/proc/{}/comm", pid));
      while (!name.empty() && name.back() == '\n') name.pop_back();
      return fmt::format("{} (process {})", name, pid);
    }
  }
  return "a process of another user or namespace";
}

}  // namespace

std::vector<SocketLine> waiting_sockets(std::string_view text, model::Protocol protocol,
                                        bool ipv6) {
  const std::string_view state = protocol == model::Protocol::tcp ? "0A" : "07";
  std::vector<SocketLine> found;
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // the head
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string slot, local, remote, status, queues, timer, retransmits, uid, timeout, inode;
    words >> slot >> local >> remote >> status >> queues >> timer >> retransmits >> uid >>
        timeout >> inode;
    const auto colon = local.find(':');
    if (status != state || colon == std::string::npos) continue;
    const auto port = number<std::uint16_t>(std::string_view(local).substr(colon + 1), 16);
    const auto id = number<std::uint64_t>(inode, 10);
    if (!port || !id) continue;
    SocketLine socket{.address = std::nullopt, .port = *port, .inode = *id};
    if (!ipv6) {
      const auto raw = number<std::uint32_t>(std::string_view(local).substr(0, colon), 16);
      if (!raw) continue;
      if (*raw != 0) socket.address = model::Ipv4{ntohl(*raw)};
    } else if (local.substr(0, colon) != std::string(32, '0')) {
      continue;  // at one address of IPv6 only: no IPv4 port is taken
    }
    found.push_back(socket);
  }
  return found;
}

std::optional<std::string> who_listens(model::Protocol protocol, const std::string& address,
                                       std::uint16_t port) {
  const auto wanted = model::parse_ipv4(address);
  for (const bool ipv6 : {false, true}) {
    const auto path = fmt::format("/proc/net/{}{}", enum_name(protocol), ipv6 ? "6" : "");
    for (const auto& socket : waiting_sockets(read(path), protocol, ipv6)) {
      if (socket.port != port) continue;
      if (wanted && socket.address && *socket.address != *wanted) continue;
      return process_with(socket.inode);
    }
  }
  return std::nullopt;
}

}  // namespace ruche::drivers::bridge
