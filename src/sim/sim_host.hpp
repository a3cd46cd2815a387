// A simulated cluster: hosts whose daemons are the real control logic on fake ports. What a machine
// keeps when its daemon dies (processes, runtime records, disks, its id) is the SimHost's; what
// dies with it is the daemon's. A daemon that is killed is first severed from all effects, then
// drained.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "core/control/host_control.hpp"
#include "sim/fake_hypervisor.hpp"
#include "sim/fake_networks.hpp"
#include "sim/fake_passwords.hpp"
#include "sim/fake_sealing.hpp"
#include "sim/fake_volumes.hpp"
#include "sim/memory_store.hpp"
#include "sim/sim_world.hpp"

namespace ruche::sim {

class SimHost;

// Something that a daemon does to the world, numbered over all hosts: a commit, a volume, a
// process.
struct SimEffect {
  std::uint64_t number = 0;
  std::string host;
  std::string what;
};
enum class EffectMoment { before, after };

class SimCluster {
 public:
  explicit SimCluster(std::uint64_t seed);
  ~SimCluster();  // kills what runs
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  SimWorld& world() { return world_; }
  MemoryStoreState& store() { return *store_; }
  FakeStorage& storage() { return storage_; }
  MachineHooks& machine_hooks() { return machine_hooks_; }

  // The host has a datastore of its own ("local"). Not started yet.
  SimHost& add_host(const std::string& name);
  const std::vector<std::unique_ptr<SimHost>>& hosts() const { return hosts_; }
  SimHost& host(const std::string& name);

  // Called around every effect; it may sever a host, which the caller then buries.
  std::function<void(const SimEffect&, EffectMoment)> on_effect;
  // Called when a process has changed or a commit has happened, for the checkers.
  std::function<void()> on_change;
  std::uint64_t effects() const { return effects_; }

  // Runs until the condition holds; buries severed daemons on the way. False: it never held.
  bool run_until(const std::function<bool()>& condition, std::chrono::microseconds limit);
  void run_for(std::chrono::microseconds duration);
  void bury_severed();

  // Error-level lines of all daemons so far.
  std::vector<std::string>& errors() { return errors_; }

 private:
  friend class SimHost;
  void count(const std::string& host, const std::string& what, EffectMoment moment);

  SimWorld world_;
  std::shared_ptr<MemoryStoreState> store_;
  FakeStorage storage_;
  MachineHooks machine_hooks_;
  std::uint64_t effects_ = 0;
  std::vector<std::string> errors_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
};

class SimHost {
 public:
  SimHost(SimCluster& cluster, std::string name);
  ~SimHost();

  const std::string& name() const { return name_; }
  model::HostId id() const { return id_; }
  SimMachines& machines() { return machines_; }
  const SimMachines& machines() const { return machines_; }
  SimNetworks& networks() { return networks_; }
  const SimNetworks& networks() const { return networks_; }
  FakeHostInfo& facts() { return host_info_; }
  FakeHistory& history() { return history_; }

  void start();
  bool is_running() const { return daemon_ != nullptr; }
  bool is_started() const;  // registered and everything adopted
  bool is_frozen() const { return frozen_; }
  bool is_partitioned() const { return partitioned_; }

  // From now on nothing the daemon does has an effect; safe anywhere, also inside a hook.
  void sever();
  bool is_severed() const;
  // Severs, and waits until the last coroutine of the daemon has ended. Not inside a hook.
  void kill();
  // The machine restarts: no process survives, and no daemon.
  void reboot();
  // An orderly end, as by SIGTERM.
  void stop();

  void partition();
  void heal();
  void freeze();
  void thaw();
  void jump_clock(std::chrono::milliseconds by);
  struct Faults {
    StoreFaults store;
    VolumeFaults volumes;
    MachineFaults machines;
  };
  // Also of daemons started later, until they are cleared.
  void set_faults(const Faults& faults);
  void clear_faults() { set_faults({}); }

  // Only while a daemon runs.
  core::HostControl& control();
  MemoryStore& store();
  // A request of a client of this daemon: it dies with it.
  void spawn(std::string what, Async<void> request);

 private:
  struct Daemon;
  void end_daemon();
  NetworkHooks network_hooks();

  SimCluster& cluster_;
  std::string name_;
  model::HostId id_;
  SimMachines machines_;
  SimNetworks networks_;
  FakeHostInfo host_info_;
  FakeHistory history_;
  std::unique_ptr<Random> fault_random_;
  Faults faults_;
  std::chrono::milliseconds clock_offset_{0};
  bool frozen_ = false;
  bool partitioned_ = false;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace ruche::sim
