#include "model/network_requests.hpp"

namespace ruche::model {

constexpr auto describe(Type<CreateNetwork>) {
  return structure<CreateNetwork>(
      "CreateNetwork", "A network to add.",
      field<&CreateNetwork::name>(
          "name", "Unique name.",
          {.required = true, .format = "name", .positional = true, .example = "lab"}),
      field<&CreateNetwork::description>("description", "Notes.", {.max_length = 4096}),
      field<&CreateNetwork::kind>("kind", "How it is joined to the rest of the world."),
      field<&CreateNetwork::subnet>("subnet", "IPv4 subnet; a free one is chosen when absent.",
                                    {.format = "cidr", .example = "10.20.0.0/24"}),
      field<&CreateNetwork::no_dhcp>("no_dhcp", "Without DHCP: guests set their address."),
      field<&CreateNetwork::domain>("domain",
                                    "DNS domain of its guests; <name>.internal by default.",
                                    {.format = "hostname"}),
      field<&CreateNetwork::mtu>("mtu", "Largest packet.", {.min = 576, .max = 9000}),
      field<&CreateNetwork::private_answers>("private_answers",
                                             "Let DNS answers with private addresses through."));
}

constexpr auto describe(Type<NetworkEdit>) {
  return structure<NetworkEdit>(
      "NetworkEdit", "What can be changed of a network.",
      field<&NetworkEdit::name>("name", "Unique name.", {.format = "name"}),
      field<&NetworkEdit::description>("description", "Notes.", {.max_length = 4096}),
      field<&NetworkEdit::kind>("kind", "How it is joined to the rest of the world."),
      field<&NetworkEdit::private_answers>("private_answers",
                                           "Let DNS answers with private addresses through."));
}

constexpr auto describe(Type<NetworkRef>) {
  return structure<NetworkRef>(
      "NetworkRef", "A network.",
      field<&NetworkRef::network>(
          "network", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "default"}));
}

constexpr auto describe(Type<AddForward>) {
  return structure<AddForward>(
      "AddForward", "A port of the host that shall lead to a guest.",
      field<&AddForward::network>(
          "network", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "default"}),
      field<&AddForward::host_port>(
          "host_port", "Port on the host.",
          {.required = true, .min = 1, .positional = true, .example = "8080"}),
      field<&AddForward::target>(
          "target", "VM:PORT: its name or id, and the port in it.",
          {.required = true, .max_length = 80, .positional = true, .example = "web1:80"}),
      field<&AddForward::protocol>("protocol", "Protocol."),
      field<&AddForward::host_address>(
          "host_address", "Only at this address of the host; at all of them when absent.",
          {.format = "ipv4", .example = "127.0.0.1"}));
}

constexpr auto describe(Type<RemoveForward>) {
  return structure<RemoveForward>(
      "RemoveForward", "A port of the host that shall lead nowhere any more.",
      field<&RemoveForward::network>(
          "network", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "default"}),
      field<&RemoveForward::host_port>(
          "host_port", "Port on the host.",
          {.required = true, .min = 1, .positional = true, .example = "8080"}),
      field<&RemoveForward::protocol>("protocol", "Protocol."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateNetwork>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NetworkRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AddForward>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RemoveForward>();
