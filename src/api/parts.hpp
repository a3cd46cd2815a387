// What an API server is assembled from. Everything outlives the server.
#pragma once

#include <string>

#include "api/authenticator.hpp"
#include "api/https.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "core/guests/guest_service.hpp"
#include "core/guests/hardware_service.hpp"
#include "core/guests/live_guests.hpp"
#include "core/identity/audit_keeper.hpp"
#include "core/identity/identity_service.hpp"
#include "core/images/image_service.hpp"
#include "core/images/upload_service.hpp"
#include "core/inventory/inventory.hpp"
#include "core/networks/network_service.hpp"
#include "core/placement/host_service.hpp"
#include "core/placement/pool_service.hpp"
#include "core/placement/settings_service.hpp"
#include "core/snapshots/snapshot_service.hpp"
#include "core/storage/datastore_service.hpp"
#include "core/tasks/progress.hpp"
#include "core/tasks/task_service.hpp"
#include "ports/history.hpp"

namespace ruche::api {

struct Parts {
  ports::StateStore& store;  // read only: what happened while no daemon ran
  core::Inventory& inventory;
  core::GuestService& guests;
  core::HardwareService& hardware;
  core::SnapshotService& snapshots;
  core::ImageService& images;
  core::UploadService& uploads;
  core::DatastoreService& datastores;
  core::NetworkService& networks;
  core::TaskService& tasks;
  core::SettingsService& settings;
  core::PoolService& pools;
  core::IdentityService& identity;
  core::AuditKeeper& audit;
  core::HostService& hosts;
  core::LiveGuests& live;
  core::ProgressBoard& progress;
  ports::History& history;
  Log& log;
  Clock& clock;
  Authenticator& authenticator;
  model::HostId self;
  std::string version;  // of ruched
  Https* https = nullptr;  // null: it does not listen
};

}  // namespace ruche::api
