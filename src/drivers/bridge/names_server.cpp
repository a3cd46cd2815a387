#include "drivers/bridge/names_server.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::drivers::bridge {

using ports::NetworkPlan;

std::string name_server_configuration(const NameServerPlace& place, const NetworkPlan& plan) {
  const auto subnet = model::parse_prefix(plan.subnet);
  if (!subnet) throw Error(Reason::bad_spec, fmt::format("'{}' is no subnet", plan.subnet));
  std::string out = "# Written by Ruche; changes are lost.\n";
  // On its own bridge only, and not by another name of the host.
  out += fmt::format("keep-in-foreground\nbind-interfaces\ninterface={}\nexcept-interface=lo\n",
                     place.interface);
  out += fmt::format("user={}\ngroup={}\npid-file=\nlog-facility=-\n", place.user, place.group);
  out += fmt::format("no-hosts\nexpand-hosts\naddn-hosts={}/{}\n", place.directory, kHostsFile);
  out += fmt::format("domain={0}\nlocal=/{0}/\ndomain-needed\ncache-size=1000\n", plan.domain);
  if (plan.kind == model::NetworkKind::isolated) out += "no-resolv\n";
  if (!plan.private_answers) out += "bogus-priv\nstop-dns-rebind\nrebind-localhost-ok\n";
  if (!plan.dhcp) return out;
  out += fmt::format("dhcp-range={},static,{},12h\n", to_text(subnet->base),
                     to_text(model::Ipv4{subnet->mask()}));
  out += fmt::format("dhcp-hostsfile={}/{}\n", place.directory, kDhcpFile);
  // Only guests that we know; their addresses are fixed, so no leases need be remembered.
  out += "dhcp-ignore=tag:!known\ndhcp-authoritative\nleasefile-ro\nno-ping\nquiet-dhcp\n";
  const bool routes = plan.kind == model::NetworkKind::nat;
  out += routes ? fmt::format("dhcp-option=option:router,{}\n", plan.gateway)
                : std::string("dhcp-option=option:router\n");
  out += fmt::format("dhcp-option=option:dns-server,{}\n", plan.gateway);
  out += fmt::format("dhcp-option=option:domain-search,{}\n", plan.domain);
  if (plan.mtu != 1500) out += fmt::format("dhcp-option=option:mtu,{}\n", plan.mtu);
  return out;
}

std::string hosts_file(const NetworkPlan& plan) {
  std::string out;
  const auto gateway = [](const auto& port) { return port.guest_name == "gateway"; };
  if (std::ranges::none_of(plan.ports, gateway)) out = plan.gateway + " gateway\n";
  for (const auto& port : plan.ports) {
    out += fmt::format("{} {}\n", port.address, port.guest_name);
  }
  return out;
}

std::string dhcp_file(const NetworkPlan& plan) {
  std::string out;
  for (const auto& port : plan.ports) {
    out += fmt::format("{},{},{}\n", port.mac, port.address, port.guest_name);
  }
  return out;
}

}  // namespace ruche::drivers::bridge
