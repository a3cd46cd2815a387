#include "core/placement/host_service.hpp"

namespace ruche::core {

Async<model::HostFacts> HostService::inspect() {
  auto facts = co_await host_info_.inspect();
  facts.hypervisor = {.installed = facts.hypervisor.installed,
                      .accelerator = engine_.accelerator,
                      .reason = engine_.accelerator_reason,
                      .version = engine_.version,
                      .features = engine_.features};
  co_return facts;
}

}  // namespace ruche::core
