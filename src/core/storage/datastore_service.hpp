// What users can ask of datastores.
#pragma once

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/requests.hpp"

namespace ruche::core {

class DatastoreService {
 public:
  struct Parts {
    Writer& writer;
    model::HostId self;
  };
  explicit DatastoreService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> create(Caller caller, model::CreateDatastore request);
  Async<Accepted> remove(Caller caller, model::DatastoreRef request);

 private:
  Parts parts_;
};

}  // namespace ruche::core
