#include "core/networks/network_plans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/networks/addresses.hpp"

namespace ruche::core::plans {

using model::Facet;
using model::ObjectKind;

namespace {

Proposal propose(const NetworkRecord& record, std::string method, std::string summary, Facet claim,
                 model::Step step) {
  const auto& network = record.spec->value;
  return Proposal{std::move(method),
                  std::move(summary),
                  {ObjectKind::network, network.id.value, network.name},
                  {claim},
                  record.placement->value.host,
                  {std::move(step)}};
}

void check_name(const std::string& name) {
  if (name != "user") return;
  throw Error(Reason::bad_name, "`user` means QEMU's own network")
      .at("/name")
      .remedy("choose another name");
}

struct Target {
  std::string vm;
  std::uint16_t port = 0;
};
Target parse_target(const std::string& text) {
  const auto colon = text.rfind(':');
  Target target;
  const char* end = text.data() + text.size();
  const bool whole = colon != std::string::npos && colon > 0 &&
                     std::from_chars(text.data() + colon + 1, end, target.port).ptr == end &&
                     target.port > 0;
  if (!whole) {
    throw Error(Reason::bad_format, fmt::format("'{}' is not VM:PORT", text))
        .at("/target")
        .remedy("name the VM and the port in it: web1:80");
  }
  target.vm = text.substr(0, colon);
  return target;
}

const model::Guest& find_target(const Draft& draft, const std::string& vm,
                                const model::Network& network, model::HostId& host) {
  const auto found = draft.inventory().find_guest(vm);
  if (!found || !found->complete()) {
    throw Error(Reason::no_such_object, fmt::format("no VM {}", vm))
        .at("/target")
        .remedy("see them: ruche vm list");
  }
  const auto& guest = found->spec->value;
  const auto on = [&](const auto& nic) { return nic.network == network.id; };
  if (std::ranges::none_of(guest.spec.nics, on)) {
    throw Error(Reason::wrong_state,
                fmt::format("{} has no adapter on the network {}", guest.name, network.name))
        .at("/target")
        .remedy(fmt::format("create it with --network {}", network.name));
  }
  host = found->placement->value.host;
  return guest;
}

}  // namespace

const NetworkRecord& find_network(const Draft& draft, const std::string& reference) {
  const auto found = draft.inventory().find_network(reference);
  if (!found) {
    throw Error(Reason::no_such_object, fmt::format("no network {}", reference))
        .at("/network")
        .remedy("see them: ruche network list");
  }
  return *found;  // the inventory keeps it as long as no batch is applied
}

std::vector<std::string> guests_on(const Inventory& inventory, model::NetworkId network) {
  std::vector<std::string> names;
  for (const auto& [id, record] : inventory.guests()) {
    if (!record->spec) continue;
    const auto& nics = record->spec->value.spec.nics;
    if (std::ranges::any_of(nics, [&](const auto& nic) { return nic.network == network; })) {
      names.push_back(record->spec->value.name);
    }
  }
  return names;
}

Proposal create_network(Draft& draft, model::HostId self, const model::CreateNetwork& request,
                        const std::vector<model::Ipv4Prefix>& occupied) {
  check_name(request.name);
  const auto subnet = request.subnet.empty() ? choose_subnet(draft, occupied)
                                             : check_subnet(draft, request.subnet, occupied);
  model::Network network;
  network.id = draft.new_id<model::NetworkId>();
  network.name = request.name;
  network.description = request.description;
  network.kind = request.kind;
  network.subnet = to_text(subnet);
  network.gateway = to_text(model::Ipv4{subnet.base.number + 1});
  network.dhcp = !request.no_dhcp;
  network.domain = request.domain.empty() ? request.name + ".internal" : request.domain;
  network.mtu = request.mtu;
  network.private_answers = request.private_answers;
  network.created_at = draft.now();
  const auto id = network.id;
  draft.take_name("network", network.name, id.value);
  draft.create(keys::placement(self, id.value),
               model::Placement{.kind = ObjectKind::network, .object = id.value, .host = self});
  draft.create(keys::network_status(id), model::NetworkStatus{});
  draft.create(keys::network_spec(id), std::move(network));
  return Proposal{"network.create",
                  "Add network " + request.name,
                  {ObjectKind::network, id.value, request.name},
                  {Facet::existence},
                  self,
                  {model::ApplyNetwork{id, std::nullopt}}};
}

Proposal edit_network(Draft& draft, const Caller& caller, const std::string& reference,
                      const std::function<void(model::NetworkEdit&)>& change) {
  const auto& record = find_network(draft, reference);
  check_if_match(caller, record.spec->revision);
  const auto before = record.spec->value;
  model::NetworkEdit edit{before.name, before.description, before.kind, before.private_answers};
  change(edit);
  check_name(edit.name);
  if (edit.name != before.name) draft.take_name("network", edit.name, before.id.value);
  auto& network = draft.network(before.id);
  network.name = edit.name;
  network.description = edit.description;
  network.kind = edit.kind;
  network.private_answers = edit.private_answers;
  return propose(record, "network.set", "Change network " + before.name, Facet::configuration,
                 model::ApplyNetwork{before.id, before});
}

Proposal remove_network(Draft& draft, const model::NetworkRef& request) {
  const auto& record = find_network(draft, request.network);
  const auto& network = record.spec->value;
  const auto guests = guests_on(draft.inventory(), network.id);
  if (!guests.empty()) {
    throw Error(Reason::in_use,
                fmt::format("{} is on the network {}{}", guests.front(), network.name,
                            guests.size() > 1 ? fmt::format(", and {} more", guests.size() - 1)
                                              : std::string()))
        .at("/network")
        .remedy("purge its guests first, also those in the recycle bin: ruche vm list --deleted");
  }
  return propose(record, "network.delete", "Remove network " + network.name, Facet::existence,
                 model::RemoveNetwork{network.id});
}

Proposal add_forward(Draft& draft, const model::AddForward& request) {
  const auto& record = find_network(draft, request.network);
  const auto before = record.spec->value;
  const auto target = parse_target(request.target);
  model::HostId host;
  const auto& guest = find_target(draft, target.vm, before, host);
  const auto holder = holder_of(draft.inventory(), host,
                                {request.protocol, request.host_address, request.host_port});
  if (holder) {
    throw Error(Reason::port_in_use,
                fmt::format("host port {} leads into {} already", request.host_port, *holder))
        .at("/host_port")
        .remedy("choose another host port");
  }
  draft.network(before.id).forwards.push_back(
      {request.protocol, request.host_address, request.host_port, guest.id, target.port});
  return propose(
      record, "network.forward",
      fmt::format("Forward port {} to {}:{}", request.host_port, guest.name, target.port),
      Facet::configuration, model::ApplyNetwork{before.id, before});
}

Proposal remove_forward(Draft& draft, const model::RemoveForward& request) {
  const auto& record = find_network(draft, request.network);
  const auto before = record.spec->value;
  auto& forwards = draft.network(before.id).forwards;
  const auto removed = std::erase_if(forwards, [&](const auto& forward) {
    return forward.protocol == request.protocol && forward.host_port == request.host_port;
  });
  if (removed == 0) {
    throw Error(Reason::no_such_object,
                fmt::format("the network {} forwards no {} port {}", before.name,
                            enum_name(request.protocol), request.host_port))
        .at("/host_port")
        .remedy(fmt::format("see them: ruche network show {}", before.name));
  }
  return propose(record, "network.unforward",
                 fmt::format("Forward port {} no more", request.host_port), Facet::configuration,
                 model::ApplyNetwork{before.id, before});
}

}  // namespace ruche::core::plans
