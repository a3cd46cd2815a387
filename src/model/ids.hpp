// One strong id type per kind of object.
#pragma once

#include "base/ids.hpp"

namespace ruche::model {

using HostId = Id<struct HostTag>;
using GuestId = Id<struct GuestTag>;
using ImageId = Id<struct ImageTag>;
using DatastoreId = Id<struct DatastoreTag>;
using NetworkId = Id<struct NetworkTag>;
using LayerId = Id<struct LayerTag>;
using TaskId = Id<struct TaskTag>;
using UploadId = Id<struct UploadTag>;
using UserId = Id<struct UserTag>;
using TokenId = Id<struct TokenTag>;
using SessionId = Id<struct SessionTag>;
using PoolId = Id<struct PoolTag>;
using SnapshotId = Id<struct SnapshotTag>;

}  // namespace ruche::model
