// The control logic of one host, wired: the same for ruched (real ports) and for simulations (fake
// ports). It owns the inventory, the engine, the agents and the services that the API calls.
#pragma once

#include <memory>
#include <string>

#include "core/guests/bulk_steps.hpp"
#include "core/guests/guest_agent.hpp"
#include "core/guests/guest_service.hpp"
#include "core/guests/guest_steps.hpp"
#include "core/guests/hardware_service.hpp"
#include "core/guests/hardware_steps.hpp"
#include "core/identity/audit_keeper.hpp"
#include "core/identity/identity_service.hpp"
#include "core/images/image_service.hpp"
#include "core/images/image_steps.hpp"
#include "core/images/upload_service.hpp"
#include "core/networks/network_service.hpp"
#include "core/networks/network_steps.hpp"
#include "core/placement/host_service.hpp"
#include "core/placement/pool_service.hpp"
#include "core/placement/settings_service.hpp"
#include "core/snapshots/snapshot_service.hpp"
#include "core/snapshots/snapshot_steps.hpp"
#include "core/storage/datastore_monitor.hpp"
#include "core/storage/datastore_service.hpp"
#include "core/storage/storage_steps.hpp"
#include "core/tasks/dispatcher.hpp"
#include "core/tasks/task_service.hpp"
#include "ports/history.hpp"
#include "ports/host_info.hpp"

namespace ruche::core {

class HostControl {
 public:
  struct Ports {
    ports::StateStore& store;
    ports::HypervisorEngine& hypervisor;
    ports::VolumeDrivers& volumes;
    ports::NetworkDriver& networks;
    ports::ImageBuilder& builder;
    ports::Downloads& downloads;
    ports::HostInfo& host_info;
    ports::History& history;
    ports::Passwords& passwords;
    ports::Sealing& sealing;
    Clock& clock;
    Random& random;
    Log& log;
    Executor executor;
  };
  struct Identity {
    model::HostId id;
    std::string name;               // as wished; numbered when another host has it
    std::string default_datastore;  // root of the datastore "local"; empty: none is made
    std::string default_network;    // name of the network made at first; empty: none
    std::string build_directory;    // scratch space of image builds
  };
  HostControl(Ports ports, Identity identity);
  ~HostControl();

  // Registers the host, adopts what runs, then works until cancelled. Cancelling leaves guests and
  // open tasks as they are.
  Async<void> run();
  // Ends when the host is registered, everything that ran is adopted and it has a datastore.
  Async<void> started();
  bool is_started() const { return started_; }

  Inventory& inventory() { return inventory_; }
  Writer& writer() { return writer_; }
  LiveGuests& live() { return live_; }
  AgentWatch& agents() { return agents_; }
  ProgressBoard& progress() { return progress_; }
  TaskService& tasks() { return task_service_; }
  GuestService& guests() { return guest_service_; }
  HardwareService& hardware() { return hardware_service_; }
  SnapshotService& snapshots() { return snapshot_service_; }
  HostNetworks& host_networks() { return host_networks_; }
  ImageService& images() { return image_service_; }
  NetworkService& networks() { return network_service_; }
  UploadService& uploads() { return upload_service_; }
  SettingsService& settings() { return settings_service_; }
  PoolService& pools() { return pool_service_; }
  IdentityService& identity() { return identity_service_; }
  AuditKeeper& audit() { return audit_keeper_; }
  DatastoreService& datastores() { return datastore_service_; }
  HostService& hosts() { return host_service_; }
  const GuestAgent& agent() const { return agent_; }
  model::HostId self() const { return identity_.id; }

 private:
  Async<void> work();
  Async<void> register_host();
  Async<void> begin();
  Async<void> add_default_datastore();
  Async<void> create_default_datastore();
  Async<void> add_default_network();
  bool sees_datastore() const;
  bool attaches_datastore() const;
  model::HostStatus describe_host(model::HostStatus facts) const;

  Ports ports_;
  Identity identity_;
  Inventory inventory_;
  Writer writer_;
  ProgressBoard progress_;
  LiveGuests live_;
  AgentWatch agents_;
  DatastorePool pool_;
  HostNetworks host_networks_;
  StorageSteps storage_steps_;
  NetworkSteps network_steps_;
  ImageSteps image_steps_;
  GuestSteps guest_steps_;
  HardwareSteps hardware_steps_;
  SnapshotSteps snapshot_steps_;
  Engine engine_;
  Dispatcher dispatcher_;
  GuestAgent agent_;
  DatastoreMonitor monitor_;
  TaskService task_service_;
  GuestService guest_service_;
  HardwareService hardware_service_;
  SnapshotService snapshot_service_;
  BulkSteps bulk_steps_;
  ImageService image_service_;
  UploadService upload_service_;
  DatastoreService datastore_service_;
  NetworkService network_service_;
  SettingsService settings_service_;
  PoolService pool_service_;
  IdentityService identity_service_;
  AuditKeeper audit_keeper_;
  HostService host_service_;
  bool rebooted_ = false;
  bool started_ = false;
  Signal started_signal_;
};

}  // namespace ruche::core
