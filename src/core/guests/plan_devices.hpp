// The plans of single devices. Each makes the new specification and leaves the rest to
// plan_hardware.hpp.
#pragma once

#include <functional>

#include "core/guests/plans.hpp"
#include "model/device_requests.hpp"
#include "model/host_facts.hpp"

namespace ruche::core::plans {

Proposal add_disk(Draft& draft, const Site& site, const model::AddDisk& request);
// Its volume goes with it.
Proposal remove_disk(Draft& draft, const Site& site, const model::DiskRef& request);
Proposal grow_disk(Draft& draft, const Site& site, const model::GrowDiskRequest& request);
Proposal edit_disk(Draft& draft, const Site& site, const model::DiskRef& which,
                   const std::function<void(model::DiskEdit&)>& change);

Proposal add_nic(Draft& draft, const Site& site, const model::AddNic& request);
Proposal remove_nic(Draft& draft, const Site& site, const model::NicRef& request);
Proposal edit_nic(Draft& draft, const Site& site, const model::NicRef& which,
                  const std::function<void(model::NicEdit&)>& change);

Proposal add_drive(Draft& draft, const Site& site, const model::AddDrive& request);
Proposal remove_drive(Draft& draft, const Site& site, const model::DriveRef& request);
Proposal insert_medium(Draft& draft, const Site& site, const model::InsertMedium& request);
Proposal eject_medium(Draft& draft, const Site& site, const model::DriveRef& request);

Proposal add_share(Draft& draft, const Site& site, const model::AddShare& request);
Proposal remove_share(Draft& draft, const Site& site, const model::ShareRef& request);
// Devices of the host that plans; `facts` are what was just read of it.
Proposal add_usb(Draft& draft, const Site& site, const model::HostFacts& facts,
                 const model::AddUsb& request);
Proposal remove_usb(Draft& draft, const Site& site, const model::UsbRef& request);
Proposal add_pci(Draft& draft, const Site& site, const model::HostFacts& facts,
                 const model::AddPci& request);
Proposal remove_pci(Draft& draft, const Site& site, const model::PciRef& request);

}  // namespace ruche::core::plans
