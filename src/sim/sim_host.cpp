#include "sim/sim_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "sim/fake_downloads.hpp"

namespace ruche::sim {

namespace {

constexpr auto kDrainLimit = std::chrono::minutes(5);

// Error-level lines are kept; everything goes into the trace.
class SimLog : public Log {
 public:
  SimLog(SimWorld& world, std::vector<std::string>& errors, std::string host)
      : world_(world), errors_(errors), host_(std::move(host)) {}
  void write(LogLevel level, std::string_view, std::string_view message, Fields fields) override {
    std::string line = fmt::format("{}: {}", host_, message);
    for (const auto& [key, value] : fields) line += fmt::format(" {}={}", key, value);
    world_.note(line);
    if (level == LogLevel::error) errors_.push_back(std::move(line));
  }

 private:
  SimWorld& world_;
  std::vector<std::string>& errors_;
  std::string host_;
};

}  // namespace

// Everything that dies with a daemon. The order matters: the control logic goes first.
struct SimHost::Daemon {
  explicit Daemon(SimHost& host)
      : clock(host.cluster_.world_.host_clock()),
        random(seeded_random(host.cluster_.world_.random().next())),
        log(host.cluster_.world_, host.cluster_.errors_, host.name_),
        store(host.cluster_.store_->open(host.name_)),
        hypervisor(host.machines_, *clock),
        volumes(host.cluster_.storage_, *clock, host.name_),
        networks(host.networks_, host.network_hooks()),
        builder(host.cluster_.storage_, *clock),
        sealing(host.name_),
        downloads(volumes, *clock),
        control({*store, hypervisor, volumes, networks, builder, downloads, host.host_info_,
                 host.history_, passwords, sealing, *clock, *random, log,
                 host.cluster_.world_.executor()},
                {host.id_, host.name_, "/srv/local", "", "/srv/builds-" + host.name_}),
        scope(host.cluster_.world_.executor(), "daemon " + host.name_) {}

  std::unique_ptr<SimClock> clock;
  std::unique_ptr<Random> random;
  SimLog log;
  std::unique_ptr<MemoryStore> store;
  FakeHypervisor hypervisor;
  FakeVolumeDrivers volumes;
  FakeNetworks networks;
  FakeImageBuilder builder;
  FakePasswords passwords;
  FakeSealing sealing;
  FakeDownloads downloads;
  core::HostControl control;
  Scope scope;
  bool severed = false;
};

// --- cluster -------------------------------------------------------------------------------------

SimCluster::SimCluster(std::uint64_t seed)
    : world_(seed), store_(MemoryStoreState::make(world_.clock())) {
  store_->before_commit = [this](const CommitEvent& event) {
    ++effects_;
    count(event.handle.host_name(), "commit", EffectMoment::before);
  };
  store_->after_commit = [this](const CommitEvent& event) {
    count(event.handle.host_name(), "commit", EffectMoment::after);
    if (on_change) on_change();
  };
  storage_.before_effect = [this](const VolumeEffect& effect) {
    ++effects_;
    count(effect.handle.host(), effect.what, EffectMoment::before);
  };
  storage_.after_effect = [this](const VolumeEffect& effect) {
    count(effect.handle.host(), effect.what, EffectMoment::after);
  };
  machine_hooks_.before_effect = [this](const MachineEffect& effect) {
    ++effects_;
    count(effect.host, effect.what, EffectMoment::before);
  };
  machine_hooks_.after_effect = [this](const MachineEffect& effect) {
    count(effect.host, effect.what, EffectMoment::after);
  };
  machine_hooks_.after_change = [this] {
    if (on_change) on_change();
  };
}

SimCluster::~SimCluster() {
  on_effect = nullptr;
  on_change = nullptr;
  for (const auto& host : hosts_) host->kill();
}

void SimCluster::count(const std::string& host, const std::string& what, EffectMoment moment) {
  world_.note(host);
  world_.note(what);
  if (on_effect) on_effect({effects_, host, what}, moment);
}

SimHost& SimCluster::add_host(const std::string& name) {
  hosts_.push_back(std::make_unique<SimHost>(*this, name));
  return *hosts_.back();
}

SimHost& SimCluster::host(const std::string& name) {
  for (const auto& host : hosts_) {
    if (host->name() == name) return *host;
  }
  throw Error(Reason::no_such_object, "no simulated host " + name);
}

bool SimCluster::run_until(const std::function<bool()>& condition,
                           std::chrono::microseconds limit) {
  const Instant end = world_.clock().now() + limit;
  const auto severed = [this] {
    for (const auto& host : hosts_) {
      if (host->is_severed()) return true;
    }
    return false;
  };
  while (true) {
    const auto left = std::max(std::chrono::microseconds(0), end - world_.clock().now());
    world_.run_until([&] { return severed() || condition(); }, left);
    const bool buried = severed();
    bury_severed();
    if (condition()) return true;
    if (!buried) return false;
  }
}

void SimCluster::run_for(std::chrono::microseconds duration) {
  const Instant end = world_.clock().now() + duration;
  run_until([] { return false; }, duration);
  const auto left = end - world_.clock().now();
  if (left.count() > 0) world_.run_for(left);
  bury_severed();
}

void SimCluster::bury_severed() {
  for (const auto& host : hosts_) {
    if (host->is_severed()) host->kill();
  }
}

// --- host ----------------------------------------------------------------------------------------

SimHost::SimHost(SimCluster& cluster, std::string name)
    : cluster_(cluster),
      name_(std::move(name)),
      id_{make_uuid7(cluster.world_.clock().wall(), cluster.world_.random())},
      machines_(cluster.world_.clock(), cluster.storage_, cluster.machine_hooks_, name_),
      host_info_(machines_),
      fault_random_(seeded_random(cluster.world_.random().next())) {
  history_.audit().before_append = [this] {
    ++cluster_.effects_;
    cluster_.count(name_, "audit", EffectMoment::before);
    return !is_severed();
  };
  history_.audit().after_append = [this] { cluster_.count(name_, "audit", EffectMoment::after); };
}

SimHost::~SimHost() = default;

void SimHost::start() {
  if (daemon_) return;
  daemon_ = std::make_unique<Daemon>(*this);
  daemon_->clock->jump_wall(clock_offset_);
  set_faults(faults_);
  if (partitioned_) daemon_->store->partition();
  daemon_->scope.spawn("control", daemon_->control.run());
}

bool SimHost::is_started() const {
  return daemon_ && !daemon_->severed && daemon_->control.is_started();
}

bool SimHost::is_severed() const { return daemon_ && daemon_->severed; }

NetworkHooks SimHost::network_hooks() {
  const auto happens = [this](EffectMoment moment) {
    return [this, moment](const std::string& what) {
      if (moment == EffectMoment::before) ++cluster_.effects_;
      cluster_.count(name_, what, moment);
    };
  };
  return {happens(EffectMoment::before), happens(EffectMoment::after)};
}

void SimHost::sever() {
  if (!daemon_) return;
  daemon_->severed = true;
  daemon_->store->sever();
  daemon_->hypervisor.sever();
  daemon_->volumes.sever();
  daemon_->networks.sever();
}

void SimHost::kill() {
  if (!daemon_) return;
  sever();
  thaw();
  end_daemon();
}

void SimHost::stop() {
  if (!daemon_) return;
  thaw();
  end_daemon();
}

void SimHost::end_daemon() {
  // On the loop: Asio would only post the cancellation from here, and not notice a coroutine that
  // ends before it arrives.
  auto cancel = [](Scope& scope) -> Async<void> {
    scope.cancel(CancelReason::shutdown);
    co_return;
  };
  cluster_.world_.run(cancel(daemon_->scope));
  const bool ended =
      cluster_.world_.run_until([this] { return daemon_->scope.running() == 0; }, kDrainLimit);
  if (!ended) broken_invariant("a killed daemon does not end");
  auto joined = [](Scope& scope, std::vector<std::string>& errors) -> Async<void> {
    try {
      co_await ruche::drain(scope);
    } catch (const Error& error) {
      errors.push_back("a daemon ended with: " + error.full_message());
    }
  };
  const bool was_severed = daemon_->severed;
  std::vector<std::string> ends;
  cluster_.world_.run(joined(daemon_->scope, ends));
  // What a severed daemon says at its end is of no interest.
  if (!was_severed) std::ranges::move(ends, std::back_inserter(cluster_.errors_));
  daemon_.reset();
}

void SimHost::reboot() {
  sever();
  machines_.reboot();
  networks_.reboot();
  kill();
}

void SimHost::partition() {
  partitioned_ = true;
  if (daemon_) daemon_->store->partition();
}

void SimHost::heal() {
  partitioned_ = false;
  if (daemon_) daemon_->store->heal();
}

void SimHost::freeze() {
  if (!daemon_) return;
  frozen_ = true;
  daemon_->clock->freeze();
  daemon_->store->freeze();
  daemon_->hypervisor.freeze();
  daemon_->volumes.freeze();
}

void SimHost::thaw() {
  frozen_ = false;
  if (!daemon_) return;
  daemon_->clock->thaw();
  daemon_->store->thaw();
  daemon_->hypervisor.thaw();
  daemon_->volumes.thaw();
}

void SimHost::jump_clock(std::chrono::milliseconds by) {
  clock_offset_ += by;
  if (daemon_) daemon_->clock->jump_wall(by);
}

void SimHost::set_faults(const Faults& faults) {
  faults_ = faults;
  if (!daemon_) return;
  daemon_->store->set_faults(faults.store, *fault_random_);
  daemon_->volumes.set_faults(faults.volumes, *fault_random_);
  daemon_->hypervisor.set_faults(faults.machines, *fault_random_);
}

core::HostControl& SimHost::control() {
  if (!daemon_) throw Error(Reason::host_unavailable, name_ + " is down");
  return daemon_->control;
}

MemoryStore& SimHost::store() {
  if (!daemon_) throw Error(Reason::host_unavailable, name_ + " is down");
  return *daemon_->store;
}

void SimHost::spawn(std::string what, Async<void> request) {
  if (!daemon_) throw Error(Reason::host_unavailable, name_ + " is down");
  daemon_->scope.spawn(std::move(what), std::move(request));
}

}  // namespace ruche::sim
