#include "core/guests/plan_parts.hpp"

#include <fmt/format.h>

#include "core/networks/addresses.hpp"
#include "core/networks/network_plans.hpp"
#include "core/placement/admission.hpp"
#include "model/guest_rules.hpp"
#include "model/hardware.hpp"

namespace ruche::core::plans {

namespace {

constexpr const char* kDefaultNetwork = "default";
// Users of guest processes: above every range that distributions hand out (login.defs(5), nss-
// systemd(8)), below 2^31.
constexpr std::uint32_t kFirstUid = 0x70000000;
constexpr std::uint32_t kUidCount = 0x08000000;

const model::HostStatus& host_status(const Draft& draft, model::HostId host) {
  const auto found = draft.inventory().hosts().find(host.value);
  if (found == draft.inventory().hosts().end() || !found->second->status) {
    throw Error(Reason::host_unavailable, "the host has not described itself yet")
        .remedy("try again in a moment");
  }
  return found->second->status->value;
}

// The network that the request means, or the default one where it works; null: QEMU's own.
const NetworkRecord* choose_network(const Draft& draft, const Site& site,
                                    const std::string& wished) {
  if (wished == "user") return nullptr;
  const auto& able = site.networks;
  if (wished.empty()) {
    const auto found = draft.inventory().find_network(kDefaultNetwork);
    return able.available ? found.get() : nullptr;  // the inventory keeps it
  }
  const auto& record = find_network(draft, wished);
  if (able.available) return &record;
  throw Error(Reason::network_unavailable, "this host has no networks: " + able.reason)
      .at("/network")
      .remedy(able.remedy);
}

}  // namespace

const model::Image& find_image(Draft& draft, const std::string& reference,
                               const std::string& field) {
  const auto record = draft.inventory().find_image(reference);
  if (!record) {
    throw Error(Reason::no_such_object, fmt::format("no image {}", reference))
        .at(field)
        .remedy("see them: ruche image list; make one: ruche image build demo");
  }
  const model::Image& image = record->spec->value;  // the inventory keeps it
  if (image.state != model::ImageState::ready) {
    throw Error(Reason::wrong_state, fmt::format("the image {} is still being made", image.name))
        .at(field)
        .remedy("wait for its task: ruche task list");
  }
  stand_on(draft, record->placement, "the image " + image.name);
  return image;
}

const model::Image& find_medium(Draft& draft, model::DatastoreId datastore,
                                const std::string& reference, const std::string& field) {
  const auto& image = find_image(draft, reference, field);
  if (image.kind != model::ImageKind::iso) {
    throw Error(Reason::bad_spec, fmt::format("{} is no CD image", image.name))
        .at(field)
        .remedy("give an image of kind iso: ruche image list");
  }
  if (image.datastore != datastore) {
    throw Error(Reason::bad_spec, fmt::format("the image {} is on another datastore", image.name))
        .at(field)
        .remedy("import it into the VM's datastore");
  }
  return image;
}

std::optional<model::PoolId> pool_named(const Draft& draft, const std::string& reference,
                                        model::HostId host) {
  if (reference.empty()) return std::nullopt;
  const auto record = draft.inventory().find_pool(reference);
  if (!record) {
    throw Error(Reason::no_such_object, fmt::format("no resource pool {}", reference))
        .at("/pool")
        .remedy("see them: ruche pool list");
  }
  const auto& pool = record->spec->value;
  if (pool.host != host) {
    throw Error(Reason::bad_spec, fmt::format("the resource pool {} is another host's", pool.name))
        .at("/pool")
        .remedy("choose a pool of the VM's own host: ruche pool list");
  }
  return pool.id;
}

std::uint32_t take_uid(Draft& draft, model::GuestId guest) {
  while (true) {
    const auto uid = kFirstUid + static_cast<std::uint32_t>(draft.random().below(kUidCount));
    if (draft.inventory().name_holder("uid", std::to_string(uid))) continue;
    draft.take_name("uid", std::to_string(uid), guest.value);
    return uid;
  }
}

std::string take_mac(Draft& draft, model::GuestId guest) {
  while (true) {
    const std::string mac = model::make_mac(draft.random());
    if (draft.inventory().name_holder("mac", mac)) continue;
    draft.take_name("mac", mac, guest.value);
    return mac;
  }
}

void stand_on(Draft& draft, const std::optional<Stored<model::Placement>>& placement,
              const std::string& name) {
  if (!placement) return;
  draft.depend(keys::placement(placement->value.host, placement->value.object));
  for (const auto& claim : placement->value.claims) {
    throw Error(Reason::claimed, fmt::format("{} is busy: task {}", name, to_text(claim.task)))
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
  }
}

void check_forwards(const Draft& draft, const std::vector<model::PortForward>& forwards,
                    model::HostId host, const std::string& field) {
  for (std::size_t i = 0; i < forwards.size(); ++i) {
    const auto port = forwards[i].host_port;
    const auto holder =
        holder_of(draft.inventory(), host, {model::Protocol::tcp, "127.0.0.1", port});
    if (!holder) continue;
    throw Error(Reason::port_in_use,
                fmt::format("host port {} leads into {} already", port, *holder))
        .at(fmt::format("{}/{}/host_port", field, i))
        .remedy("choose another host port");
  }
}

void check_host(const Draft& draft, const Site& site, const model::Guest& guest) {
  const auto& host = host_status(draft, site.self);
  unwrap(can_run_baseline(host, guest.spec.cpu_baseline));
  unwrap(can_place(host, site.capabilities.numa_nodes, guest.spec));
  const auto wanted = model::reservation_of(guest.spec, site.capabilities.overhead);
  const auto record = draft.inventory().hosts().find(site.self.value)->second;
  if (record->ledger) unwrap(could_ever_run(record->ledger->value, wanted));
}

void check_room(const Draft& draft, const model::Guest& guest, Bytes memory,
                const std::string& otherwise) {
  const auto store = draft.inventory().datastores().find(guest.datastore.value);
  if (store == draft.inventory().datastores().end() || !store->second->status) return;
  const auto& status = store->second->status->value;
  if (status.state != model::DatastoreState::available || status.available >= memory) return;
  const auto free = status.available;
  const auto name =
      store->second->spec ? store->second->spec->value.name : to_text(guest.datastore);
  throw Error(Reason::not_enough_space,
              fmt::format("the memory of {} may need {}, and the datastore {} has {} free",
                          guest.name, to_text(memory), name, to_text(free)))
      .remedy("make room there, or " + otherwise);
}

void plug_in(Draft& draft, const Site& site, const std::string& wished, model::GuestId guest,
             model::NicSpec& nic) {
  const auto* record = choose_network(draft, site, wished);
  if (record == nullptr) return;
  const auto& network = record->spec->value;
  draft.depend(keys::placement(record->placement->value.host, network.id.value));
  for (const auto& claim : record->placement->value.claims) {
    if (claim.facet != model::Facet::existence) continue;
    throw Error(Reason::claimed, fmt::format("the network {} comes or goes: task {}", network.name,
                                             to_text(claim.task)))
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
  }
  nic.kind = model::NicKind::network;
  nic.network = network.id;
  nic.address = take_address(draft, network, guest);
}

}  // namespace ruche::core::plans
