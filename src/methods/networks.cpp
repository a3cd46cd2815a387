#include "methods/tables.hpp"
#include "model/network_requests.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> forwarding() {
  return {
      list_of<model::ForwardView>({
          .id = "network.forwards",
          .path = "/v1/networks/{network}/forwards",
          .request = &type_of<model::NetworkRef>,
          .summary = "List the forwarded ports of a network",
          .description = "Ports of the host that lead to guests on it.",
          .command = "network forwards",
          .examples = {{"Of the default network", "ruche network forwards default"}},
          .columns = {{"PORT", "host_port"},
                      {"PROTOCOL", "protocol"},
                      {"AT", "host_address"},
                      {"VM", "vm"},
                      {"ADDRESS", "address"},
                      {"GUEST PORT", "guest_port"}},
      }),
      task_of<model::AddForward>({
          .id = "network.forward",
          .verb = Verb::post,
          .path = "/v1/networks/{network}/forwards",
          .role = Role::operator_,
          .summary = "Forward a port of the host to a guest",
          .description =
              "At every address of the host, 127.0.0.1 too, unless one is given. Refused when the "
              "port leads elsewhere or a process of the host listens on it.",
          .command = "network forward",
          .examples = {{"The host's port 8080 leads to port 80 of web1",
                        "ruche network forward default 8080 web1:80",
                        R"({"host_port": 8080, "target": "web1:80"})"},
                       {"For the host itself only",
                        "ruche network forward default 8080 web1:80 --host-address 127.0.0.1"}},
      }),
      task_of<model::RemoveForward>({
          .id = "network.unforward",
          .verb = Verb::delete_,
          .path = "/v1/networks/{network}/forwards/{host_port}",
          .role = Role::operator_,
          .summary = "Forward a port no more",
          .description = "Connections that exist end.",
          .command = "network unforward",
          .examples = {{"Port 8080", "ruche network unforward default 8080"}},
      }),
  };
}

}  // namespace

std::vector<Method> network_methods() {
  std::vector<Method> methods = {
      list_of<model::NetworkView>({
          .id = "network.list",
          .path = "/v1/networks",
          .request = &type_of<ListRequest>,
          .summary = "List networks",
          .description = "What guests can be plugged into. A network takes nothing of the host as "
                         "long as no guest on it runs.",
          .command = "network list",
          .examples = {{"All of them", "ruche network list"}},
          .columns = {{"NAME", "name"},
                      {"STATE", "status.state"},
                      {"KIND", "kind"},
                      {"SUBNET", "subnet"},
                      {"VMS", "vms"},
                      {"BRIDGE", "status.bridge"},
                      {"ERROR", "status.last_error"}},
          .list_fields = {"id", "name", "description", "kind", "subnet", "state", "created_at"},
      }),
      value_of<model::NetworkRef, model::NetworkView>({
          .id = "network.show",
          .path = "/v1/networks/{network}",
          .summary = "Show a network",
          .description = "Its subnet, its forwards, and what the host has of it.",
          .command = "network show",
          .examples = {{"The default one", "ruche network show default"}},
      }),
      task_of<model::CreateNetwork>({
          .id = "network.create",
          .verb = Verb::post,
          .path = "/v1/networks",
          .role = Role::administrator,
          .summary = "Add a network",
          .description = "A free subnet is chosen unless one is given; it stays.",
          .command = "network create",
          .examples = {{"One without a way out", "ruche network create lab --kind isolated",
                        R"({"name": "lab", "kind": "isolated"})"},
                       {"With a subnet of your own",
                        "ruche network create office --subnet 10.20.0.0/24"}},
      }),
      {
          .id = "network.set",
          .verb = Verb::patch,
          .path = "/v1/networks/{network}",
          .role = Role::administrator,
          .answer = Answer::task,
          .request = &type_of<model::NetworkEdit>,
          .result = &type_of<model::TaskView>,
          .patch = true,
          .summary = "Change a network",
          .description = "A merge patch (RFC 7396). Guests that run notice at once.",
          .command = "network set",
          .examples = {{"Close the way out", "ruche network set lab --kind isolated",
                        R"({"kind": "isolated"})"}},
      },
      task_of<model::NetworkRef>({
          .id = "network.delete",
          .verb = Verb::delete_,
          .path = "/v1/networks/{network}",
          .role = Role::administrator,
          .summary = "Remove a network",
          .description = "Refused while a guest has an adapter on it, also one in the recycle bin.",
          .command = "network delete",
          .examples = {{"Remove it", "ruche network delete lab"}},
      }),
  };
  for (auto& method : forwarding()) methods.push_back(std::move(method));
  return methods;
}

}  // namespace ruche::methods
