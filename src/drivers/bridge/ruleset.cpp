#include "drivers/bridge/ruleset.hpp"

#include <fmt/format.h>

#include "model/hardware.hpp"

namespace ruche::drivers::bridge {

namespace {

using ports::NetworkPlan;

// Only what the model's own parsers accept may become part of a rule.
void check(const NetworkPlan& plan) {
  const auto address = [](const std::string& text) {
    if (!model::parse_ipv4(text)) {
      throw Error(Reason::bad_spec, fmt::format("'{}' is no IPv4 address", text));
    }
  };
  if (!model::parse_prefix(plan.subnet)) {
    throw Error(Reason::bad_spec, fmt::format("'{}' is no subnet", plan.subnet));
  }
  address(plan.gateway);
  for (const auto& port : plan.ports) {
    address(port.address);
    if (!model::is_mac(port.mac))
      throw Error(Reason::bad_spec, fmt::format("'{}' is no hardware address", port.mac));
  }
  for (const auto& forward : plan.forwards) {
    address(forward.address);
    if (!forward.host_address.empty()) address(forward.host_address);
  }
}

std::string begin(const char* family, const std::string& table) {
  return fmt::format("add table {0} {1}\ndelete table {0} {1}\ntable {0} {1} {{\n", family, table);
}

std::string forward_rules(const NetworkPlan& plan) {
  std::string out;
  for (const auto& forward : plan.forwards) {
    const auto to = forward.host_address.empty() ? std::string("fib daddr type local")
                                                 : "ip daddr " + forward.host_address;
    out += fmt::format("    {} {} dport {} dnat ip to {}:{}\n", to, enum_name(forward.protocol),
                       forward.host_port, forward.address, forward.port);
  }
  return out;
}

// What reaches the host and passes through it.
std::string routed(const std::string& table, const std::string& bridge, const NetworkPlan& plan) {
  const auto forwards = forward_rules(plan);
  auto out = begin("inet", table);
  // Forwards from 127.0.0.1 need route_localnet on the bridge; guests must not gain from it. DNS
  // and DHCP of this network answer nobody else.
  out += fmt::format(R"(  chain early {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{0}" ip daddr 127.0.0.0/8 drop
    iifname != {{ "{0}", "lo" }} ip daddr {1} meta l4proto {{ tcp, udp }} th dport {{ 53, 67 }} drop
  }}
  chain incoming {{
    type nat hook prerouting priority dstnat; policy accept;
{2}  }}
  chain own {{
    type nat hook output priority -100; policy accept;
{2}  }}
)",
                     bridge, plan.gateway, forwards);
  // Where bridges are told to show what they switch (bridge-nf-call-iptables), packets between
  // guests pass here too.
  out += fmt::format(R"(  chain through {{
    type filter hook forward priority filter; policy accept;
    iifname != "{0}" oifname != "{0}" accept
    iifname "{0}" oifname "{0}" accept
    ct state established,related accept
    oifname "{0}" ct status dnat accept
    oifname "{0}" drop
)",
                     bridge);
  if (plan.kind == model::NetworkKind::isolated)
    out += fmt::format("    iifname \"{}\" drop\n", bridge);
  out += fmt::format(R"(  }}
  chain outgoing {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{0}" ip saddr 127.0.0.0/8 masquerade
    oifname "{0}" ip saddr {1} ct status dnat masquerade
)",
                     bridge, plan.subnet);
  if (plan.kind == model::NetworkKind::nat) {
    out += fmt::format("    oifname != \"{}\" ip saddr {} ip daddr != 224.0.0.0/4 masquerade\n",
                       bridge, plan.subnet);
  }
  return out + "  }\n}\n";
}

// What guests may send to each other and to the host: their own addresses only. IPv6 and VLAN tags
// belong to no network of this kind.
std::string switched(const Names& names, const NetworkPlan& plan) {
  std::string jumps;
  for (const auto& pattern : names.taps_of(*model::parse_prefix(plan.subnet))) {
    jumps += fmt::format("    iifname \"{}*\" jump guests\n", pattern);
  }
  auto out = begin("bridge", names.table(plan.gateway));
  std::string macs, addresses;
  for (const auto& port : plan.ports) {
    const auto tap = names.tap(port.address);
    macs += fmt::format("{}\"{}\" . {}", macs.empty() ? "" : ",\n      ", tap, port.mac);
    addresses +=
        fmt::format("{}\"{}\" . {}", addresses.empty() ? "" : ",\n      ", tap, port.address);
  }
  const auto set = [&out](const char* name, const char* type, const std::string& elements) {
    out += fmt::format("  set {} {{\n    type ifname . {}\n", name, type);
    if (!elements.empty()) out += fmt::format("    elements = {{\n      {}\n    }}\n", elements);
    out += "  }\n";
  };
  set("macs", "ether_addr", macs);
  set("addresses", "ipv4_addr", addresses);
  out += fmt::format(R"(  chain guests {{
    iifname . ether saddr != @macs drop
    ether type arp goto resolution
    ether type ip goto packets
    drop
  }}
  chain resolution {{
    iifname . arp saddr ether != @macs drop
    arp saddr ip 0.0.0.0 accept
    iifname . arp saddr ip @addresses accept
    drop
  }}
  chain packets {{
    udp sport 67 drop
    iifname . ip saddr @addresses accept
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    drop
  }}
  chain incoming {{
    type filter hook prerouting priority dstnat; policy accept;
{}  }}
}}
)",
                     jumps);
  return out;
}

}  // namespace

std::string ruleset(const Names& names, const NetworkPlan& plan) {
  check(plan);
  const auto bridge = names.bridge(plan.gateway);
  return routed(names.table(plan.gateway), bridge, plan) + switched(names, plan);
}

std::string no_rules(const std::string& table) {
  std::string out;
  for (const char* family : {"inet", "bridge"}) {
    out += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family, table);
  }
  return out;
}

}  // namespace ruche::drivers::bridge
