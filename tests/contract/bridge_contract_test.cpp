// The real networks: the contract, and what only real packets show. Guests are taps that the test
// holds, so it sees and sends every frame itself.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <array>
#include <cstring>

#include "contract/bridge_harness.hpp"

namespace ruche::contract {
namespace {

// No GTEST_SKIP inside a coroutine: tests without root are simply not there.
const bool kSkip = !no_real_networks().empty();

INSTANTIATE_TEST_SUITE_P(Bridge, NetworkContract,
                         testing::ValuesIn(kSkip ? std::vector<MakeNetworks>{}
                                                 : std::vector<MakeNetworks>{[] {
                                                     return std::unique_ptr<NetworkHarness>(
                                                         new BridgeHarness);
                                                   }}));

using Frame = std::vector<std::uint8_t>;
constexpr std::size_t kHeader = 10;  // struct virtio_net_hdr, before each frame of such a tap
constexpr std::uint32_t kBroadcast = 0xffffffff;

void add16(Frame& frame, std::uint32_t value) {
  frame.push_back(static_cast<std::uint8_t>(value >> 8));
  frame.push_back(static_cast<std::uint8_t>(value));
}
void add32(Frame& frame, std::uint32_t value) {
  add16(frame, value >> 16);
  add16(frame, value & 0xffff);
}
std::uint32_t number(const std::string& address) { return model::parse_ipv4(address)->number; }

Frame mac_of(const std::string& text) {
  Frame mac;
  for (std::size_t i = 0; i < 17; i += 3) {
    mac.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return mac;
}

// One guest: what it sends is under the test's control, lies included.
class TapGuest {
 public:
  TapGuest(ports::AttachedPort port, const ports::NetworkPort& place)
      : port_(std::move(port)), mac_(mac_of(place.mac)), address_(place.address) {}

  void send(const Frame& frame) {
    Frame whole(kHeader, 0);
    whole.insert(whole.end(), frame.begin(), frame.end());
    EXPECT_EQ(::write(port_.tap->get(), whole.data(), whole.size()),
              static_cast<ssize_t>(whole.size()));
  }
  Frame ethernet(const Frame& to, std::uint32_t type, const Frame& from) const {
    Frame frame = to;
    frame.insert(frame.end(), from.begin(), from.end());
    add16(frame, type);
    return frame;
  }
  // "Who has `wanted`? Tell `own`."
  Frame arp(const std::string& wanted, const std::string& own, const Frame& from) const {
    Frame frame = ethernet(Frame(6, 0xff), 0x0806, from);
    add16(frame, 1);
    add16(frame, 0x0800);
    frame.push_back(6);
    frame.push_back(4);
    add16(frame, 1);
    frame.insert(frame.end(), from.begin(), from.end());
    add32(frame, number(own));
    frame.insert(frame.end(), 6, 0);
    add32(frame, number(wanted));
    return frame;
  }
  Frame udp(std::uint32_t source, std::uint32_t target, std::uint16_t from_port,
            std::uint16_t to_port, const Frame& data) const {
    Frame frame = ethernet(Frame(6, 0xff), 0x0800, mac_);
    const auto start = frame.size();
    add16(frame, 0x4500);
    add16(frame, static_cast<std::uint32_t>(28 + data.size()));
    add32(frame, 0);
    add16(frame, 0x4011);
    add16(frame, 0);
    add32(frame, source);
    add32(frame, target);
    std::uint32_t sum = 0;
    for (std::size_t i = start; i < start + 20; i += 2) sum += frame[i] * 256U + frame[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    frame[start + 10] = static_cast<std::uint8_t>(sum >> 8);
    frame[start + 11] = static_cast<std::uint8_t>(sum);
    add16(frame, from_port);
    add16(frame, to_port);
    add16(frame, static_cast<std::uint32_t>(8 + data.size()));
    add16(frame, 0);  // no checksum
    frame.insert(frame.end(), data.begin(), data.end());
    return frame;
  }
  // The next frame that `wanted` accepts; nothing within the time: nullopt.
  std::optional<Frame> receive(const std::function<bool(const Frame&)>& wanted, int ms) {
    for (int waited = 0; waited <= ms;) {
      pollfd ready{port_.tap->get(), POLLIN, 0};
      if (::poll(&ready, 1, 20) == 0) {
        waited += 20;
        continue;
      }
      Frame frame(2048);
      const auto got = ::read(port_.tap->get(), frame.data(), frame.size());
      if (got < static_cast<ssize_t>(kHeader)) continue;
      frame.resize(static_cast<std::size_t>(got));
      frame.erase(frame.begin(), frame.begin() + kHeader);
      if (wanted(frame)) return frame;
    }
    return std::nullopt;
  }
  bool hears_arp_of(const std::string& address, int ms) {
    return receive(
               [&](const Frame& f) {
                 return f.size() >= 32 && f[12] == 8 && f[13] == 6 &&
                        word(f, 28) == number(address);
               },
               ms)
        .has_value();
  }
  static std::uint32_t word(const Frame& f, std::size_t at) {
    return std::uint32_t{f[at]} << 24 | std::uint32_t{f[at + 1]} << 16 |
           std::uint32_t{f[at + 2]} << 8 | f[at + 3];
  }
  const Frame& mac() const { return mac_; }
  const std::string& address() const { return address_; }

 private:
  ports::AttachedPort port_;
  Frame mac_;
  std::string address_;
};

class RealNetwork : public testing::Test {
 protected:
  void SetUp() override {
    const auto why = no_real_networks();
    if (!why.empty()) GTEST_SKIP() << why;
    harness_ = std::make_unique<BridgeHarness>();
  }
  void TearDown() override {
    guests_.clear();
    if (harness_) run([&]() -> Async<void> { co_await driver().remove(plan_.id); });
  }
  ports::NetworkDriver& driver() { return harness_->driver(); }
  void run(std::function<Async<void>()> work) { harness_->run(std::move(work)); }
  void plug_in_two() {
    run([&]() -> Async<void> {
      co_await driver().realize(plan_);
      for (const auto& port : plan_.ports) {
        auto plugged = co_await driver().attach(plan_.id, port);
        guests_.push_back(std::make_unique<TapGuest>(std::move(plugged), port));
      }
    });
  }
  TapGuest& web0() { return *guests_[0]; }
  TapGuest& web1() { return *guests_[1]; }

  std::unique_ptr<BridgeHarness> harness_;
  ports::NetworkPlan plan_ = plan_with(2);
  std::vector<std::unique_ptr<TapGuest>> guests_;
};

TEST_F(RealNetwork, GuestsHearEachOtherAndTheHost) {
  plug_in_two();
  web0().send(web0().arp(plan_.gateway, web0().address(), web0().mac()));
  EXPECT_TRUE(web0().hears_arp_of(plan_.gateway, 5000)) << "the host does not answer";
  web0().send(web0().arp(web1().address(), web0().address(), web0().mac()));
  EXPECT_TRUE(web1().hears_arp_of(web0().address(), 5000)) << "the other guest hears nothing";
}

TEST_F(RealNetwork, NobodyLiesAboutWhoHeIs) {
  plug_in_two();
  const Frame other = mac_of("52:54:00:00:00:99");
  // Another hardware address, another's IPv4 address by ARP, IPv6, a VLAN tag.
  web0().send(web0().arp(web1().address(), web0().address(), other));
  web0().send(web0().arp(plan_.gateway, web1().address(), web0().mac()));
  web0().send(web0().arp(web1().address(), plan_.gateway, web0().mac()));
  web0().send(web0().ethernet(Frame(6, 0xff), 0x86dd, web0().mac()));
  web0().send(web0().ethernet(Frame(6, 0xff), 0x8100, web0().mac()));
  // Another's IPv4 address in a packet, and an answer as of a DHCP server.
  web0().send(web0().udp(number(web1().address()), kBroadcast, 4000, 4001, Frame(8, 1)));
  web0().send(web0().udp(number(web0().address()), kBroadcast, 67, 68, Frame(8, 1)));
  // What is true comes through, and is the first that the other hears.
  web0().send(web0().udp(number(web0().address()), kBroadcast, 4000, 4001, Frame(8, 7)));
  const auto from_web0 = [&](const Frame& f) {
    return std::equal(f.begin() + 6, f.begin() + 12, web0().mac().begin()) ||
           std::equal(f.begin() + 6, f.begin() + 12, other.begin());
  };
  const auto first = web1().receive(from_web0, 5000);
  ASSERT_TRUE(first.has_value()) << "the honest packet did not come through";
  ASSERT_EQ(first->size(), 50u);
  EXPECT_EQ((*first)[49], 7) << "a lie came through";
  EXPECT_EQ(TapGuest::word(*first, 26), number(web0().address()));
}

// RFC 2131: DISCOVER, with the magic cookie and the message type.
Frame discover(const Frame& mac) {
  Frame data = {1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x80, 0};
  data.resize(28, 0);
  data.insert(data.end(), mac.begin(), mac.end());
  data.resize(236, 0);
  for (const std::uint8_t byte : {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255}) data.push_back(byte);
  data.resize(300, 0);
  return data;
}

TEST_F(RealNetwork, DhcpOffersTheAddressThatIsKnownBefore) {
  plug_in_two();
  web1().send(web1().udp(0, kBroadcast, 68, 67, discover(web1().mac())));
  const auto offer = web1().receive(
      [](const Frame& f) {
        return f.size() > 282 && f[12] == 8 && f[13] == 0 && f[23] == 17 && f[35] == 67;
      },
      10'000);
  ASSERT_TRUE(offer.has_value()) << "no offer";
  EXPECT_EQ(TapGuest::word(*offer, 42 + 16), number(web1().address()));
}

TEST_F(RealNetwork, NamesAreAnswered) {
  plug_in_two();
  const auto server = plan_.gateway;
  const auto ask = [&](const std::string& name) {
    return shell(
        "python3 - <<'EOF'\nimport socket\n"
        "q=b'\\x12\\x34\\x01\\0\\0\\1\\0\\0\\0\\0\\0\\0'+b''.join(bytes([len(p)])+p.encode() for p "
        "in '" +
        name +
        "'.split('.'))+b'\\0\\0\\1\\0\\1'\n"
        "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(10)\n"
        "s.sendto(q,('" +
        server +
        "',53)); a=s.recv(512)\n"
        "print(a[3]&15, '.'.join(map(str,a[-4:])) if a[7] else '')\nEOF");
  };
  EXPECT_EQ(ask("web1.test.internal"), "0 " + web1().address() + "\n");
  EXPECT_EQ(ask("web0"), "0 " + web0().address() + "\n");
  EXPECT_EQ(ask("nobody.test.internal"), "3 \n");
  auto renamed = plan_;
  renamed.ports[1].guest_name = "shop";
  run([&]() -> Async<void> { co_await driver().realize(renamed); });
  std::string said;
  for (int i = 0; i < 50 && said != "0 " + web1().address() + "\n"; ++i) {
    said = ask("shop.test.internal");
  }
  EXPECT_EQ(said, "0 " + web1().address() + "\n");
}

TEST_F(RealNetwork, ForeignRulesAndBridgesStayAsTheyAre) {
  shell(
      "ip link add foreign type bridge && ip addr add 192.0.2.1/24 dev foreign && "
      "ip link set foreign up && nft add table inet foreign && "
      "nft 'add chain inet foreign forward { type filter hook forward priority 0; policy drop; }'");
  const auto state = [] {
    return shell(
        "ip addr show dev foreign | grep -v -e valid_lft -e inet6; nft list table inet foreign");
  };
  const auto before = state();
  plug_in_two();
  run([&]() -> Async<void> {
    const auto status = co_await driver().observe(plan_.id);
    EXPECT_EQ(status.state, model::NetworkState::active) << status.last_error;
    bool told = false;
    for (const auto& notice : status.notices) told = told || notice.contains("inet foreign");
    EXPECT_TRUE(told) << "a firewall that drops what is forwarded is not told about";
  });
  EXPECT_EQ(state(), before);
  guests_.clear();
  run([&]() -> Async<void> { co_await driver().remove(plan_.id); });
  EXPECT_EQ(state(), before);
  EXPECT_EQ(shell("nft list tables"), "table inet foreign\n");
  EXPECT_EQ(shell("ip -o link show type bridge | wc -l"), "1\n");
}

TEST_F(RealNetwork, RulesThatWereFlushedComeBack) {
  plug_in_two();
  const auto before = shell("nft list ruleset");
  EXPECT_NE(before.find("ruche-"), std::string::npos);
  shell("nft flush ruleset");
  run([&]() -> Async<void> { co_await driver().observe(plan_.id); });
  EXPECT_EQ(shell("nft list ruleset"), before);
}

TEST_F(RealNetwork, AKilledNameServerComesBackByItself) {
  plug_in_two();
  const std::vector<std::string> words{
      fmt::format("--conf-file={}/{}/dnsmasq.conf", harness_->directory(), to_text(plan_.id))};
  const auto first = harness_->processes().find_by_words(words);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_NE(shell(fmt::format("grep Uid /proc/{}/status", first[0].pid)), "Uid:\t0\t0\t0\t0\n");
  ::kill(first[0].pid, SIGKILL);
  run([&]() -> Async<void> {
    for (int i = 0; i < 600; ++i) {
      const auto now = harness_->processes().find_by_words(words);
      const auto status = co_await driver().observe(plan_.id);
      if (now.size() == 1 && now[0].pid != first[0].pid &&
          status.state == model::NetworkState::active) {
        co_return;
      }
      co_await sleep_for(harness_->clock(), std::chrono::milliseconds(100));
    }
    ADD_FAILURE() << "it did not come back";
  });
}

TEST_F(RealNetwork, ItSurvivesItsDaemonAndIsTakenOver) {
  plug_in_two();
  const std::vector<std::string> words{
      fmt::format("--conf-file={}/{}/dnsmasq.conf", harness_->directory(), to_text(plan_.id))};
  const auto first = harness_->processes().find_by_words(words);
  harness_->restart();
  web0().send(web0().arp(plan_.gateway, web0().address(), web0().mac()));
  EXPECT_TRUE(web0().hears_arp_of(plan_.gateway, 5000));
  run([&]() -> Async<void> { co_await driver().realize(plan_); });
  EXPECT_EQ(harness_->processes().find_by_words(words), first);
}

}  // namespace
}  // namespace ruche::contract
