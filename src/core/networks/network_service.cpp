#include "core/networks/network_service.hpp"

#include "core/networks/host_networks.hpp"
#include "core/networks/network_plans.hpp"

namespace ruche::core {

Async<Accepted> NetworkService::create(Caller caller, model::CreateNetwork request) {
  const auto able = parts_.driver.capabilities();
  if (!able.available) {
    throw Error(Reason::network_unavailable, "this host has no networks: " + able.reason)
        .remedy(able.remedy);
  }
  auto occupied = co_await parts_.driver.occupied();
  co_return co_await create_at(std::move(caller), std::move(request), std::move(occupied));
}

Async<Accepted> NetworkService::create_at(Caller caller, model::CreateNetwork request,
                                          std::vector<model::Ipv4Prefix> occupied) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::create_network(draft, parts_.self, request, occupied);
  });
}

Async<void> NetworkService::add_default(std::string name) {
  const auto& inventory = parts_.writer.inventory();
  if (!inventory.networks().empty() || inventory.name_holder("network", name)) co_return;
  std::vector<model::Ipv4Prefix> occupied;
  if (parts_.driver.capabilities().available) occupied = co_await parts_.driver.occupied();
  Caller caller;
  caller.user = "ruche";
  model::CreateNetwork request;
  request.name = std::move(name);
  co_await create_at(std::move(caller), std::move(request), std::move(occupied));
}

Async<Accepted> NetworkService::edit(Caller caller, std::string network,
                                     std::function<void(model::NetworkEdit&)> change) {
  const auto propose = [&](Draft& draft) {
    return plans::edit_network(draft, caller, network, change);
  };
  co_return co_await accept(parts_.writer, caller, propose);
}

Async<Accepted> NetworkService::remove(Caller caller, model::NetworkRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::remove_network(draft, request); });
}

Async<Accepted> NetworkService::add_forward(Caller caller, model::AddForward request) {
  co_await require_free_port(parts_.driver, request.protocol, request.host_address,
                             request.host_port, "/host_port");
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::add_forward(draft, request); });
}

Async<Accepted> NetworkService::remove_forward(Caller caller, model::RemoveForward request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::remove_forward(draft, request); });
}

}  // namespace ruche::core
