#include "drivers/bridge/bridge_driver.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "drivers/bridge/chains.hpp"
#include "drivers/bridge/listeners.hpp"
#include "drivers/bridge/names_server.hpp"
#include "drivers/bridge/netlink.hpp"
#include "drivers/bridge/ruleset.hpp"
#include "drivers/bridge/tools.hpp"

namespace ruche::drivers::bridge {

namespace {

using model::NetworkId;
using ports::NetworkPlan;
using ports::NetworkPort;

constexpr Duration kServerPatience{5'000};
constexpr Duration kServerPause{20};
constexpr Duration kFirstRestart{200};
constexpr Duration kLongestRestart{10'000};
constexpr const char* kNetworkWord = "network ";

std::vector<std::string> existing(std::vector<std::string> paths) {
  std::erase_if(paths, [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0; });
  return paths;
}

bool is_planned(const NetworkPlan& plan, const NetworkPort& port) {
  return std::ranges::find(plan.ports, port) != plan.ports.end();
}

// A locally administered address made from the gateway's, so that the bridge keeps it whatever is
// plugged in.
std::string bridge_mac(const std::string& gateway) {
  const auto n = model::parse_ipv4(gateway)->number;
  return fmt::format("52:55:{:02x}:{:02x}:{:02x}:{:02x}", n >> 24, (n >> 16) & 255, (n >> 8) & 255,
                     n & 255);
}

class BridgeDriver : public ports::NetworkDriver {
 public:
  BridgeDriver(BridgeOptions options, BridgeServices services, Tools tools,
               ports::NetworkCapabilities capabilities)
      : options_(std::move(options)),
        services_(services),
        names_(options_.label),
        tools_(std::move(tools)),
        capabilities_(std::move(capabilities)) {}

  ports::NetworkCapabilities capabilities() const override { return capabilities_; }
  Async<std::vector<model::Ipv4Prefix>> occupied() override;
  Async<std::optional<ports::Listener>> listener(model::Protocol protocol, std::string address,
                                                 std::uint16_t port) override;
  Async<void> realize(NetworkPlan plan) override;
  Async<void> remove(NetworkId network) override;
  Async<ports::AttachedPort> attach(NetworkId network, NetworkPort port) override;
  Async<void> detach(NetworkId network, NetworkPort port) override;
  Async<model::NetworkStatus> observe(NetworkId network) override;
  Async<std::vector<NetworkId>> survey() override;

 private:
  // What this daemon has made, or found and corrected.
  struct Realized {
    NetworkPlan plan;
    std::string rules, configuration, names;
    std::shared_ptr<ports::Process> server;
    bool forwarding_was_off = false;
    std::vector<std::string> notices;
  };

  void require_ability() const;
  std::string directory(NetworkId id) const { return options_.run_directory + "/" + to_text(id); }
  std::string configuration_word(NetworkId id) const {
    return "--conf-file=" + directory(id) + "/dnsmasq.conf";
  }
  std::vector<int> own_interfaces() const;
  void require_free(const NetworkPlan& plan) const;
  void make_interface(Realized& made) const;
  Async<void> apply_rules(const std::string& path, std::string rules);
  Async<ports::HelperResult> nft(std::vector<std::string> words);
  Async<std::vector<Chain>> list_chains();
  Async<void> look_at_firewall(NetworkId id);
  Async<void> serve(NetworkId id, bool configuration_changed, bool names_changed);
  Async<void> start_server(NetworkId id);
  Async<void> end_servers(NetworkId id);
  Async<void> watch_server(NetworkId id, std::shared_ptr<ports::Process> server);
  Async<bool> restart_server(NetworkId id);

  BridgeOptions options_;
  BridgeServices services_;
  Names names_;
  Tools tools_;
  ports::NetworkCapabilities capabilities_;
  std::map<NetworkId, Realized> realized_;
};

void BridgeDriver::require_ability() const {
  if (capabilities_.available) return;
  throw Error(Reason::network_unavailable, capabilities_.reason).remedy(capabilities_.remedy);
}

std::vector<int> BridgeDriver::own_interfaces() const {
  std::vector<int> own;
  for (const auto& link : links()) {
    if (link.alias.starts_with(names_.mark_prefix())) own.push_back(link.index);
  }
  return own;
}

Async<std::vector<model::Ipv4Prefix>> BridgeDriver::occupied() {
  require_ability();
  co_return co_await services_.lane.run([this] { return reachable(own_interfaces()); });
}

Async<std::optional<ports::Listener>> BridgeDriver::listener(model::Protocol protocol,
                                                             std::string address,
                                                             std::uint16_t port) {
  const auto who =
      co_await services_.lane.run([&] { return who_listens(protocol, address, port); });
  if (!who) co_return std::nullopt;
  co_return ports::Listener{*who};
}

// --- realize ---------------------------------------------------------------------------------

void BridgeDriver::require_free(const NetworkPlan& plan) const {
  const auto subnet = *model::parse_prefix(plan.subnet);
  for (const auto& taken : reachable(own_interfaces())) {
    if (!taken.overlaps(subnet)) continue;
    throw Error(Reason::subnet_in_use,
                fmt::format("{} overlaps with {}, which this host reaches another way", plan.subnet,
                            to_text(taken)))
        .at("/subnet")
        .remedy("make a network with another subnet: ruche network create NAME --subnet …");
  }
}

// Blocks.
void BridgeDriver::make_interface(Realized& made) const {
  const auto& plan = made.plan;
  const auto bridge = names_.bridge(plan.gateway);
  if (!find_link(bridge)) require_free(plan);
  set_bridge({.name = bridge,
              .alias = names_.mark(kNetworkWord + to_text(plan.id)),
              .mac = bridge_mac(plan.gateway),
              .address = *model::parse_ipv4(plan.gateway),
              .prefix_length = model::parse_prefix(plan.subnet)->length,
              .mtu = plan.mtu});
  // For forwards from 127.0.0.1; the rules keep guests from using it.
  write_sysctl(fmt::format("net/ipv4/conf/{}/route_localnet", bridge), "1");
  if (plan.kind != model::NetworkKind::nat || read_sysctl("net/ipv4/ip_forward") == "1") return;
  made.forwarding_was_off = write_sysctl("net/ipv4/ip_forward", "1");
}

Async<void> BridgeDriver::realize(NetworkPlan plan) {
  require_ability();
  const auto id = plan.id;
  const auto place = directory(id);
  const auto bridge = names_.bridge(plan.gateway);
  auto rules = ruleset(names_, plan);
  auto configuration = name_server_configuration({bridge, place, tools_.user, tools_.group}, plan);
  auto names = hosts_file(plan) + "\n" + dhcp_file(plan);
  auto& made = realized_[id];
  made.plan = std::move(plan);
  const bool first = made.rules.empty();
  const bool names_changed = made.names != names;
  bool configuration_changed = false;
  co_await services_.lane.run([&] {
    make_interface(made);
    make_public_directory(options_.run_directory);
    make_public_directory(place);
    const auto file = place + "/dnsmasq.conf";
    configuration_changed = read_text(file) != configuration;
    if (configuration_changed) write_public(file, configuration);
    if (!names_changed) return;
    write_public(place + "/" + kHostsFile, hosts_file(made.plan));
    write_public(place + "/" + kDhcpFile, dhcp_file(made.plan));
  });
  if (made.rules != rules) {
    co_await apply_rules(place + "/rules.nft", rules);
    made.rules = std::move(rules);
  }
  co_await serve(id, configuration_changed, names_changed);
  made.names = std::move(names);
  if (first) co_await look_at_firewall(id);
}

Async<ports::HelperResult> BridgeDriver::nft(std::vector<std::string> words) {
  ports::SpawnRequest request;
  request.name = "nft";
  request.argv = std::move(words);
  request.argv.insert(request.argv.begin(), tools_.nft);
  request.environment = {"LC_ALL=C"};
  request.confinement.execute_paths = existing({tools_.nft, "/lib64/ld-linux-x86-64.so.2"});
  request.confinement.read_paths =
      existing({"/usr/lib", "/etc/ld.so.cache", "/etc/protocols", "/etc/services",
                "/etc/nsswitch.conf", "/etc/iproute2", options_.run_directory});
  co_await services_.lane.run([this] { make_public_directory(options_.run_directory); });
  co_return co_await ports::run_helper(services_.processes, std::move(request),
                                       options_.run_directory);
}

// Checked as a whole first; then one transaction, so that there is never half of it.
Async<void> BridgeDriver::apply_rules(const std::string& path, std::string rules) {
  co_await services_.lane.run([&] { write_public(path, rules); });
  for (const bool dry : {true, false}) {
    std::vector<std::string> words{"-f", path};
    if (dry) words.insert(words.begin(), "-c");
    const auto result = co_await nft(std::move(words));
    if (result.status == 0) continue;
    throw Error(Reason::network_unavailable, "nft refused the rules: " + result.error_output)
        .remedy("see whether the kernel has nf_tables with nat and bridge tables");
  }
}

Async<std::vector<Chain>> BridgeDriver::list_chains() {
  const auto result = co_await nft({"-j", "list", "chains"});
  if (result.status != 0) {
    throw Error(Reason::network_unavailable, "nft does not list: " + result.error_output);
  }
  auto chains = parse_chains(result.output);
  if (!chains) throw std::move(chains.error());
  co_return std::move(*chains);
}

// Rules that somebody flushed are made again.
Async<void> BridgeDriver::look_at_firewall(NetworkId id) {
  const auto chains = co_await list_chains();
  const auto found = realized_.find(id);
  if (found == realized_.end()) co_return;
  auto& made = found->second;
  const auto bridge = names_.bridge(made.plan.gateway);
  const auto table = names_.table(made.plan.gateway);
  made.notices = firewall_notices(chains, names_.table_prefix(), bridge);
  if (made.forwarding_was_off) {
    made.notices.insert(made.notices.begin(),
                        "IPv4 forwarding (net.ipv4.ip_forward) was off on this host; this network "
                        "needed it, so Ruche turned it on");
  }
  if (has_table(chains, "inet", table) && has_table(chains, "bridge", table)) co_return;
  services_.log.warning("bridge", "the rules of a network were gone and are made again",
                        {{"network", to_text(id)}});
  const auto path = directory(id) + "/rules.nft";
  const auto rules = made.rules;
  co_await apply_rules(path, rules);
}

// --- DHCP and DNS ----------------------------------------------------------------------------

Async<void> BridgeDriver::serve(NetworkId id, bool configuration_changed, bool names_changed) {
  auto& made = realized_.at(id);
  if (!made.server) {
    // One of an earlier daemon goes on, when it has the same configuration.
    const auto found = services_.processes.find_by_words({configuration_word(id)});
    if (found.size() == 1) made.server = services_.processes.find(found.front());
    if (made.server) services_.scope.spawn("name server", watch_server(id, made.server));
  }
  if (made.server && made.server->alive() && !configuration_changed) {
    if (names_changed) made.server->signal(SIGHUP);
    co_return;
  }
  co_await end_servers(id);
  co_await start_server(id);
}

Async<void> BridgeDriver::end_servers(NetworkId id) {
  if (const auto made = realized_.find(id); made != realized_.end()) made->second.server.reset();
  for (const auto& identity : services_.processes.find_by_words({configuration_word(id)})) {
    const std::shared_ptr<ports::Process> server = services_.processes.find(identity);
    if (!server) continue;
    server->signal(SIGKILL);
    co_await server->wait();
  }
  services_.processes.remove_cgroup("network-" + to_text(id));
}

Async<void> BridgeDriver::start_server(NetworkId id) {
  const auto place = directory(id);
  const auto gateway = realized_.at(id).plan.gateway;
  ports::SpawnRequest request;
  request.name = "dnsmasq";
  request.argv = {tools_.dnsmasq, configuration_word(id)};
  request.environment = {"LC_ALL=C"};
  request.stderr_path = place + "/dnsmasq.log";
  auto& confinement = request.confinement;
  confinement.cgroup = "network-" + to_text(id);
  confinement.memory_max = mib(128);
  confinement.pids_max = 16;
  confinement.execute_paths = existing({tools_.dnsmasq, "/lib64/ld-linux-x86-64.so.2"});
  confinement.read_paths =
      existing({"/usr/lib", "/etc", "/run/systemd/resolve", "/run/resolvconf", "/proc/sys/net",
                "/proc/net", "/proc/self/fd", "/dev/urandom", place});
  confinement.write_paths = {"/dev/null"};
  std::shared_ptr<ports::Process> server = co_await services_.processes.spawn(std::move(request));
  const Instant late = services_.clock.now() + kServerPatience;
  while (true) {
    const auto heard = co_await services_.lane.run(
        [&] { return who_listens(model::Protocol::udp, gateway, 53).has_value(); });
    if (!server->alive()) break;
    if (heard) {
      realized_.at(id).server = server;
      services_.scope.spawn("name server", watch_server(id, server));
      co_return;
    }
    if (services_.clock.now() > late) break;
    co_await sleep_for(services_.clock, kServerPause);
  }
  server->signal(SIGKILL);
  const auto words = read_text(place + "/dnsmasq.log");
  throw Error(Reason::network_unavailable, "dnsmasq does not run: " + words)
      .remedy("see whether something else uses its ports at " + gateway);
}

Async<void> BridgeDriver::watch_server(NetworkId id, std::shared_ptr<ports::Process> server) {
  co_await server->wait();
  Duration pause = kFirstRestart;
  while (true) {
    const auto made = realized_.find(id);
    if (made == realized_.end() || made->second.server != server) co_return;
    co_await sleep_for(services_.clock, pause);
    const bool runs = co_await restart_server(id);
    if (runs) co_return;
    pause = std::min(pause * 2, kLongestRestart);
  }
}

Async<bool> BridgeDriver::restart_server(NetworkId id) {
  services_.log.warning("bridge", "the name server of a network has ended and is started again",
                        {{"network", to_text(id)}});
  try {
    co_await start_server(id);
  } catch (const Error& error) {
    services_.log.warning("bridge", "the name server of a network does not start",
                          {{"network", to_text(id)}, {"why", error.full_message()}});
    co_return false;
  }
  co_return true;
}

// --- the rest --------------------------------------------------------------------------------

Async<void> BridgeDriver::remove(NetworkId network) {
  const auto word = names_.mark(kNetworkWord + to_text(network));
  std::vector<std::string> bridges, tables;
  co_await services_.lane.run([&] {
    const auto all = links();
    for (const auto& link : all) {
      if (link.alias != word) continue;
      bridges.push_back(link.name);
      tables.push_back(names_.table_prefix() + link.name.substr(7));
      for (const auto& plugged : all) {
        if (plugged.master == link.index) delete_link(plugged.name);
      }
    }
  });
  const bool known = realized_.contains(network);
  if (known) tables.push_back(names_.table(realized_.at(network).plan.gateway));
  realized_.erase(network);
  if (bridges.empty() && !known) co_return;
  co_await end_servers(network);
  for (const auto& table : tables) {
    const auto path = directory(network) + "/no-rules.nft";
    co_await services_.lane.run([&] {
      make_public_directory(directory(network));
      write_public(path, no_rules(table));
    });
    const auto result = co_await nft({"-f", path});
    if (result.status == 0) continue;
    throw Error(Reason::network_unavailable, "nft refused: " + result.error_output);
  }
  // The bridge last: it is what the next survey finds the rest by.
  co_await services_.lane.run([&] {
    for (const auto& bridge : bridges) delete_link(bridge);
    std::error_code ignored;
    std::filesystem::remove_all(directory(network), ignored);
    std::filesystem::remove(options_.run_directory, ignored);
  });
}

Async<ports::AttachedPort> BridgeDriver::attach(NetworkId network, NetworkPort port) {
  require_ability();
  const auto made = realized_.find(network);
  if (made == realized_.end() || !is_planned(made->second.plan, port)) {
    throw Error(Reason::network_unavailable, "the network is not ready for " + port.guest_name);
  }
  const auto bridge = names_.bridge(made->second.plan.gateway);
  const auto mtu = made->second.plan.mtu;
  ports::AttachedPort attached;
  attached.nic = port.nic;
  attached.interface = names_.tap(port.address);
  const auto alias = names_.mark("guest " + to_text(port.guest) + " " + port.nic);
  co_await services_.lane.run([&] {
    attached.tap = std::make_shared<Descriptor>(open_tap(attached.interface, alias, bridge, mtu));
    Descriptor vhost(::open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
    if (vhost.open()) attached.vhost = std::make_shared<Descriptor>(std::move(vhost));
  });
  co_return attached;
}

Async<void> BridgeDriver::detach(NetworkId, NetworkPort port) {
  if (!capabilities_.available) co_return;
  const auto name = names_.tap(port.address);
  co_await services_.lane.run([&] {
    const auto link = find_link(name);
    if (link && link->alias.starts_with(names_.mark_prefix())) delete_link(name);
  });
}

Async<model::NetworkStatus> BridgeDriver::observe(NetworkId network) {
  model::NetworkStatus status;
  if (!capabilities_.available) {
    status.state = model::NetworkState::unavailable;
    status.last_error = capabilities_.reason;
    co_return status;
  }
  status.state = model::NetworkState::idle;
  if (!realized_.contains(network)) co_return status;
  co_await look_at_firewall(network);
  const auto made = realized_.find(network);
  if (made == realized_.end()) co_return status;
  status.bridge = names_.bridge(made->second.plan.gateway);
  status.notices = made->second.notices;
  const auto bridge = status.bridge;
  const bool there =
      co_await services_.lane.run([&bridge] { return find_link(bridge).has_value(); });
  const bool served = made->second.server && made->second.server->alive();
  status.state = there && served ? model::NetworkState::active : model::NetworkState::unavailable;
  if (!there) status.last_error = "somebody removed its bridge";
  if (there && !served) status.last_error = "its DHCP and DNS server does not run";
  co_return status;
}

Async<std::vector<NetworkId>> BridgeDriver::survey() {
  std::vector<NetworkId> found;
  if (!capabilities_.available) co_return found;
  const auto prefix = names_.mark(kNetworkWord);
  const auto all = co_await services_.lane.run([] { return links(); });
  for (const auto& link : all) {
    if (!link.alias.starts_with(prefix)) continue;
    if (const auto id = parse_uuid(link.alias.substr(prefix.size())))
      found.push_back(NetworkId{*id});
  }
  co_return found;
}

}  // namespace

Async<std::unique_ptr<ports::NetworkDriver>> open_bridge(BridgeOptions options,
                                                         BridgeServices services) {
  Tools tools;
  ports::NetworkCapabilities capabilities;
  {
    Lane probe("network probe");
    capabilities = co_await probe.run([&] { return find_tools(tools, options.disabled); });
  }
  co_return std::make_unique<BridgeDriver>(std::move(options), services, std::move(tools),
                                           std::move(capabilities));
}

}  // namespace ruche::drivers::bridge
