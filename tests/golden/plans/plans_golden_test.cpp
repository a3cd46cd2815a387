// What a request becomes: its steps in words and every document of its commit, or its refusal. Ids
// have the names of what they stand for.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "core/guests/plan_bulk.hpp"
#include "core/guests/plan_devices.hpp"
#include "core/guests/plans.hpp"
#include "core/tasks/task_service.hpp"
#include "golden.hpp"
#include "golden/plans/copy_plans.hpp"
#include "golden/plans/snapshot_plans.hpp"
#include "sim/fake_sealing.hpp"
#include "simulation/copy_requests.hpp"
#include "simulation/pool_requests.hpp"
#include "simulation/sim_client.hpp"

namespace ruche::core {

// An input.json. The world has the hosts alpha and beta, each with a datastore of its own, a shared
// one, the image "demo" there, and what is said here.
struct PlanCase {
  std::string guest;  // state of a guest "web1": empty (none), stopped, running, paused, suspended,
                      // deleted, template
  bool local = false;  // the guest's disk is on alpha's own datastore
  std::optional<model::CreatePool> pool;  // one of alpha's that is there
  bool in_pool = false;  // the guest is in it
  bool bare = false;  // the host has no Secure Boot, TPM or folders for guests
  std::vector<std::string> media;  // images of kind iso besides
  std::string folder;  // what the guest mounts already, as "data"
  model::HostFacts host;  // what alpha says of itself, for devices of it
  bool uefi = false;  // the guest boots through UEFI
  bool agent = false;  // it has an agent
  SnapshotHistory history;
  std::string plan;  // create, start, …
  RawJson request;
};
constexpr auto describe(Type<PlanCase>) {
  return structure<PlanCase>("PlanCase", "A golden case.",
                             field<&PlanCase::guest>("guest", "The guest that is there."),
                             field<&PlanCase::local>("local", "On alpha's own datastore."),
                             field<&PlanCase::pool>("pool", "A pool of alpha's."),
                             field<&PlanCase::in_pool>("in_pool", "The guest is in it."),
                             field<&PlanCase::bare>("bare", "No Secure Boot, TPM or folders here."),
                             field<&PlanCase::media>("media", "Images of kind iso."),
                             field<&PlanCase::folder>("folder", "A folder that it mounts."),
                             field<&PlanCase::host>("host", "What alpha says of itself."),
                             field<&PlanCase::uefi>("uefi", "It boots through UEFI."),
                             field<&PlanCase::agent>("agent", "It has an agent."),
                             field<&PlanCase::history>("history", "Snapshots that there are."),
                             field<&PlanCase::plan>("plan", "What is asked for."),
                             field<&PlanCase::request>("request", "The request."));
}

namespace {

class World {
 public:
  explicit World(const PlanCase& wanted) : cluster_(1) {
    auto& alpha = cluster_.add_host("alpha");
    alpha.machines().with_agents = wanted.agent;
    cluster_.add_host("beta");
    sim::start_all(cluster_);
    sim::add_shared_datastore(cluster_, alpha);
    sim::import_demo(cluster_, alpha, "shared");
    for (const auto& name : wanted.media) import_medium(alpha, name);
    if (wanted.pool) sim::change_and_wait(cluster_, alpha, sim::create_pool(*wanted.pool));
    if (wanted.guest.empty()) return;
    model::CreateVm create;
    create.name = "web1";
    if (wanted.in_pool) create.pool = wanted.pool->name;
    create.start =
        wanted.guest == "running" || wanted.guest == "paused" || wanted.guest == "suspended";
    create.image = wanted.local ? "" : "demo";
    create.datastore = wanted.local ? "local" : "";
    if (wanted.uefi) create.boot = model::BootKind::uefi;
    // Memory is of a guest that runs.
    const bool stops = wanted.guest == "stopped" &&
                       std::ranges::any_of(wanted.history.taken, &model::CreateSnapshot::memory);
    create.start = create.start || stops;
    sim::ask_and_wait(cluster_, alpha, sim::requests::create(create));
    if (!wanted.folder.empty()) {
      sim::ask_and_wait(cluster_, alpha,
                        sim::requests::add_share({"web1", wanted.folder, "data", false}));
    }
    live_through(cluster_, wanted.history);
    if (stops) sim::ask_and_wait(cluster_, alpha, sim::requests::stop("web1", true));
    if (wanted.guest == "paused") {
      sim::ask_and_wait(cluster_, alpha, sim::requests::pause("web1"));
    }
    if (wanted.guest == "suspended") {
      sim::ask_and_wait(cluster_, alpha, sim::requests::suspend("web1"));
    }
    if (wanted.guest == "template") {
      sim::ask_and_wait(cluster_, alpha, sim::requests::make_template("web1"));
    }
    if (wanted.guest == "deleted") {
      sim::ask_and_wait(cluster_, alpha, sim::requests::remove("web1"));
    }
    cluster_.run_for(std::chrono::seconds(wanted.agent ? 10 : 1));
  }
  HostControl& alpha() { return cluster_.host("alpha").control(); }
  sim::FakeSealing sealing{"alpha"};
  sim::SimMachines& machines() { return cluster_.host("alpha").machines(); }

 private:
  void import_medium(sim::SimHost& host, const std::string& name) {
    const auto path = "/images/" + name + ".iso";
    cluster_.storage().add_source(path, {model::ImageFormat::iso, mib(4), "sha256:" + name, ""});
    model::ImportImageRequest request{.name = name, .path = path};
    request.datastore = "shared";
    sim::ask_and_wait(cluster_, host, sim::requests::import_from(request));
  }

  sim::SimCluster cluster_;
};

template <class Request>
Request as(const PlanCase& wanted) {
  return json::decode<Request>(wanted.request.text);
}

// A guest "web1" as its files would tell of it, on the image "demo" or on one that is not known.
FoundGuest found_web1(const Inventory& inventory, bool known_image) {
  const auto fixed = [](int number) {
    return *parse_uuid(fmt::format("00000000-0000-7000-8000-{:012}", number));
  };
  const auto image = inventory.find_image("demo");
  FoundGuest found;
  found.guest.id = {fixed(1)};
  found.guest.name = "web1";
  found.guest.datastore = image->spec->value.datastore;
  found.guest.image = known_image ? image->spec->value.id : model::ImageId{fixed(2)};
  found.guest.spec.disks.push_back({"disk0", {fixed(3)}, mib(64), model::DiskBus::virtio_blk, 3});
  found.guest.spec.nics.push_back({"nic0",
                                   model::NicKind::network,
                                   "52:54:00:0a:0b:0c",
                                   {},
                                   4,
                                   model::NetworkId{fixed(4)},
                                   "10.9.8.7"});
  model::Layer below;
  below.id = known_image ? image->spec->value.disk : model::LayerId{fixed(5)};
  below.owner_kind = model::ObjectKind::image;
  below.owner = found.guest.image->value;
  below.size = mib(64);
  model::Layer top;
  top.id = {fixed(3)};
  top.owner = fixed(1);
  top.parent = below.id;
  top.size = mib(64);
  found.layers = {below, top};
  return found;
}

// The filter name=web1 finds that guest, every other finds none.
Proposal bulk(const PlanCase& wanted, const plans::Site& site, Draft& draft) {
  const auto find = [&](const std::string& filter, bool) {
    std::vector<model::GuestId> found;
    if (filter == "name=web1") found.push_back(plans::find_guest(draft, "web1").spec->value.id);
    return found;
  };
  return plans::for_each(draft, site, as<model::BulkVms>(wanted), find);
}

Proposal propose(const PlanCase& wanted, World& world, Draft& draft) {
  plans::Site site{world.alpha().self(), world.machines().capabilities, {}};
  if (wanted.bare) {
    site.capabilities.no_tpm = "swtpm is not installed";
    site.capabilities.no_write_tracking = "/dev/userfaultfd is not there";
    site.capabilities.no_shares = "virtiofsd is not installed";
    site.capabilities.uefi->secure_code_path.clear();
    site.capabilities.uefi->secure_variables_path.clear();
  }
  if (wanted.plan == "create")
    return plans::create(draft, site, world.sealing, as<model::CreateVm>(wanted));
  if (wanted.plan == "register" || wanted.plan == "register-unknown-image") {
    const auto found = found_web1(draft.inventory(), wanted.plan == "register");
    return plans::admit(draft, site, as<model::RegisterVm>(wanted), found);
  }
  if (wanted.plan == "start") return plans::start(draft, site, as<model::VmRef>(wanted));
  if (wanted.plan == "stop") return plans::stop(draft, as<model::StopVm>(wanted));
  if (wanted.plan == "shutdown") return plans::shutdown(draft, as<model::ShutdownVm>(wanted));
  if (wanted.plan == "reset") return plans::reset(draft, as<model::VmRef>(wanted));
  if (wanted.plan == "pause") return plans::pause(draft, as<model::VmRef>(wanted));
  if (wanted.plan == "resume") return plans::resume(draft, site, as<model::VmRef>(wanted));
  if (wanted.plan == "suspend") return plans::suspend(draft, as<model::VmRef>(wanted));
  if (wanted.plan == "discard") return plans::discard(draft, as<model::VmRef>(wanted));
  if (wanted.plan == "freeze") return plans::freeze(draft, as<model::FreezeVm>(wanted));
  if (wanted.plan == "thaw") return plans::thaw(draft, as<model::VmRef>(wanted));
  if (wanted.plan == "delete") return plans::remove(draft, as<model::DeleteVm>(wanted));
  if (wanted.plan == "undelete") return plans::undelete(draft, as<model::UndeleteVm>(wanted));
  if (wanted.plan == "move") return plans::move(draft, as<model::MoveVm>(wanted));
  if (wanted.plan == "disk-add") return plans::add_disk(draft, site, as<model::AddDisk>(wanted));
  if (wanted.plan == "disk-remove") {
    return plans::remove_disk(draft, site, as<model::DiskRef>(wanted));
  }
  if (wanted.plan == "disk-grow") {
    return plans::grow_disk(draft, site, as<model::GrowDiskRequest>(wanted));
  }
  if (wanted.plan == "nic-add") return plans::add_nic(draft, site, as<model::AddNic>(wanted));
  if (wanted.plan == "share-add") return plans::add_share(draft, site, as<model::AddShare>(wanted));
  if (wanted.plan == "share-remove") {
    return plans::remove_share(draft, site, as<model::ShareRef>(wanted));
  }
  if (wanted.plan == "usb-add") {
    return plans::add_usb(draft, site, wanted.host, as<model::AddUsb>(wanted));
  }
  if (wanted.plan == "usb-remove") {
    return plans::remove_usb(draft, site, as<model::UsbRef>(wanted));
  }
  if (wanted.plan == "pci-add") {
    return plans::add_pci(draft, site, wanted.host, as<model::AddPci>(wanted));
  }
  if (wanted.plan == "bulk") return bulk(wanted, site, draft);
  if (wanted.plan == "edit") {
    const auto change = [&](model::VmEdit& edit) {
      const auto patched =
          json::decode_into(type_of<model::VmEdit>(), &edit, wanted.request.text, {});
      if (!patched) throw patched.error();
    };
    return plans::edit(draft, site, {}, "web1", change);
  }
  if (auto copies = propose_copy(wanted.plan, wanted.request.text, site, draft)) return *copies;
  if (auto plan = propose_snapshot(wanted.plan, wanted.request.text, site, draft)) return *plan;
  throw Error(Reason::bad_request, "no plan " + wanted.plan);
}

// What ids are called in the expected text, so that it does not depend on chance.
std::map<std::string, std::string> labels_of(const Proposal& proposal, const Inventory& inventory) {
  std::map<std::string, std::string> labels;
  const auto name = [&](Uuid id, const std::string& label) {
    labels.emplace(to_text(id), "<" + label + ">");
  };
  for (const auto& [id, host] : inventory.hosts()) name(id, host->spec->value.name);
  for (const auto& [id, pool] : inventory.pools()) name(id, pool->spec->value.name);
  for (const auto& [id, datastore] : inventory.datastores()) name(id, datastore->spec->value.name);
  for (const auto& [id, image] : inventory.images()) {
    name(id, image->spec->value.name);
    name(image->spec->value.disk.value, image->spec->value.name + "-disk");
  }
  for (const auto& [id, guest] : inventory.guests()) {
    name(id, guest->spec->value.name);
    for (const auto& disk : guest->spec->value.spec.disks) {
      name(disk.layer.value, guest->spec->value.name + "-" + disk.name);
    }
    if (guest->status && guest->status->value.saved) {
      name(guest->status->value.saved->layer.value, guest->spec->value.name + "-memory");
    }
  }
  name(proposal.object.id, proposal.object.name);
  int volumes = 0;
  for (const auto& step : proposal.plan) {
    const auto* create = std::get_if<model::CreateVolume>(&step);
    if (create) name(create->layer.value, fmt::format("new-volume-{}", volumes++));
    const auto* variables = std::get_if<model::CreateUefiVariables>(&step);
    if (variables) name(variables->layer.value, "new-variables");
    const auto* state = std::get_if<model::CreateTpmState>(&step);
    if (state) name(state->layer.value, "new-tpm");
    const auto* copy = std::get_if<model::CopyVolume>(&step);
    if (copy) name(copy->layer.value, fmt::format("new-copy-{}", volumes++));
    const auto* each = std::get_if<model::RunForEach>(&step);
    for (std::size_t i = 0; each && i < each->names.size(); ++i) {
      name(each->guests[i].value, each->names[i]);
    }
  }
  name_snapshots(proposal, inventory, name);
  return labels;
}

std::string without_chance(std::string text, const std::map<std::string, std::string>& labels) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto label = labels.find(text.substr(i, 36));
    if (label != labels.end()) {
      out += label->second;
      i += 36;
    } else {
      out += text[i++];
    }
  }
  out = std::regex_replace(out, std::regex("\"generation_id\":\"[0-9a-f-]{36}\""),
                           "\"generation_id\":\"<generation>\"");
  out = std::regex_replace(out, std::regex("52:54:00(:[0-9a-f]{2}){3}"), "<mac>");
  out = std::regex_replace(out, std::regex("18[789][0-9]{7}|19[0-9]{8}|20[01][0-9]{7}"), "<uid>");
  return std::regex_replace(out, std::regex("[0-9-]{10}T[0-9:.]{8,12}Z"), "<time>");
}

std::string describe_proposal(const Proposal& proposal, const Inventory& inventory,
                              const ports::Commit& commit) {
  const auto labels = labels_of(proposal, inventory);
  std::string text = fmt::format("{}\n{}\n\nclaims:", proposal.summary, proposal.method);
  for (const auto facet : proposal.claims) text += fmt::format(" {}", enum_name(facet));
  if (proposal.cancel_holders) text += " (cancels who holds them)";
  text += describe_source(proposal);
  text += "\nsteps:\n";
  for (const auto& step : proposal.plan) text += "  " + describe_step(step, inventory) + "\n";
  std::set<std::string> compares;
  for (const auto& compare : commit.compares) {
    const auto state = compare.revision.number == 0 ? "absent" : "seen";
    compares.insert(without_chance(fmt::format("  {} {}\n", compare.key, state), labels));
  }
  std::set<std::string> writes;
  for (const auto& write : commit.writes) {
    const auto* put = std::get_if<ports::Put>(&write);
    const auto line = put ? fmt::format("  put {}\n    {}\n", put->key, put->value)
                          : fmt::format("  delete {}\n", ports::key_of(write));
    writes.insert(without_chance(line, labels));
  }
  return without_chance(text, labels) +
         fmt::format("compares:\n{}writes:\n{}", fmt::join(compares, ""), fmt::join(writes, ""));
}

std::string render(const std::string& input) {
  const auto wanted = json::decode<PlanCase>(input);
  World world(wanted);
  auto& writer = world.alpha().writer();
  Draft draft(writer.inventory(), writer.clock(), writer.random());
  std::string text;
  try {
    const auto proposal = propose(wanted, world, draft);
    text = describe_proposal(proposal, writer.inventory(), draft.take());
  } catch (const Error& error) {
    text = fmt::format("refused: {}{}{}\n  {}\n  {}\n", error.reason_name(),
                       error.field().empty() ? "" : " at ", error.field(), error.message(),
                       error.remedy_text());
    Proposal nothing;
    text = without_chance(text, labels_of(nothing, writer.inventory()));
  }
  return text;
}

TEST(Golden, Plans) { golden::check_area("plans", render); }

}  // namespace
}  // namespace ruche::core
