#include "api/live.hpp"

#include <fmt/format.h>

namespace ruche::api {

std::shared_ptr<ports::Machine> live_machine(const Context& context,
                                             const core::GuestRecord& record,
                                             std::string_view what) {
  const auto& guest = record.spec->value;
  auto machine = context.parts.live.find(guest.id);
  if (machine) return machine;
  const auto host = record.placement->value.host;
  if (host != context.parts.self) {
    throw Error(Reason::not_owner,
                fmt::format("{} is on host {}", guest.name, context.renderer().host_name(host)))
        .remedy("ask that host");
  }
  throw Error(Reason::wrong_state,
              fmt::format("{} does not run, so it has no {}", guest.name, what))
      .remedy(fmt::format("start it: ruche vm start {}", guest.name));
}

}  // namespace ruche::api
