// What a network shall be → the firewall's rules and dnsmasq's files.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "drivers/bridge/names_server.hpp"
#include "drivers/bridge/ruleset.hpp"
#include "golden.hpp"

namespace ruche::ports {

constexpr auto describe(Type<NetworkPort>) {
  return structure<NetworkPort>("NetworkPort", "A guest's place.",
                                field<&NetworkPort::guest>("guest", "Guest."),
                                field<&NetworkPort::nic>("nic", "Adapter."),
                                field<&NetworkPort::guest_name>("guest_name", "Its name."),
                                field<&NetworkPort::mac>("mac", "Hardware address."),
                                field<&NetworkPort::address>("address", "Address."));
}
constexpr auto describe(Type<PortRule>) {
  return structure<PortRule>(
      "PortRule", "A forward.", field<&PortRule::protocol>("protocol", "Protocol."),
      field<&PortRule::host_address>("host_address", "Host address."),
      field<&PortRule::host_port>("host_port", "Host port."),
      field<&PortRule::address>("address", "Address."), field<&PortRule::port>("port", "Port."));
}
constexpr auto describe(Type<NetworkPlan>) {
  using P = NetworkPlan;
  return structure<P>("NetworkPlan", "A network.", field<&P::id>("id", "Id."),
                      field<&P::kind>("kind", "Kind."), field<&P::subnet>("subnet", "Subnet."),
                      field<&P::gateway>("gateway", "Gateway."), field<&P::dhcp>("dhcp", "DHCP."),
                      field<&P::domain>("domain", "Domain."), field<&P::mtu>("mtu", "MTU."),
                      field<&P::private_answers>("private_answers", "Private answers."),
                      field<&P::ports>("ports", "Guests."),
                      field<&P::forwards>("forwards", "Forwards."));
}

}  // namespace ruche::ports

namespace ruche::drivers::bridge {
namespace {

std::string files_of(const ports::NetworkPlan& plan) {
  const Names names("01234567");
  const NameServerPlace place{names.bridge(plan.gateway), "/run/ruche/net", "dnsmasq", "nogroup"};
  return fmt::format("--- rules\n{}--- dnsmasq.conf\n{}--- hosts\n{}--- dhcp\n{}",
                     ruleset(names, plan), name_server_configuration(place, plan), hosts_file(plan),
                     dhcp_file(plan));
}

std::string render(const std::string& input) {
  const auto decoded = json::try_decode<ports::NetworkPlan>(input);
  if (!decoded) return "input refused: " + decoded.error().full_message();
  try {
    return files_of(*decoded);
  } catch (const Error& error) {
    return fmt::format("error: {}\nmessage: {}\n", error.reason_name(), error.full_message());
  }
}

TEST(GoldenNetworks, files) { golden::check_area("networks", render); }

}  // namespace
}  // namespace ruche::drivers::bridge
