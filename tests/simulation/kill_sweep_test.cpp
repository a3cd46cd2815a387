// Kill sweeps of what happens to guests, images and datastores.
#include "kill_sweep.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/sha256.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;

void nothing(SimCluster&) {}

std::function<bool(const StoreTruth&)> is_state(GuestState state) {
  return [state](const StoreTruth& truth) {
    return guest_named(truth, "web1") != nullptr && state_of(truth, "web1") == state;
  };
}

bool has_no_guest(const StoreTruth& truth) { return truth.guests.empty(); }

TEST(KillSweep, Create) {
  sweep({"create", nothing, requests::create_demo("web1"), is_state(GuestState::stopped),
         has_no_guest});
}

TEST(KillSweep, CreateAndStart) {
  sweep({"create --start", nothing, requests::create_demo("web1", true),
         is_state(GuestState::running), has_no_guest});
}

TEST(KillSweep, Start) {
  sweep({"start", with_guest(false), requests::start("web1"), is_state(GuestState::running),
         is_state(GuestState::stopped)});
}

TEST(KillSweep, Stop) {
  sweep({"stop", with_guest(true), requests::stop("web1"), is_state(GuestState::stopped),
         is_state(GuestState::running)});
}

TEST(KillSweep, Shutdown) {
  sweep({"shutdown", with_guest(true), requests::shutdown("web1"), is_state(GuestState::stopped),
         is_state(GuestState::running)});
}

TEST(KillSweep, Pause) {
  sweep({"pause", with_guest(true), requests::pause("web1"), is_state(GuestState::paused),
         is_state(GuestState::running)});
}

TEST(KillSweep, Resume) {
  const auto paused = [](SimCluster& cluster) {
    with_guest(true)(cluster);
    ask_and_wait(cluster, cluster.host("alpha"), requests::pause("web1"));
  };
  sweep({"resume", paused, requests::resume("web1"), is_state(GuestState::running),
         is_state(GuestState::paused)});
}

// A guest "web1" that runs and whose agent answers.
void with_agent(SimCluster& cluster) {
  cluster.host("alpha").machines().with_agents = true;
  with_guest(true)(cluster);
  const auto answers = [&cluster] {
    const auto truth = read_truth(cluster.store());
    const auto* guest = guest_named(truth, "web1");
    const auto& agent = truth.statuses.at(guest->id.value).agent;
    return agent && agent->connected;
  };
  ASSERT_TRUE(cluster.run_until(answers, std::chrono::minutes(1)));
}

std::function<bool(const StoreTruth&)> is_frozen(bool wanted) {
  return [wanted](const StoreTruth& truth) {
    const auto* guest = guest_named(truth, "web1");
    return guest != nullptr && truth.statuses.at(guest->id.value).thaw_at.has_value() == wanted;
  };
}

TEST(KillSweep, Freeze) {
  sweep({"freeze", with_agent, requests::freeze("web1", std::chrono::minutes(10)), is_frozen(true),
         is_frozen(false)});
}

TEST(KillSweep, Thaw) {
  const auto frozen = [](SimCluster& cluster) {
    with_agent(cluster);
    ask_and_wait(cluster, cluster.host("alpha"),
                 requests::freeze("web1", std::chrono::minutes(10)));
  };
  sweep({"thaw", frozen, requests::thaw("web1"), is_frozen(false), is_frozen(true)});
}

TEST(KillSweep, CreateWithUefi) {
  model::CreateVm request;
  request.name = "web1";
  request.image = "demo";
  request.boot = model::BootKind::uefi;
  sweep({"create through UEFI", [](SimCluster&) {}, requests::create(request),
         is_state(GuestState::stopped), has_no_guest});
}

TEST(KillSweep, CreateWithTpmAndSecureBoot) {
  model::CreateVm request;
  request.name = "web1";
  request.image = "demo";
  request.boot = model::BootKind::uefi;
  request.secure_boot = true;
  request.tpm = true;
  sweep({"create with a TPM", [](SimCluster&) {}, requests::create(request),
         is_state(GuestState::stopped), has_no_guest});
}

TEST(KillSweep, Delete) {
  const auto deleted = [](bool wanted) {
    return [wanted](const StoreTruth& truth) {
      const auto* guest = guest_named(truth, "web1");
      return guest != nullptr && guest->deleted_at.has_value() == wanted;
    };
  };
  sweep({"delete", with_guest(false), requests::remove("web1"), deleted(true), deleted(false)});
  const auto recycled = [](SimCluster& cluster) {
    with_guest(false)(cluster);
    ask_and_wait(cluster, cluster.host("alpha"), requests::remove("web1"));
  };
  sweep({"undelete", recycled, requests::undelete("web1"), deleted(false), deleted(true)});
}

TEST(KillSweep, Purge) {
  sweep({"purge", with_guest(false), requests::remove("web1", true), has_no_guest,
         is_state(GuestState::stopped)});
  // Cancelled between the stop and the purge, it stays stopped.
  const auto is_there = [](const StoreTruth& truth) {
    return guest_named(truth, "web1") != nullptr;
  };
  sweep({"purge --stop", with_guest(true), requests::remove("web1", true, true), has_no_guest,
         is_there});
}

// Guests "web1" and "web2" here, "web3" on the other host.
void with_guests(SimCluster& cluster) {
  for (const char* name : {"web1", "web2"}) {
    ask_and_wait(cluster, cluster.host("alpha"), requests::create_demo(name));
  }
  ask_and_wait(cluster, cluster.host("beta"), requests::create_demo("web3"));
}

// Cancelled half way, some have started: then each has a task of its own that says so, and only
// one.
bool is_told_of(const StoreTruth& truth) {
  std::map<Uuid, model::TaskState> told;
  for (const auto& [id, task] : truth.tasks) {
    if (task.parent && !told.emplace(task.object.id, task.state).second) return false;
  }
  for (const auto& [id, guest] : truth.guests) {
    const bool runs = truth.statuses.at(id).state == GuestState::running;
    const auto found = told.find(id);
    if (runs != (found != told.end() && found->second == model::TaskState::done)) return false;
  }
  return true;
}

TEST(KillSweep, Bulk) {
  model::BulkVms start;
  start.vms = {"web1", "web2", "web3"};
  const auto all_run = [](const StoreTruth& truth) {
    return std::ranges::all_of(truth.statuses, [](const auto& entry) {
      return entry.second.state == GuestState::running;
    });
  };
  sweep({"bulk start", with_guests, requests::bulk(start),
         [=](const StoreTruth& truth) { return all_run(truth) && is_told_of(truth); },
         [=](const StoreTruth& truth) { return !all_run(truth) && is_told_of(truth); }});
}

TEST(KillSweep, BulkPurge) {
  model::BulkVms purge;
  purge.action = model::BulkAction::delete_;
  purge.vms = {"web1", "web2", "web3"};
  purge.purge = true;
  // Cancelled half way, those that are there are whole: the checkers look.
  sweep({"bulk purge", with_guests, requests::bulk(purge), has_no_guest,
         [](const StoreTruth& truth) { return !has_no_guest(truth); }});
}

// A guest "web1" whose files are there and whose documents are not; with its image or without.
std::function<void(SimCluster&)> with_found_guest(bool image_too) {
  return [image_too](SimCluster& cluster) {
    auto& alpha = cluster.host("alpha");
    if (image_too) {
      ask_and_wait(cluster, alpha, requests::build_image("other", "shared"));
    }
    model::CreateVm create;
    create.name = "web1";
    create.image = image_too ? "other" : "demo";
    ask_and_wait(cluster, alpha, requests::create(create));
    model::Datastore shared;
    for (const auto& [id, datastore] : read_truth(cluster.store()).datastores) {
      if (datastore.shared) shared = datastore;
    }
    auto& place = cluster.storage().place(shared, "alpha");
    const FakePlace before = place;
    ask_and_wait(cluster, alpha, requests::remove("web1", true));
    if (image_too) ask_and_wait(cluster, alpha, requests::remove_image("other"));
    for (const auto& [key, volume] : before.volumes) {
      if (place.volumes.emplace(key, volume).second) {
        place.strays.insert(key.substr(0, key.rfind('/')));
      }
    }
    place.notes = before.notes;
  };
}

TEST(KillSweep, Register) {
  sweep({"register", with_found_guest(false), requests::register_vm("web1", "shared"),
         is_state(GuestState::stopped), has_no_guest});
  const auto with_image = [](const StoreTruth& truth) {
    return is_state(GuestState::stopped)(truth) && truth.images.size() == 2;
  };
  const auto without = [](const StoreTruth& truth) {
    return truth.guests.empty() && truth.images.size() == 1;
  };
  sweep({"register with its image", with_found_guest(true), requests::register_vm("web1", "shared"),
         with_image, without});
}

TEST(KillSweep, Edit) {
  const auto described = [](std::string text) {
    return [text](const StoreTruth& truth) {
      const auto* guest = guest_named(truth, "web1");
      return guest != nullptr && guest->description == text;
    };
  };
  sweep({"edit", with_guest(true), requests::describe("web1", "new"), described("new"),
         described("")});
  const auto called = [](std::string name) {
    return [name](const StoreTruth& truth) { return guest_named(truth, name) != nullptr; };
  };
  sweep({"rename", with_guest(false), requests::rename("web1", "web2"), called("web2"),
         called("web1")});
}

TEST(KillSweep, Move) {
  const auto epoch_is = [](std::uint64_t epoch) {
    return [epoch](const StoreTruth& truth) {
      const auto* guest = guest_named(truth, "web1");
      return guest != nullptr && truth.placements.at(guest->id.value).epoch == epoch;
    };
  };
  sweep({"move", with_guest(false), requests::move("web1", "beta"), epoch_is(2), epoch_is(1)});
}

TEST(KillSweep, Images) {
  const auto has_image = [](bool wanted) {
    return [wanted](const StoreTruth& truth) { return (truth.images.size() == 2) == wanted; };
  };
  sweep({"image import", nothing, requests::import_image("other", "shared"), has_image(true),
         has_image(false)});
  sweep({"image build", nothing, requests::build_image("other", "shared"), has_image(true),
         has_image(false)});
  const auto imported = [](SimCluster& cluster) {
    ask_and_wait(cluster, cluster.host("alpha"), requests::import_image("other", "shared"));
  };
  sweep({"image delete", imported, requests::remove_image("other"), has_image(false),
         has_image(true)});
}

model::ImportImageRequest other_image() {
  model::ImportImageRequest request;
  request.name = "other";
  request.datastore = "shared";
  return request;
}

TEST(KillSweep, Downloads) {
  const auto has_image = [](bool wanted) {
    return [wanted](const StoreTruth& truth) { return (truth.images.size() == 2) == wanted; };
  };
  const auto remote = [](SimCluster& cluster) {
    cluster.storage().add_remote("http://h/other", {"content12345", 4, 1});
  };
  auto request = other_image();
  request.url = "http://h/other";
  sweep({"image import from a URL", remote, requests::import_from(request), has_image(true),
         has_image(false)});
}

TEST(KillSweep, Isos) {
  const auto has_iso = [](bool wanted) {
    return [wanted](const StoreTruth& truth) {
      const auto found = std::find_if(truth.images.begin(), truth.images.end(), [](auto& entry) {
        return entry.second.kind == model::ImageKind::iso;
      });
      return (found != truth.images.end()) == wanted;
    };
  };
  const auto cd = [](SimCluster& cluster) {
    cluster.storage().add_source("/cd.iso", {model::ImageFormat::iso, mib(1), "sha256:d", ""});
  };
  auto request = other_image();
  request.path = "/cd.iso";
  sweep({"image import of an ISO", cd, requests::import_from(request), has_iso(true),
         has_iso(false)});
}

TEST(KillSweep, Uploads) {
  auto made = std::make_shared<std::string>();
  const auto uploaded = [made](SimCluster& cluster) {
    auto send = [](core::UploadService& uploads, std::string sum,
                   std::shared_ptr<std::string> id) -> Async<void> {
      const core::UploadService::Who who{"root", true};
      auto upload = co_await uploads.create(who, {"f", Bytes{12}, sum, "shared"});
      *id = ruche::to_text(upload.id);
      int pieces = 3;
      const auto next = [&pieces]() -> Async<std::optional<std::string>> {
        if (pieces-- == 0) co_return std::nullopt;
        co_return std::string("1234");
      };
      co_await uploads.write(std::move(upload), Bytes{}, next);
    };
    auto& alpha = cluster.host("alpha");
    Sha256 sum;
    const std::string content = "123412341234";
    sum.add({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
    alpha.spawn("upload", send(alpha.control().uploads(), "sha256:" + sum.hex(), made));
    cluster.run_for(std::chrono::seconds(2));
  };
  const auto happened = [](const StoreTruth& truth) {
    return truth.images.size() == 2 && truth.uploads.empty();
  };
  const auto did_not = [](const StoreTruth& truth) {
    return truth.images.size() == 1 && truth.uploads.size() == 1 &&
           !truth.uploads.begin()->second.task;
  };
  const Request request = [made](core::HostControl& control) -> Async<core::Accepted> {
    auto wanted = other_image();
    wanted.upload = *made;
    co_return co_await control.images().import({}, wanted);
  };
  sweep({"image import of an upload", uploaded, request, happened, did_not});
}

TEST(KillSweep, Datastores) {
  const auto has_datastore = [](bool wanted) {
    return [wanted](const StoreTruth& truth) { return (truth.datastores.size() == 4) == wanted; };
  };
  const auto request = requests::create_datastore("more", "/srv/more", true);
  sweep({"datastore create", nothing, request, has_datastore(true), has_datastore(false)});
  const auto added = [request](SimCluster& cluster) {
    ask_and_wait(cluster, cluster.host("alpha"), request);
  };
  sweep({"datastore delete", added, requests::remove_datastore("more"), has_datastore(false),
         has_datastore(true)});
  // The place of a datastore that no store knows any more.
  const auto lost = [](SimCluster& cluster) {
    model::Datastore place;
    place.path = "/srv/more";
    place.shared = true;
    cluster.storage().place(place, "alpha").mark = model::DatastoreId{Uuid{}};
  };
  sweep({"datastore create --adopt", lost,
         requests::create_datastore("more", "/srv/more", true, true), has_datastore(true),
         has_datastore(false)});
}

// Hosts with networks, and the one that guests are plugged into by default.
void with_network(SimCluster& cluster) {
  for (const auto& host : cluster.hosts()) host->networks().capabilities = {.available = true};
  ask_and_wait(cluster, cluster.host("alpha"), requests::create_network("default"));
}

TEST(KillSweep, Networks) {
  const auto able = [](SimCluster& cluster) {
    cluster.host("alpha").networks().capabilities = {.available = true};
  };
  const auto has_network = [](bool wanted) {
    return [wanted](const StoreTruth& truth) { return truth.networks.size() == (wanted ? 1 : 0); };
  };
  sweep({"network create", able, requests::create_network("default"), has_network(true),
         has_network(false)});
  sweep({"network delete", with_network, requests::remove_network("default"), has_network(false),
         has_network(true)});
}

TEST(KillSweep, GuestsOnANetwork) {
  sweep({"create --start on a network", with_network, requests::create_demo("web1", true),
         is_state(GuestState::running), has_no_guest});
  const auto running = [](SimCluster& cluster) {
    with_network(cluster);
    with_guest(true)(cluster);
  };
  sweep({"purge --stop on a network", running, requests::remove("web1", true, true), has_no_guest,
         [](const StoreTruth& truth) { return guest_named(truth, "web1") != nullptr; }});
  const auto forwards = [](std::size_t wanted) {
    return [wanted](const StoreTruth& truth) {
      return truth.networks.begin()->second.forwards.size() == wanted;
    };
  };
  sweep({"network forward", running, requests::forward("default", 8080, "web1:80"), forwards(1),
         forwards(0)});
}

}  // namespace
}  // namespace ruche::sim
