#include "sim/checkers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "core/documents/documents.hpp"
#include "core/snapshots/snapshot_plans.hpp"
#include "model/guest_rules.hpp"
#include "sim/layer_checks.hpp"
#include "sim/ledger_checks.hpp"

namespace ruche::sim {

namespace {

using core::keys::DocumentKind;
using model::GuestState;
using model::ObjectKind;
using ports::MachineState;

using Findings = std::vector<std::string>;

template <class T>
void decode_into(StoreTruth& truth, std::map<Uuid, T>& into, const core::keys::Parsed& parsed,
                 const ports::Entry& entry) {
  auto decoded = core::documents::decode<T>(parsed.kind, entry.value);
  if (!decoded) {
    truth.unreadable.push_back(entry.key + ": " + decoded.error().full_message());
    return;
  }
  into.emplace(parsed.id, std::move(*decoded));
}

void read_entry(StoreTruth& truth, const core::keys::Parsed& parsed, const ports::Entry& entry) {
  switch (parsed.kind) {
    case DocumentKind::guest_spec:
      return decode_into(truth, truth.guests, parsed, entry);
    case DocumentKind::guest_status:
      return decode_into(truth, truth.statuses, parsed, entry);
    case DocumentKind::placement:
      return decode_into(truth, truth.placements, parsed, entry);
    case DocumentKind::layer:
      return decode_into(truth, truth.layers, parsed, entry);
    case DocumentKind::snapshot:
      return decode_into(truth, truth.snapshots, parsed, entry);
    case DocumentKind::image:
      return decode_into(truth, truth.images, parsed, entry);
    case DocumentKind::datastore_spec:
      return decode_into(truth, truth.datastores, parsed, entry);
    case DocumentKind::network_spec:
      return decode_into(truth, truth.networks, parsed, entry);
    case DocumentKind::pool_spec:
      return decode_into(truth, truth.pools, parsed, entry);
    case DocumentKind::pool_ledger:
      return decode_into(truth, truth.pool_ledgers, parsed, entry);
    case DocumentKind::host_spec:
      return decode_into(truth, truth.hosts, parsed, entry);
    case DocumentKind::host_ledger:
      return decode_into(truth, truth.ledgers, parsed, entry);
    case DocumentKind::task:
      return decode_into(truth, truth.tasks, parsed, entry);
    case DocumentKind::uid:
    case DocumentKind::name: {
      std::map<Uuid, core::NameRecord> one;
      decode_into(truth, one, parsed, entry);
      if (!one.empty()) truth.names[parsed.name] = one.begin()->second.object;
      return;
    }
    case DocumentKind::upload:
      return decode_into(truth, truth.uploads, parsed, entry);
    case DocumentKind::datastore_status:
    case DocumentKind::network_status:
    case DocumentKind::host_status:
    case DocumentKind::idempotency:
    case DocumentKind::user:
    case DocumentKind::token:
    case DocumentKind::session:
    case DocumentKind::audit:
    case DocumentKind::audit_head:
    case DocumentKind::settings:
      return;
  }
}

std::string called(const StoreTruth& truth, Uuid guest) {
  const auto found = truth.guests.find(guest);
  return found == truth.guests.end() ? to_text(guest) : found->second.name;
}

// --- at every moment -----------------------------------------------------------------------------

void check_single_owner(SimCluster& cluster, Findings& findings) {
  std::map<model::GuestId, std::string> seen;
  std::map<std::string, std::string> writers;
  for (const auto& host : cluster.hosts()) {
    for (const auto& [guest, process] : host->machines().processes()) {
      const auto [first, fresh] = seen.emplace(guest, host->name());
      if (!fresh) {
        findings.push_back(fmt::format("guest {} has a process on {} and on {}", to_text(guest),
                                       first->second, host->name()));
      }
      for (const auto& disk : process->spec.disks) {
        const auto& path = disk.chain.front().path;
        const auto [writer, alone] = writers.emplace(path, to_text(guest));
        if (!alone) findings.push_back(path + " has two writers");
      }
    }
    for (const auto& refusal : host->machines().lock_refusals()) {
      findings.push_back(fmt::format("{} launched {} while {} was open elsewhere", refusal.host,
                                     to_text(refusal.guest), refusal.path));
    }
  }
}

// --- at rest -------------------------------------------------------------------------------------

void check_tasks(const StoreTruth& truth, Findings& findings) {
  for (const auto& [id, task] : truth.tasks) {
    if (!model::is_open(task.state)) continue;
    findings.push_back(
        fmt::format("task {} ({}) is still {}", to_text(id), task.summary, enum_name(task.state)));
  }
  for (const auto& [id, placement] : truth.placements) {
    for (const auto& claim : placement.claims) {
      findings.push_back(fmt::format("{} is still claimed ({}) by {}", called(truth, id),
                                     enum_name(claim.facet), to_text(claim.task)));
    }
  }
}

// What the documents say of a guest's hardware, against what its process has.
void check_hardware(const SimProcess& process, const model::GuestStatus& status,
                    const model::Placement& placement,
                    const std::function<void(const std::string&)>& say) {
  if (!status.running) return say("it runs, and nobody knows with what");
  const auto sorted = [](model::VmSpec spec) {
    std::ranges::sort(spec.disks, {}, &model::DiskSpec::name);
    std::ranges::sort(spec.nics, {}, &model::NicSpec::name);
    spec.autostart = false;
    spec.start_order = 0;
    spec.start_delay = {};
    spec.restart_policy = model::RestartPolicy::never;
    spec.on_host_shutdown = model::HostShutdownAction::shut_down;
    return json::encode(spec);
  };
  const auto known = sorted(status.running->spec);
  const auto has = sorted(process.spec.spec);
  if (known != has) {
    say(fmt::format("the document says that its process has {}, it has {}", known, has));
  }
  const auto expected = model::reservation_of(process.spec.spec, mib(64));
  if (placement.reserved != expected) {
    say(fmt::format("it reserves {} and {} CPUs, and has {} and {}",
                    to_text(placement.reserved.memory), placement.reserved.cpus,
                    to_text(expected.memory), expected.cpus));
  }
}

// A task for many guests has one task for each; it is done when all are.
void check_parts(const StoreTruth& truth, Findings& findings) {
  for (const auto& [id, task] : truth.tasks) {
    const auto* each =
        task.plan.empty() ? nullptr : std::get_if<model::RunForEach>(&task.plan.front());
    if (each == nullptr) continue;
    std::map<Uuid, const model::Task*> parts;
    for (const auto& [part_id, part] : truth.tasks) {
      if (part.parent != task.id) continue;
      const bool first = parts.emplace(part.object.id, &part).second;
      if (!first) findings.push_back(fmt::format("{}: {} twice", task.summary, part.summary));
    }
    const bool all_done = std::ranges::all_of(each->guests, [&](model::GuestId guest) {
      const auto part = parts.find(guest.value);
      return part != parts.end() && part->second->state == model::TaskState::done;
    });
    const bool all_begun = parts.size() == each->guests.size();
    const bool agrees = task.state == model::TaskState::done     ? all_done
                        : task.state == model::TaskState::failed ? all_begun && !all_done
                                                                 : true;
    if (!agrees) {
      findings.push_back(
          fmt::format("{} is {}, its parts say otherwise", task.summary, enum_name(task.state)));
    }
  }
}

// What the documents say of a guest's power, against its process.
void check_guest_power(SimCluster& cluster, const StoreTruth& truth, const model::Guest& guest,
                       Findings& findings) {
  const auto say = [&](const std::string& what) { findings.push_back(guest.name + ": " + what); };
  const auto& placement = truth.placements.at(guest.id.value);
  const auto status_found = truth.statuses.find(guest.id.value);
  if (status_found == truth.statuses.end()) return say("it has no status");
  const auto& status = status_found->second;
  std::shared_ptr<SimProcess> process;
  for (const auto& host : cluster.hosts()) {
    const auto here = host->machines().find(guest.id);
    const bool owner = host->id() == placement.host;
    if (here && !owner) say("it has a process on " + host->name() + ", which does not own it");
    if (here && owner) process = here;
    if (!here && host->machines().records().contains(guest.id)) {
      say("a runtime record is left on " + host->name());
    }
  }
  if (process && process->epoch != placement.epoch) say("its process has another epoch");
  const auto seen = process ? process->state : MachineState::gone;
  const bool agrees = status.state == GuestState::running  ? seen == MachineState::running
                      : status.state == GuestState::paused ? seen == MachineState::paused
                      : status.state == GuestState::stopped ||
                              status.state == GuestState::crashed ||
                              status.state == GuestState::suspended
                          ? seen == MachineState::gone
                          : false;
  if (!agrees) {
    say(fmt::format("the document says {} ({}), its process is in state {}",
                    enum_name(status.state), status.last_error, static_cast<int>(seen)));
  }
  if (process && status.pid != process->pid) say("the document has another pid");
  if (!process && status.pid) say("the document has a pid, and there is no process");
  if (process && status.epoch != placement.epoch) say("the status is of another epoch");
  const bool on = placement.wish == model::PowerWish::on;
  if (on != (process != nullptr)) say("the wish and the process differ");
  if (!process && placement.reserved != model::Reservation{}) {
    say("it is off and reserves something");
  }
  const bool suspended = status.state == GuestState::suspended;
  if (!process && status.running && !suspended) say("it is off and has running hardware");
  if (suspended != status.saved.has_value()) say("its state and its saved memory differ");
  if (suspended && !status.running) say("it is suspended and nobody knows what it ran with");
  if (process && agrees) check_hardware(*process, status, placement, say);
}

void check_guests(SimCluster& cluster, const StoreTruth& truth, Findings& findings) {
  for (const auto& [id, guest] : truth.guests) {
    if (!truth.placements.contains(id)) {
      findings.push_back(guest.name + " has no placement");
      continue;
    }
    if (truth.placements.at(id).pool != guest.pool) {
      findings.push_back(guest.name + " is counted in another pool than its document says");
    }
    check_guest_power(cluster, truth, guest, findings);
  }
  for (const auto& [id, status] : truth.statuses) {
    if (!truth.guests.contains(id)) findings.push_back("a status without a guest: " + to_text(id));
  }
  for (const auto& [id, placement] : truth.placements) {
    const bool known = truth.guests.contains(id) || truth.images.contains(id) ||
                       truth.datastores.contains(id) || truth.networks.contains(id);
    if (!known) findings.push_back("a placement of nothing: " + to_text(id));
  }
  for (const auto& host : cluster.hosts()) {
    for (const auto& [guest, record] : host->machines().records()) {
      if (truth.guests.contains(guest.value)) continue;
      findings.push_back("a runtime record of no guest on " + host->name());
    }
    for (const auto& [guest, process] : host->machines().processes()) {
      if (truth.guests.contains(guest.value)) continue;
      findings.push_back("a process of no guest on " + host->name());
    }
  }
}

void check_names(const StoreTruth& truth, Findings& findings) {
  std::map<std::string, Uuid> expected;
  const auto hold = [&](const std::string& name, Uuid holder) {
    if (!expected.emplace(name, holder).second) findings.push_back(name + " is used twice");
  };
  for (const auto& [id, guest] : truth.guests) {
    if (!guest.deleted_at) hold("vm/" + guest.name, id);
    hold(fmt::format("uid/{}", guest.uid), id);
    for (const auto& nic : guest.spec.nics) {
      hold("mac/" + nic.mac, id);
      if (nic.network) hold(fmt::format("address/{}/{}", to_text(*nic.network), nic.address), id);
    }
  }
  for (const auto& [id, snapshot] : truth.snapshots) {
    hold(fmt::format("snapshot/{}/{}", to_text(snapshot.guest), snapshot.name), id);
  }
  for (const auto& [id, image] : truth.images) hold("image/" + image.name, id);
  for (const auto& [id, datastore] : truth.datastores) hold("datastore/" + datastore.name, id);
  for (const auto& [id, network] : truth.networks) hold("network/" + network.name, id);
  for (const auto& [id, pool] : truth.pools) hold("pool/" + pool.name, id);
  for (const auto& [id, host] : truth.hosts) hold("host/" + host.name, id);
  for (const auto& [name, holder] : expected) {
    const auto found = truth.names.find(name);
    if (found == truth.names.end() || found->second != holder) {
      findings.push_back("the name " + name + " is not held by its object");
    }
  }
  for (const auto& [name, holder] : truth.names) {
    if (!expected.contains(name)) findings.push_back("the name " + name + " is held by nobody");
  }
}

void check_size(const StoreTruth& truth, const std::string& where, const FakeVolume& volume,
                Findings& findings) {
  const auto layer = truth.layers.find(volume.ref.layer.value);
  if (layer == truth.layers.end() || layer->second.owner_kind != ObjectKind::guest) return;
  if (layer->second.content != model::LayerContent::disk) return;
  if (layer->second.size == volume.size) return;
  findings.push_back(fmt::format("{} has {}, its document says {}", where, to_text(volume.size),
                                 to_text(layer->second.size)));
}

void check_place(const StoreTruth& truth, const std::string& key, const FakePlace& place,
                 std::set<Uuid>& on_disk, Findings& findings) {
  for (const auto& [file, volume] : place.volumes) {
    const auto layer = truth.layers.find(volume.ref.layer.value);
    const std::string where = key + "/" + file;
    if (volume.state != ports::VolumeState::ready) findings.push_back(where + " is partial");
    check_size(truth, where, volume, findings);
    if (layer == truth.layers.end()) {
      const bool stray = place.strays.contains(file.substr(0, file.rfind('/')));
      if (!stray) findings.push_back(where + " belongs to no layer");
    } else if (place.mark != layer->second.datastore) {
      findings.push_back(where + " is on the wrong datastore");
    } else {
      on_disk.insert(layer->first);
    }
  }
  for (const auto& [id, bytes] : place.incoming) {
    if (truth.uploads.contains(id)) continue;
    findings.push_back(key + "/incoming/" + to_text(id) + " is left over");
  }
  for (const auto& [owner, notes] : place.notes) {
    const auto id = parse_uuid(owner.substr(owner.find('/') + 1));
    if (id && (truth.guests.contains(*id) || place.strays.contains(owner))) continue;
    findings.push_back(key + "/" + owner + " is left over");
  }
}

void check_files(SimCluster& cluster, const StoreTruth& truth, Findings& findings) {
  std::set<Uuid> on_disk;
  for (const auto& [key, place] : cluster.storage().places()) {
    check_place(truth, key, place, on_disk, findings);
  }
  for (const auto& [id, layer] : truth.layers) {
    if (!on_disk.contains(id)) findings.push_back("layer " + to_text(id) + " has no volume");
  }
  std::set<std::string> open;
  for (const auto& host : cluster.hosts()) {
    for (const auto& [guest, process] : host->machines().processes()) {
      for (const auto& disk : process->spec.disks) open.insert(disk.chain.front().path);
    }
  }
  if (open != cluster.storage().writers()) findings.push_back("image locks are left over");
  for (const auto& [path, source] : cluster.storage().sources()) {
    if (path.starts_with("/srv/builds-")) findings.push_back(path + " is left of a build");
  }
}

// Every host's decoded view agrees with the store.
void check_inventories(SimCluster& cluster, Findings& findings) {
  for (const auto& host : cluster.hosts()) {
    if (!host->is_running()) continue;
    const auto& inventory = host->control().inventory();
    for (const auto& [key, entry] : cluster.store().current()) {
      if (inventory.key_revision(key) == entry.revision) continue;
      findings.push_back(fmt::format("{} has seen revision {} of {}, which has {}", host->name(),
                                     inventory.key_revision(key).number, key,
                                     entry.revision.number));
    }
    for (const auto& [key, why] : inventory.broken()) {
      findings.push_back(host->name() + " cannot read " + key + ": " + why);
    }
  }
}

}  // namespace

StoreTruth read_truth(const MemoryStoreState& store) {
  StoreTruth truth;
  for (const auto& [key, entry] : store.current()) {
    const auto parsed = core::keys::parse(key);
    if (parsed) {
      read_entry(truth, *parsed, entry);
    } else {
      truth.unreadable.push_back(key + ": no document has this key");
    }
  }
  return truth;
}

namespace {

// Brings `seen` up to date with the store; only what changed is decoded.
template <class Seen, class Value>
void refresh(const std::map<std::string, ports::Entry>& entries, const std::string& prefix,
             DocumentKind kind, std::map<std::string, Seen>& seen, std::map<Uuid, Value>& values) {
  std::erase_if(seen, [&](const auto& known) { return !entries.contains(known.first); });
  for (auto entry = entries.lower_bound(prefix);
       entry != entries.end() && entry->first.starts_with(prefix); ++entry) {
    const auto parsed = core::keys::parse(entry->first);
    if (!parsed || parsed->kind != kind) continue;
    auto& known = seen[entry->first];
    if (known.revision != entry->second.revision) {
      auto decoded = core::documents::decode<Value>(kind, entry->second.value);
      if (!decoded) continue;  // check_at_rest says so
      known = {entry->second.revision, std::move(*decoded)};
    }
    values[parsed->id] = known.value;
  }
}

// A frozen guest has somebody who thaws it, and a document that says frozen means it.
void check_freezes(SimCluster& cluster, const StoreTruth& truth, Findings& findings) {
  for (const auto& host : cluster.hosts()) {
    for (const auto& [guest, process] : host->machines().processes()) {
      const auto status = truth.statuses.find(guest.value);
      if (status == truth.statuses.end()) continue;
      if (process->agent.frozen == status->second.thaw_at.has_value()) continue;
      findings.push_back(fmt::format("guest {} is {}, its document says otherwise", to_text(guest),
                                     process->agent.frozen ? "frozen" : "thawed"));
    }
  }
}

}  // namespace

std::vector<std::string> AlwaysChecker::check(SimCluster& cluster) {
  Findings findings;
  check_single_owner(cluster, findings);
  // Effects in the world change no document.
  const auto revision = cluster.store().revision();
  if (checked_ && *checked_ == revision) return findings;
  checked_ = revision;
  StoreTruth truth;
  const auto& entries = cluster.store().current();
  refresh(entries, "placements/", DocumentKind::placement, placements_, truth.placements);
  refresh(entries, "hosts/", DocumentKind::host_ledger, ledgers_, truth.ledgers);
  refresh(entries, "pools/", DocumentKind::pool_spec, pools_, truth.pools);
  refresh(entries, "pools/", DocumentKind::pool_ledger, pool_ledgers_, truth.pool_ledgers);
  // Only pools count the disks of their guests.
  if (!truth.pools.empty()) {
    refresh(entries, "layers/", DocumentKind::layer, layers_, truth.layers);
  }
  check_ledgers(truth, findings);
  return findings;
}

namespace {

// Nothing of a network stays that no guest needs, and every guest that runs is plugged in.
void check_networks(SimCluster& cluster, const StoreTruth& truth, Findings& findings) {
  for (const auto& host : cluster.hosts()) {
    std::set<std::string> running;
    for (const auto& [guest, process] : host->machines().processes()) {
      for (const auto& nic : process->spec.spec.nics) {
        if (nic.network) running.insert(nic.address);
      }
    }
    for (const auto& [address, plug] : host->networks().plugged) {
      if (!plug.expired() && !running.contains(address)) {
        findings.push_back("a plug of no guest at " + address + " on " + host->name());
      }
    }
    for (const auto& address : running) {
      const auto plug = host->networks().plugged.find(address);
      if (plug == host->networks().plugged.end() || plug->second.expired()) {
        findings.push_back("a guest runs unplugged at " + address + " on " + host->name());
      }
    }
    for (const auto& [id, plan] : host->networks().realized) {
      if (!truth.networks.contains(id.value)) {
        findings.push_back("a network without a document on " + host->name());
      }
    }
  }
}

}  // namespace

std::vector<std::string> check_at_rest(SimCluster& cluster) {
  const StoreTruth truth = read_truth(cluster.store());
  Findings findings = truth.unreadable;
  check_single_owner(cluster, findings);
  check_ledgers(truth, findings);
  check_tasks(truth, findings);
  check_parts(truth, findings);
  check_guests(cluster, truth, findings);
  check_freezes(cluster, truth, findings);
  check_names(truth, findings);
  check_layers(truth, findings);
  check_snapshots(truth, findings);
  check_contents(cluster.storage(), truth, findings);
  check_files(cluster, truth, findings);
  check_networks(cluster, truth, findings);
  check_inventories(cluster, findings);
  const auto& disagreements = cluster.storage().disagreements;
  findings.insert(findings.end(), disagreements.begin(), disagreements.end());
  return findings;
}

namespace {

bool is_used_up(const core::Inventory& inventory, const model::Layer& memory) {
  const auto guest = inventory.guests().find(memory.owner);
  if (guest == inventory.guests().end() || !guest->second->status) return false;
  for (const auto& [id, snapshot] : inventory.snapshots()) {
    const auto& kept = snapshot->value.memory;
    if (kept && kept->layer == memory.id) return false;
  }
  const auto& saved = guest->second->status->value.saved;
  return !saved || saved->layer != memory.id;
}

}  // namespace

bool is_quiet(SimCluster& cluster) {
  for (const auto& host : cluster.hosts()) {
    if (!host->is_started() || host->is_frozen() || host->is_partitioned()) return false;
    if (host->control().inventory().revision() != cluster.store().revision()) return false;
  }
  if (cluster.hosts().empty()) return true;
  const auto& inventory = cluster.hosts().front()->control().inventory();
  for (const auto& [id, task] : inventory.tasks()) {
    if (model::is_open(task->value.state)) return false;
  }
  // Layers that nothing needs any more are merged or removed when their turn comes, but for those
  // of guests in the recycle bin, and those with which it failed: their next turn is far.
  std::set<Uuid> in_vain;
  for (const auto& [id, task] : inventory.tasks()) {
    if (is_failed_tidying(task->value)) in_vain.insert(task->value.object.id);
  }
  for (const auto& [id, guest] : inventory.guests()) {
    if (!guest->spec || guest->spec->value.deleted_at || in_vain.contains(id)) continue;
    if (core::plans::has_loose_layers(inventory, {id})) return false;
  }
  // Memory that was used up and could not be removed goes with the next clean-up.
  for (const auto& [id, layer] : inventory.layers()) {
    if (layer->value.content == model::LayerContent::memory &&
        is_used_up(inventory, layer->value)) {
      return false;
    }
  }
  return true;
}

}  // namespace ruche::sim
