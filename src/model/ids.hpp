// One strong id type per kind of object.
#pragma once

#include "base/ids.hpp"

namespace ruche::model {

using HostId = Id<struct HostTag>;
using GuestId = Id<struct GuestTag>;
using ImageId = Id<struct ImageTag>;
using DatastoreId = Id<struct DatastoreTag>;
using LayerId = Id<struct LayerTag>;
using TaskId = Id<struct TaskTag>;

}  // namespace ruche::model
