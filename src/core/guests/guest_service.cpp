#include "core/guests/guest_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/storage/placement_rules.hpp"

namespace ruche::core {

Async<Accepted> GuestService::create(Caller caller, model::CreateVm request) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::create(draft, site(), parts_.sealing, request);
  });
}

namespace {

constexpr std::size_t kMostFound = 1000;

Async<model::FoundVm> describe_found(ports::FoundGuests& files, model::GuestId id) {
  model::FoundVm shown;
  shown.id = id;
  try {
    const auto text = co_await files.read_note(id, kConfigurationNote);
    auto guest = read_configuration(text, id);
    if (!guest) throw std::move(guest.error());
    shown.name = guest->name;
    shown.cpus = guest->spec.cpus;
    shown.memory = guest->spec.memory;
    shown.disks = static_cast<std::uint32_t>(guest->spec.disks.size());
  } catch (const Error& error) {
    if (error.reason() == Reason::datastore_unavailable) throw;
    shown.problem = error.full_message();
  }
  co_return shown;
}

}  // namespace

Async<model::GuestId> GuestService::guest_called(ports::FoundGuests& files,
                                                 std::string reference) const {
  if (const auto id = parse_uuid(reference)) co_return model::GuestId{*id};
  std::vector<model::GuestId> called;
  const auto there = co_await files.guests();
  for (const auto id : there) {
    if (parts_.writer.inventory().guests().contains(id.value)) continue;
    const auto shown = co_await describe_found(files, id);
    if (shown.name == reference) called.push_back(id);
  }
  if (called.size() == 1) co_return called.front();
  // The same request once more finds it known; accept() answers that as it did at first.
  const auto known = parts_.writer.inventory().find_guest(reference);
  if (called.empty() && known && known->spec) co_return known->spec->value.id;
  throw Error(called.empty() ? Reason::no_such_object : Reason::bad_request,
              called.empty()
                  ? fmt::format("no guest {} is to be registered there", reference)
                  : fmt::format("{} guests there are called {}", called.size(), reference))
      .at("/guest")
      .remedy("see them: ruche datastore guests DATASTORE");
}

Async<Accepted> GuestService::admit(Caller caller, model::RegisterVm request) {
  auto& inventory = parts_.writer.inventory();
  co_await inventory.ready();
  const auto datastore = choose_datastore(inventory, request.datastore, parts_.self).id;
  const auto driver = parts_.pool.driver(datastore);
  const auto id = co_await guest_called(driver->found(), request.guest);
  FoundGuest found;
  found.guest.id = id;
  // One that is known is refused by the plan, unless this is the same request once more.
  if (!inventory.guests().contains(id.value)) {
    found = co_await find_guest_files(driver->found(), id);
  }
  found.guest.datastore = datastore;
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::admit(draft, site(), request, found);
  });
}

Async<std::vector<model::FoundVm>> GuestService::found_on(model::DatastoreRef request) {
  auto& inventory = parts_.writer.inventory();
  const auto datastore = choose_datastore(inventory, request.datastore, parts_.self).id;
  const auto driver = parts_.pool.driver(datastore);
  const auto there = co_await driver->found().guests();
  std::vector<model::FoundVm> shown;
  for (const auto id : there) {
    if (inventory.guests().contains(id.value)) continue;
    if (shown.size() == kMostFound) break;
    shown.push_back(co_await describe_found(driver->found(), id));
  }
  std::ranges::sort(shown, {}, &model::FoundVm::name);
  co_return shown;
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
                            [&](Draft& draft) { return plans::resume(draft, site(), request); });
}
Async<Accepted> GuestService::suspend(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::suspend(draft, request); });
}
Async<Accepted> GuestService::discard(Caller caller, model::VmRef request) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plans::discard(draft, request); });
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
Async<Accepted> GuestService::bulk(Caller caller, model::BulkVms request, plans::FindGuests find) {
  auto accepted = co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::for_each(draft, site(), request, find);
  });
  if (accepted.dry_run) {
    Draft draft(parts_.writer.inventory(), parts_.writer.clock(), parts_.writer.random());
    accepted.parts = plans::plan_parts(draft, site(), accepted.task);
  }
  co_return accepted;
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
