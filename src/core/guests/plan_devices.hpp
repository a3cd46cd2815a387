// The plans of single devices. Each makes the new specification and leaves the rest to
// plan_hardware.hpp.
#pragma once

#include <functional>

#include "core/guests/plans.hpp"
#include "model/device_requests.hpp"

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

}  // namespace ruche::core::plans
