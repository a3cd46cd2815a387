#include "drivers/bridge/netlink.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "base/error.hpp"

namespace ruche::drivers::bridge {

namespace {

[[noreturn]] void fail(const std::string& what, int error) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(error)));
}

// One message, and room for what follows it.
class Message {
 public:
  Message(std::uint16_t type, std::uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_.data())) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }
  template <class T>
  T& body() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }
  void text(std::uint16_t type, const std::string& value) {
    mnl_attr_put_strz(header_, type, value.c_str());
  }
  void number(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(header_, type, value); }
  void byte(std::uint16_t type, std::uint8_t value) { mnl_attr_put_u8(header_, type, value); }
  void bytes(std::uint16_t type, const void* data, std::size_t size) {
    mnl_attr_put(header_, type, size, data);
  }
  void nested(std::uint16_t type, const std::function<void()>& inside) {
    auto* start = mnl_attr_nest_start(header_, type);
    inside();
    mnl_attr_nest_end(header_, start);
  }
  nlmsghdr* header() { return header_; }

 private:
  std::array<char, 2048> buffer_{};
  nlmsghdr* header_;
};

using Each = std::function<void(const nlmsghdr&)>;

int give_to(const nlmsghdr* header, void* each) {
  (*static_cast<Each*>(each))(*header);
  return MNL_CB_OK;
}

class Socket {
 public:
  Socket() : socket_(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
    if (socket_ == nullptr) fail("netlink", errno);
    if (mnl_socket_bind(socket_, 0, MNL_SOCKET_AUTOPID) < 0) {
      const int error = errno;
      mnl_socket_close(socket_);
      fail("netlink", error);
    }
  }
  ~Socket() { mnl_socket_close(socket_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // 0 or the kernel's errno.
  int send(Message& message, Each each = [](const nlmsghdr&) {}) {
    const auto sequence = ++sequence_;
    message.header()->nlmsg_seq = sequence;
    if (mnl_socket_sendto(socket_, message.header(), message.header()->nlmsg_len) < 0) return errno;
    std::vector<char> buffer(32768);
    while (true) {
      const auto got = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return errno;
      const int next = mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), sequence,
                                  mnl_socket_get_portid(socket_), give_to, &each);
      if (next < 0) return errno;
      if (next == MNL_CB_STOP) return 0;
    }
  }

 private:
  mnl_socket* socket_;
  std::uint32_t sequence_ = 0;
};

using Attributes = std::array<const nlattr*, 64>;

Attributes attributes(const nlmsghdr& header, std::size_t offset) {
  Attributes found{};
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&header));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&header, offset));
  while (mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)))) {
    const auto type = mnl_attr_get_type(attribute);
    if (type < found.size()) found[type] = attribute;
    attribute = mnl_attr_next(attribute);
  }
  return found;
}

void send_or_fail(Socket& socket, Message& message, const std::string& what) {
  if (const int error = socket.send(message); error != 0) fail(what, error);
}

void set_link(Socket& socket, int index, const std::string& what,
              const std::function<void(Message&)>& fill, bool up) {
  Message message(RTM_NEWLINK, NLM_F_ACK);
  auto& body = message.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = index;
  if (up) {
    body.ifi_flags = IFF_UP;
    body.ifi_change = IFF_UP;
  }
  fill(message);
  send_or_fail(socket, message, what);
}

std::array<std::uint8_t, 6> mac_bytes(const std::string& text) {
  std::array<unsigned, 6> parts{};
  if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &parts[0], &parts[1], &parts[2],
                  &parts[3], &parts[4], &parts[5]) != 6) {
    throw Error(Reason::bad_spec, text + " is no hardware address");
  }
  std::array<std::uint8_t, 6> bytes{};
  std::ranges::transform(parts, bytes.begin(), [](unsigned p) { return std::uint8_t(p); });
  return bytes;
}

int index_of(const std::string& name) {
  const auto link = find_link(name);
  if (!link) throw Error(Reason::io_failed, fmt::format("there is no interface {}", name));
  return link->index;
}

}  // namespace

std::vector<Link> links() {
  std::vector<Link> found;
  Message message(RTM_GETLINK, NLM_F_DUMP);
  message.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  Socket socket;
  const int error = socket.send(message, [&](const nlmsghdr& header) {
    const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&header));
    const auto attrs = attributes(header, sizeof(ifinfomsg));
    Link link{.index = body.ifi_index, .name = {}, .alias = {}, .master = 0};
    if (attrs[IFLA_IFNAME]) link.name = mnl_attr_get_str(attrs[IFLA_IFNAME]);
    if (attrs[IFLA_IFALIAS]) link.alias = mnl_attr_get_str(attrs[IFLA_IFALIAS]);
    if (attrs[IFLA_MASTER]) link.master = static_cast<int>(mnl_attr_get_u32(attrs[IFLA_MASTER]));
    found.push_back(std::move(link));
  });
  if (error != 0) fail("reading the interfaces", error);
  return found;
}

std::optional<Link> find_link(const std::string& name) {
  const int index = static_cast<int>(::if_nametoindex(name.c_str()));
  if (index == 0) return std::nullopt;
  std::optional<Link> found;
  Message message(RTM_GETLINK, NLM_F_ACK);
  auto& body = message.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = index;
  Socket socket;
  const int error = socket.send(message, [&](const nlmsghdr& header) {
    const auto attrs = attributes(header, sizeof(ifinfomsg));
    found.emplace();
    found->index = index;
    found->name = name;
    if (attrs[IFLA_IFALIAS]) found->alias = mnl_attr_get_str(attrs[IFLA_IFALIAS]);
    if (attrs[IFLA_MASTER]) found->master = static_cast<int>(mnl_attr_get_u32(attrs[IFLA_MASTER]));
  });
  if (error == ENODEV) return std::nullopt;
  if (error != 0) fail("reading the interface " + name, error);
  return found;
}

std::vector<model::Ipv4Prefix> reachable(const std::vector<int>& except_interfaces) {
  std::vector<model::Ipv4Prefix> found;
  Message message(RTM_GETROUTE, NLM_F_DUMP);
  message.body<rtmsg>().rtm_family = AF_INET;
  Socket socket;
  const int error = socket.send(message, [&](const nlmsghdr& header) {
    const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&header));
    const auto attrs = attributes(header, sizeof(rtmsg));
    // The local table holds every address of the host, so addresses need no look of their own.
    if (body.rtm_dst_len == 0 || !attrs[RTA_DST]) return;
    if (body.rtm_type == RTN_BROADCAST || body.rtm_type == RTN_MULTICAST) return;
    const int device = attrs[RTA_OIF] ? static_cast<int>(mnl_attr_get_u32(attrs[RTA_OIF])) : 0;
    if (std::ranges::find(except_interfaces, device) != except_interfaces.end()) return;
    model::Ipv4Prefix prefix{{ntohl(mnl_attr_get_u32(attrs[RTA_DST]))}, body.rtm_dst_len};
    prefix.base.number &= prefix.mask();
    found.push_back(prefix);
  });
  if (error != 0) fail("reading the routes", error);
  return found;
}

void set_bridge(const BridgeSettings& settings) {
  Socket socket;
  if (!find_link(settings.name)) {
    Message message(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    message.body<ifinfomsg>().ifi_family = AF_UNSPEC;
    message.text(IFLA_IFNAME, settings.name);
    const auto mac = mac_bytes(settings.mac);
    message.bytes(IFLA_ADDRESS, mac.data(), mac.size());
    message.nested(IFLA_LINKINFO, [&] {
      message.text(IFLA_INFO_KIND, "bridge");
      // Without the spanning tree a port forwards at once; without snooping nobody must ask for
      // multicast.
      message.nested(IFLA_INFO_DATA, [&] {
        message.number(IFLA_BR_STP_STATE, 0);
        message.byte(IFLA_BR_MCAST_SNOOPING, 0);
      });
    });
    send_or_fail(socket, message, "making the bridge " + settings.name);
  }
  const int index = index_of(settings.name);
  // No address of IPv6 before it comes up.
  write_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", settings.name), "1");
  set_link(
      socket, index, "the bridge " + settings.name,
      [&](Message& message) {
        message.text(IFLA_IFALIAS, settings.alias);
        message.number(IFLA_MTU, settings.mtu);
      },
      true);
  Message message(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  auto& body = message.body<ifaddrmsg>();
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = static_cast<std::uint8_t>(settings.prefix_length);
  body.ifa_index = static_cast<std::uint32_t>(index);
  const auto address = htonl(settings.address.number);
  message.bytes(IFA_LOCAL, &address, sizeof address);
  message.bytes(IFA_ADDRESS, &address, sizeof address);
  send_or_fail(socket, message, "the address of the bridge " + settings.name);
}

void delete_link(const std::string& name) {
  const auto link = find_link(name);
  if (!link) return;
  Socket socket;
  Message message(RTM_DELLINK, NLM_F_ACK);
  auto& body = message.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = link->index;
  const int error = socket.send(message);
  if (error != 0 && error != ENODEV) fail("removing the interface " + name, error);
}

Descriptor open_tap(const std::string& name, const std::string& alias, const std::string& bridge,
                    std::uint32_t mtu) {
  Descriptor tap(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tap.open()) fail("/dev/net/tun", errno);
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    if (errno == EBUSY) {
      throw Error(Reason::in_use, fmt::format("a process still holds the interface {}", name));
    }
    fail("making the interface " + name, errno);
  }
  const int index = index_of(name);
  const int master = index_of(bridge);
  write_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", name), "1");
  Socket socket;
  set_link(
      socket, index, "the interface " + name,
      [&](Message& message) {
        message.text(IFLA_IFALIAS, alias);
        message.number(IFLA_MTU, mtu);
        message.number(IFLA_MASTER, static_cast<std::uint32_t>(master));
      },
      true);
  return tap;
}

bool write_sysctl(const std::string& path, const std::string& value) {
  const Descriptor file(::open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.open()) return false;
  return ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

std::string read_sysctl(const std::string& path) {
  const Descriptor file(::open(("/proc/sys/" + path).c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const auto got = file.open() ? ::read(file.get(), text, sizeof text) : 0;
  std::string value(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

}  // namespace ruche::drivers::bridge
