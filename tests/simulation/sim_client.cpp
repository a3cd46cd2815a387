#include "sim_client.hpp"

#include <fmt/format.h>

namespace ruche::sim {

namespace {

constexpr auto kPatience = std::chrono::minutes(30);
constexpr std::string_view kDemoPath = "/images/demo.qcow2";

Async<void> carry(core::HostControl& control, Request request, std::shared_ptr<Answer> answer) {
  try {
    answer->accepted = co_await request(control);
  } catch (const Error& error) {
    answer->refused = error;
  }
}

// Set by keyed() around the request that makes a Caller; one thread, no wait in between.
core::Caller caller_of(const std::string& key) {
  core::Caller caller;
  caller.idempotency_key = key;
  caller.request_fingerprint = key;
  return caller;
}

}  // namespace

std::shared_ptr<Answer> ask(SimHost& host, std::string what, Request request) {
  auto answer = std::make_shared<Answer>();
  host.spawn(std::move(what), carry(host.control(), std::move(request), answer));
  return answer;
}

model::Task ask_and_wait(SimCluster& cluster, SimHost& host, const Request& request) {
  const auto answer = ask(host, "request", request);
  cluster.run_until([&] { return answer->came(); }, kPatience);
  if (!answer->came()) throw Error(Reason::internal_error, "no answer came");
  if (answer->refused) throw *answer->refused;
  const auto id = answer->accepted->task.id;
  std::optional<model::Task> ended;
  cluster.run_until(
      [&] {
        const auto task = host.control().inventory().find_task(to_text(id));
        if (task && !model::is_open(task->value.state)) ended = task->value;
        return ended.has_value();
      },
      kPatience);
  if (!ended) throw Error(Reason::internal_error, "the task did not end");
  return *ended;
}

void wait_until_quiet(SimCluster& cluster) {
  if (cluster.run_until([&] { return is_quiet(cluster); }, kPatience)) {
    cluster.storage().remember_all();
    return;
  }
  throw Error(Reason::internal_error, "the cluster does not come to rest");
}

void start_all(SimCluster& cluster) {
  for (const auto& host : cluster.hosts()) host->start();
  wait_until_quiet(cluster);
}

void add_shared_datastore(SimCluster& cluster, SimHost& host) {
  ask_and_wait(cluster, host, requests::create_datastore("shared", "/srv/shared", true));
}

void import_demo(SimCluster& cluster, SimHost& host, const std::string& datastore) {
  cluster.storage().add_source(std::string(kDemoPath), {});
  ask_and_wait(cluster, host, requests::import_image("demo", datastore));
}

namespace requests {

using core::Accepted;
using core::Caller;
using core::HostControl;

namespace {

// A request is a function of the caller too, so that keyed() can add its key.
using Keyed = std::function<Async<Accepted>(HostControl&, Caller)>;

struct WithKey {
  Keyed call;
  std::string key;
  Async<Accepted> operator()(HostControl& control) const { return call(control, caller_of(key)); }
};

Request plain(Keyed call) { return WithKey{std::move(call), {}}; }

}  // namespace

Request keyed(Request request, std::string key) {
  auto with = *request.target<WithKey>();
  with.key = std::move(key);
  return with;
}

Request create(model::CreateVm request) {
  return plain([=](HostControl& c, Caller k) { return c.guests().create(k, request); });
}
Request create_demo(std::string name, bool start) {
  model::CreateVm request;
  request.name = std::move(name);
  request.image = "demo";
  request.start = start;
  return create(request);
}
Request create_network(std::string name) {
  model::CreateNetwork request;
  request.name = std::move(name);
  return plain([=](HostControl& c, Caller k) { return c.networks().create(k, request); });
}
Request remove_network(std::string name) {
  return plain([=](HostControl& c, Caller k) { return c.networks().remove(k, {name}); });
}
Request forward(std::string network, std::uint16_t port, std::string target) {
  model::AddForward request{std::move(network), port, std::move(target)};
  return plain([=](HostControl& c, Caller k) { return c.networks().add_forward(k, request); });
}
Request start(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().start(k, {vm}); });
}
Request stop(std::string vm, bool force) {
  return plain([=](HostControl& c, Caller k) { return c.guests().stop(k, {vm, force}); });
}
Request shutdown(std::string vm, bool then_stop) {
  const model::ShutdownVm request{std::move(vm), Duration{10'000}, then_stop};
  return plain([=](HostControl& c, Caller k) { return c.guests().shutdown(k, request); });
}
Request pause(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().pause(k, {vm}); });
}
Request resume(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().resume(k, {vm}); });
}
Request suspend(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().suspend(k, {vm}); });
}
Request discard(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().discard(k, {vm}); });
}
Request reset(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().reset(k, {vm}); });
}
Request freeze(std::string vm, Duration hold) {
  return plain([=](HostControl& c, Caller k) { return c.guests().freeze(k, {vm, hold}); });
}
Request thaw(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.guests().thaw(k, {vm}); });
}
Request remove(std::string vm, bool purge, bool stop) {
  return plain([=](HostControl& c, Caller k) { return c.guests().remove(k, {vm, purge, stop}); });
}
Request undelete(std::string vm, std::string new_name) {
  return plain([=](HostControl& c, Caller k) { return c.guests().undelete(k, {vm, new_name}); });
}
Request bulk(model::BulkVms request, bool dry_run) {
  return plain([=](HostControl& c, Caller k) {
    k.dry_run = dry_run;
    return c.guests().bulk(k, request,
                           [](const std::string&, bool) { return std::vector<model::GuestId>(); });
  });
}
Request move(std::string vm, std::string host) {
  return plain([=](HostControl& c, Caller k) { return c.guests().move(k, {vm, host}); });
}
Request describe(std::string vm, std::string description) {
  return plain([=](HostControl& c, Caller k) {
    return c.guests().edit(k, vm, [=](model::VmEdit& edit) { edit.description = description; });
  });
}
Request rename(std::string vm, std::string name) {
  return plain([=](HostControl& c, Caller k) {
    return c.guests().edit(k, vm, [=](model::VmEdit& edit) { edit.name = name; });
  });
}
Request edit(std::string vm, std::function<void(model::VmEdit&)> change) {
  return plain([=](HostControl& c, Caller k) { return c.guests().edit(k, vm, change); });
}
Request add_disk(model::AddDisk request) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_disk(k, request); });
}
Request remove_disk(std::string vm, std::string disk) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_disk(k, {vm, disk}); });
}
Request grow_disk(std::string vm, std::string disk, Bytes size) {
  return plain(
      [=](HostControl& c, Caller k) { return c.hardware().grow_disk(k, {vm, disk, size}); });
}
Request edit_disk(std::string vm, std::string disk, std::function<void(model::DiskEdit&)> change) {
  return plain(
      [=](HostControl& c, Caller k) { return c.hardware().edit_disk(k, {vm, disk}, change); });
}
Request add_nic(model::AddNic request) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_nic(k, request); });
}
Request remove_nic(std::string vm, std::string nic) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_nic(k, {vm, nic}); });
}
Request add_share(model::AddShare request) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_share(k, request); });
}
Request remove_share(std::string vm, std::string share) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_share(k, {vm, share}); });
}
Request add_usb(model::AddUsb request) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_usb(k, request); });
}
Request remove_usb(std::string vm, std::string usb) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_usb(k, {vm, usb}); });
}
Request add_pci(model::AddPci request) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_pci(k, request); });
}
Request remove_pci(std::string vm, std::string pci) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_pci(k, {vm, pci}); });
}
Request edit_nic(std::string vm, std::string nic, std::function<void(model::NicEdit&)> change) {
  return plain(
      [=](HostControl& c, Caller k) { return c.hardware().edit_nic(k, {vm, nic}, change); });
}
Request add_drive(std::string vm, std::string image) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().add_drive(k, {vm, image}); });
}
Request remove_drive(std::string vm, std::string drive) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().remove_drive(k, {vm, drive}); });
}
Request insert(std::string vm, std::string drive, std::string image) {
  return plain(
      [=](HostControl& c, Caller k) { return c.hardware().insert_medium(k, {vm, drive, image}); });
}
Request eject(std::string vm, std::string drive) {
  return plain([=](HostControl& c, Caller k) { return c.hardware().eject_medium(k, {vm, drive}); });
}
Request snapshot(model::CreateSnapshot request) {
  return plain([=](HostControl& c, Caller k) { return c.snapshots().create(k, request); });
}
Request snapshot(std::string vm, std::string name, bool memory) {
  return snapshot(model::CreateSnapshot{std::move(vm), std::move(name), {}, memory, false});
}
Request revert(std::string vm, std::string snapshot, bool start) {
  return plain(
      [=](HostControl& c, Caller k) { return c.snapshots().revert(k, {vm, snapshot, start}); });
}
Request delete_snapshot(std::string vm, std::string snapshot, bool children) {
  return plain(
      [=](HostControl& c, Caller k) { return c.snapshots().remove(k, {vm, snapshot, children}); });
}
Request flatten(std::string vm) {
  return plain([=](HostControl& c, Caller k) { return c.snapshots().flatten(k, {vm}); });
}
Request clone(model::CloneVm request) {
  return plain([=](HostControl& c, Caller k) { return c.snapshots().clone(k, request); });
}
Request import_image(std::string name, std::string datastore) {
  model::ImportImageRequest request;
  request.name = std::move(name);
  request.path = std::string(kDemoPath);
  request.datastore = std::move(datastore);
  return plain([=](HostControl& c, Caller k) { return c.images().import(k, request); });
}
Request import_from(model::ImportImageRequest request) {
  return plain([=](HostControl& c, Caller k) { return c.images().import(k, request); });
}
Request build_image(std::string name, std::string datastore) {
  const model::BuildImageRequest request{"demo", std::move(name), std::move(datastore)};
  return plain([=](HostControl& c, Caller k) { return c.images().build(k, request); });
}
Request remove_image(std::string name) {
  return plain([=](HostControl& c, Caller k) { return c.images().remove(k, {name}); });
}
Request create_datastore(std::string name, std::string path, bool shared, bool adopt) {
  model::CreateDatastore request;
  request.name = std::move(name);
  request.path = std::move(path);
  request.shared = shared;
  request.adopt = adopt;
  return plain([=](HostControl& c, Caller k) { return c.datastores().create(k, request); });
}
Request register_vm(std::string vm, std::string datastore) {
  model::RegisterVm request;
  request.guest = std::move(vm);
  request.datastore = std::move(datastore);
  return plain([=](HostControl& c, Caller k) { return c.guests().admit(k, request); });
}
Request remove_datastore(std::string name) {
  return plain([=](HostControl& c, Caller k) { return c.datastores().remove(k, {name}); });
}

}  // namespace requests

const model::Guest* guest_named(const StoreTruth& truth, const std::string& name) {
  for (const auto& [id, guest] : truth.guests) {
    if (guest.name == name) return &guest;
  }
  return nullptr;
}

model::GuestState state_of(const StoreTruth& truth, const std::string& name) {
  const auto* guest = guest_named(truth, name);
  if (guest == nullptr) throw Error(Reason::no_such_object, "no guest " + name);
  return truth.statuses.at(guest->id.value).state;
}

std::map<std::string, model::Snapshot> snapshots_of(const StoreTruth& truth,
                                                    const std::string& guest) {
  const auto* owner = guest_named(truth, guest);
  std::map<std::string, model::Snapshot> own;
  for (const auto& [id, snapshot] : truth.snapshots) {
    if (owner != nullptr && snapshot.guest == owner->id) own[snapshot.name] = snapshot;
  }
  return own;
}

Writes shown_of(SimCluster& cluster, model::LayerId layer) {
  for (const auto& [key, place] : cluster.storage().places()) {
    for (const auto& [file, volume] : place.volumes) {
      if (volume.ref.layer == layer) return shown(place, volume).value_or(Writes{});
    }
  }
  throw Error(Reason::no_such_object, "no volume of layer " + to_text(layer));
}

Writes shown_of(SimCluster& cluster, const std::string& guest, const std::string& disk) {
  const auto truth = read_truth(cluster.store());
  for (const auto& known : guest_named(truth, guest)->spec.disks) {
    if (known.name == disk) return shown_of(cluster, known.layer);
  }
  throw Error(Reason::no_such_object, guest + " has no " + disk);
}

}  // namespace ruche::sim
