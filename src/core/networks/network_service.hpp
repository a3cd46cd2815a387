// What users can ask of networks.
#pragma once

#include <functional>
#include <string>

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/network_requests.hpp"
#include "ports/networks.hpp"

namespace ruche::core {

class NetworkService {
 public:
  struct Parts {
    Writer& writer;
    ports::NetworkDriver& driver;
    model::HostId self;
  };
  explicit NetworkService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> create(Caller caller, model::CreateNetwork request);
  Async<Accepted> edit(Caller caller, std::string network,
                       std::function<void(model::NetworkEdit&)> change);
  Async<Accepted> remove(Caller caller, model::NetworkRef request);
  Async<Accepted> add_forward(Caller caller, model::AddForward request);
  Async<Accepted> remove_forward(Caller caller, model::RemoveForward request);
  // The network that guests are plugged into when nobody says otherwise: made once, when there is
  // no network at all.
  Async<void> add_default(std::string name);

 private:
  Async<Accepted> create_at(Caller caller, model::CreateNetwork request,
                            std::vector<model::Ipv4Prefix> occupied);

  Parts parts_;
};

}  // namespace ruche::core
