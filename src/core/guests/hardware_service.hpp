// What users can ask of a guest's devices, accepted in one commit as every request.
#pragma once

#include <functional>
#include <string>

#include "core/guests/plans.hpp"
#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/device_requests.hpp"
#include "ports/host_info.hpp"

namespace ruche::core {

class HardwareService {
 public:
  struct Parts {
    Writer& writer;
    model::HostId self;
    ports::EngineCapabilities capabilities;
    ports::NetworkDriver& networks;
    ports::HostInfo& host_info;
  };
  explicit HardwareService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> add_disk(Caller caller, model::AddDisk request);
  Async<Accepted> remove_disk(Caller caller, model::DiskRef request);
  Async<Accepted> grow_disk(Caller caller, model::GrowDiskRequest request);
  // The callbacks edit (a merge patch in the API); they throw on a bad patch.
  Async<Accepted> edit_disk(Caller caller, model::DiskRef which,
                            std::function<void(model::DiskEdit&)> change);
  Async<Accepted> add_nic(Caller caller, model::AddNic request);
  Async<Accepted> remove_nic(Caller caller, model::NicRef request);
  Async<Accepted> edit_nic(Caller caller, model::NicRef which,
                           std::function<void(model::NicEdit&)> change);
  Async<Accepted> add_drive(Caller caller, model::AddDrive request);
  Async<Accepted> remove_drive(Caller caller, model::DriveRef request);
  Async<Accepted> insert_medium(Caller caller, model::InsertMedium request);
  Async<Accepted> eject_medium(Caller caller, model::DriveRef request);
  Async<Accepted> add_share(Caller caller, model::AddShare request);
  Async<Accepted> remove_share(Caller caller, model::ShareRef request);
  // Devices of this host: what it has is read first.
  Async<Accepted> add_usb(Caller caller, model::AddUsb request);
  Async<Accepted> remove_usb(Caller caller, model::UsbRef request);
  Async<Accepted> add_pci(Caller caller, model::AddPci request);
  Async<Accepted> remove_pci(Caller caller, model::PciRef request);

 private:
  plans::Site site() const {
    return {parts_.self, parts_.capabilities, parts_.networks.capabilities()};
  }
  template <class Request>
  Async<Accepted> run(Caller caller, Request request,
                      Proposal (*plan)(Draft&, const plans::Site&, const Request&));

  Parts parts_;
};

}  // namespace ruche::core
