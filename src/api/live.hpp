// The running machine behind a request for something live.
#pragma once

#include <memory>
#include <string_view>

#include "api/call.hpp"

namespace ruche::api {

// Throws not_owner when the guest is on another host and wrong_state when it does not run; `what`
// is what it therefore does not have ("console").
std::shared_ptr<ports::Machine> live_machine(const Context& context,
                                             const core::GuestRecord& record,
                                             std::string_view what);

}  // namespace ruche::api
