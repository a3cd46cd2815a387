#include "core/guests/hardware_service.hpp"

#include "core/guests/plan_devices.hpp"

namespace ruche::core {

template <class Request>
Async<Accepted> HardwareService::run(Caller caller, Request request,
                                     Proposal (*plan)(Draft&, const plans::Site&, const Request&)) {
  co_return co_await accept(parts_.writer, std::move(caller),
                            [&](Draft& draft) { return plan(draft, site(), request); });
}

Async<Accepted> HardwareService::add_disk(Caller caller, model::AddDisk request) {
  return run(std::move(caller), std::move(request), &plans::add_disk);
}
Async<Accepted> HardwareService::remove_disk(Caller caller, model::DiskRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_disk);
}
Async<Accepted> HardwareService::grow_disk(Caller caller, model::GrowDiskRequest request) {
  return run(std::move(caller), std::move(request), &plans::grow_disk);
}
Async<Accepted> HardwareService::edit_disk(Caller caller, model::DiskRef which,
                                           std::function<void(model::DiskEdit&)> change) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::edit_disk(draft, site(), which, change);
  });
}
Async<Accepted> HardwareService::add_nic(Caller caller, model::AddNic request) {
  return run(std::move(caller), std::move(request), &plans::add_nic);
}
Async<Accepted> HardwareService::remove_nic(Caller caller, model::NicRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_nic);
}
Async<Accepted> HardwareService::edit_nic(Caller caller, model::NicRef which,
                                          std::function<void(model::NicEdit&)> change) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::edit_nic(draft, site(), which, change);
  });
}
Async<Accepted> HardwareService::add_drive(Caller caller, model::AddDrive request) {
  return run(std::move(caller), std::move(request), &plans::add_drive);
}
Async<Accepted> HardwareService::remove_drive(Caller caller, model::DriveRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_drive);
}
Async<Accepted> HardwareService::insert_medium(Caller caller, model::InsertMedium request) {
  return run(std::move(caller), std::move(request), &plans::insert_medium);
}
Async<Accepted> HardwareService::eject_medium(Caller caller, model::DriveRef request) {
  return run(std::move(caller), std::move(request), &plans::eject_medium);
}
Async<Accepted> HardwareService::add_share(Caller caller, model::AddShare request) {
  return run(std::move(caller), std::move(request), &plans::add_share);
}
Async<Accepted> HardwareService::remove_share(Caller caller, model::ShareRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_share);
}
Async<Accepted> HardwareService::add_usb(Caller caller, model::AddUsb request) {
  const auto facts = co_await parts_.host_info.inspect();
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::add_usb(draft, site(), facts, request);
  });
}
Async<Accepted> HardwareService::remove_usb(Caller caller, model::UsbRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_usb);
}
Async<Accepted> HardwareService::add_pci(Caller caller, model::AddPci request) {
  const auto facts = co_await parts_.host_info.inspect();
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    return plans::add_pci(draft, site(), facts, request);
  });
}
Async<Accepted> HardwareService::remove_pci(Caller caller, model::PciRef request) {
  return run(std::move(caller), std::move(request), &plans::remove_pci);
}

}  // namespace ruche::core
