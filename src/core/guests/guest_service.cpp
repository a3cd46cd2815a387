#include "core/guests/guest_service.hpp"

namespace ruche::core {

Async<Accepted> GuestService::create(Caller caller, model::CreateVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::create(draft, site(), request); });
}
Async<Accepted> GuestService::start(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::start(draft, site(), request); });
}
Async<Accepted> GuestService::shutdown(Caller caller, model::ShutdownVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::shutdown(draft, request); });
}
Async<Accepted> GuestService::stop(Caller caller, model::StopVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::stop(draft, request); });
}
Async<Accepted> GuestService::reset(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::reset(draft, request); });
}
Async<Accepted> GuestService::pause(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::pause(draft, request); });
}
Async<Accepted> GuestService::resume(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::resume(draft, request); });
}
Async<Accepted> GuestService::freeze(Caller caller, model::FreezeVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::freeze(draft, request); });
}
Async<Accepted> GuestService::thaw(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::thaw(draft, request); });
}
Async<Accepted> GuestService::remove(Caller caller, model::DeleteVm request) {
  // A dry run of a running guest shows the whole way, and says what the real one needs.
  const bool assume_stop = caller.dry_run && !request.stop;
  request.stop = request.stop || assume_stop;
  auto accepted = co_await accept(parts_.writer, std::move(caller),
                                  [&](Draft& draft) { return plans::remove(draft, request); });
  const bool stops = std::holds_alternative<model::StopMachine>(accepted.task.plan.front());
  if (assume_stop && stops) accepted.task.summary += " (it has a process: only with --stop)";
  co_return accepted;
}
Async<Accepted> GuestService::undelete(Caller caller, model::UndeleteVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::undelete(draft, request); });
}
Async<Accepted> GuestService::move(Caller caller, model::MoveVm request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::move(draft, request); });
}
Async<Accepted> GuestService::edit(Caller caller, std::string vm,
                                   std::function<void(model::VmEdit&)> change) {
  const Caller asked = caller;
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::edit(draft, site(), asked, vm, change);
  });
}

}  // namespace ruche::core
