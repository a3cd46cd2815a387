// What users can ask of resource pools. A pool is nothing but documents, so all of it is done by
// one commit.
#pragma once

#include <functional>
#include <string>

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/pool_requests.hpp"

namespace ruche::core {

class PoolService {
 public:
  // Pools that are made here are `self`'s: it keeps what is reserved for them.
  PoolService(Writer& writer, model::HostId self) : writer_(writer), self_(self) {}

  // Throws name_in_use, bad_spec, and what is not free on the host.
  Async<model::PoolId> create(Caller caller, model::CreatePool request);
  // The callback throws on a bad patch. Throws pool_limit when the guests in it use more already.
  Async<void> edit(Caller caller, model::PoolId pool, std::function<void(model::PoolEdit&)> change);
  // Throws in_use while guests are in it, in the recycle bin too.
  Async<void> remove(Caller caller, model::PoolId pool);

 private:
  Writer& writer_;
  model::HostId self_;
};

}  // namespace ruche::core
