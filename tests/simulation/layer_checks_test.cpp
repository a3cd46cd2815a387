// The checkers of layers can fail: each test breaks one rule, and they must notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/documents/documents.hpp"
#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using core::keys::DocumentKind;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class LayerChecks : public testing::Test {
 protected:
  LayerChecks() : cluster_(1), alpha_(cluster_.add_host("alpha")) {
    start_all(cluster_);
    import_demo(cluster_, alpha_, "local");
    run(requests::create_demo("web1", true));
    run(requests::snapshot("web1", "one", true));
    run(requests::pause("web1"));
    run(requests::resume("web1"));
    run(requests::snapshot("web1", "two"));
    store_ = cluster_.store().open("tamperer");
  }
  void run(const Request& request) {
    EXPECT_EQ(ask_and_wait(cluster_, alpha_, request).state, model::TaskState::done);
    wait_until_quiet(cluster_);
  }
  StoreTruth truth() { return read_truth(cluster_.store()); }
  model::Guest web1() { return *guest_named(truth(), "web1"); }
  model::LayerId top() { return web1().spec.disks.at(0).layer; }
  model::LayerId kept(const std::string& snapshot) {
    return snapshots_of(truth(), "web1").at(snapshot).spec.disks.at(0).layer;
  }
  FakeVolume& volume(model::LayerId layer) {
    auto& place = cluster_.storage().place(truth().datastores.begin()->second, "alpha");
    for (auto& [file, known] : place.volumes) {
      if (known.ref.layer == layer) return known;
    }
    throw Error(Reason::no_such_object, "no volume");
  }
  void write(ports::Write write) {
    ports::Commit commit;
    commit.nonce = "tamper " + std::to_string(++nonce_);
    commit.writes.push_back(std::move(write));
    cluster_.world().run_now(store_->commit(std::move(commit)));
    cluster_.run_for(std::chrono::milliseconds(10));
  }
  template <class T>
  void change(DocumentKind kind, const std::string& key, const std::function<void(T&)>& tamper) {
    auto value = core::documents::decode<T>(kind, cluster_.store().current().at(key).value);
    ASSERT_TRUE(value.has_value());
    tamper(*value);
    write(ports::Put{key, core::documents::encode(kind, *value), {}});
  }
  void change_snapshot(const std::string& name,
                       const std::function<void(model::Snapshot&)>& tamper) {
    const auto id = snapshots_of(truth(), "web1").at(name).id;
    change<model::Snapshot>(DocumentKind::snapshot, core::keys::snapshot(id), tamper);
  }
  void expect_found(const std::string& words) {
    EXPECT_THAT(check_at_rest(cluster_), Contains(HasSubstr(words)));
  }

  SimCluster cluster_;
  SimHost& alpha_;
  std::unique_ptr<MemoryStore> store_;
  int nonce_ = 0;
};

TEST_F(LayerChecks, FindNothingWhenAllIsWell) { EXPECT_THAT(check_at_rest(cluster_), IsEmpty()); }

TEST_F(LayerChecks, SeeAWrongCountOfASnapshotsLayer) {
  change<model::Layer>(DocumentKind::layer, core::keys::layer(kept("one")),
                       [](model::Layer& layer) { --layer.references; });
  expect_found("references, there are");
}

TEST_F(LayerChecks, SeeALayerThatWasNotMerged) {
  const auto two = snapshots_of(truth(), "web1").at("two");
  write(ports::Delete{core::keys::snapshot(two.id)});
  expect_found("was never merged");
}

TEST_F(LayerChecks, SeeALayerOfNobody) {
  change_snapshot("one", [](auto& snapshot) { snapshot.memory.reset(); });
  expect_found("belongs to nobody");
}

TEST_F(LayerChecks, SeeTreesThatAreNone) {
  change_snapshot("two", [](auto& snapshot) { snapshot.parent = model::SnapshotId{}; });
  expect_found("goes on from one that is gone");
  change_snapshot("one", [](auto& snapshot) { snapshot.running.reset(); });
  expect_found("has memory and no hardware");
  change_snapshot("two", [](auto& snapshot) {
    snapshot.name = "one";
    snapshot.state = model::SnapshotState::creating;
  });
  expect_found("has a twin");
  expect_found("is not ready");
  change<model::Guest>(DocumentKind::guest_spec, core::keys::guest_spec(web1().id),
                       [](auto& guest) { guest.snapshot = model::SnapshotId{}; });
  expect_found("goes on from a snapshot that is not there");
}

TEST_F(LayerChecks, SeeAParentThatTheFileDoesNotHave) {
  change<model::Layer>(DocumentKind::layer, core::keys::layer(top()),
                       [&](model::Layer& layer) { layer.parent = kept("one"); });
  expect_found("stands on another layer than its document says");
}

TEST_F(LayerChecks, SeeAnotherParentInTheFile) {
  volume(top()).parent = kept("one");
  expect_found("stands on another layer than its document says");
  expect_found("has lost what its guest has written");
}

TEST_F(LayerChecks, SeeASnapshotThatChanges) {
  volume(kept("two")).writes.push_back(4711);
  expect_found("was kept with");
}

TEST_F(LayerChecks, SeeAFileThatIsGoneBelow) {
  auto& place = cluster_.storage().place(truth().datastores.begin()->second, "alpha");
  const auto gone = kept("one");
  std::erase_if(place.volumes, [&](const auto& entry) { return entry.second.ref.layer == gone; });
  expect_found("stands on a file that is gone");
  expect_found("has no volume");
}

TEST_F(LayerChecks, SeeWritesThatAreLost) {
  volume(top()).writes.clear();
  expect_found("has lost what its guest has written");
  expect_found("writes, it had");
}

TEST_F(LayerChecks, SeeAGuestThatGoesOnInTheWrongLayer) {
  change<model::Guest>(DocumentKind::guest_spec, core::keys::guest_spec(web1().id),
                       [&](auto& guest) { guest.spec.disks.at(0).layer = kept("two"); });
  expect_found("goes on in a layer without what its guest has written");
}

TEST_F(LayerChecks, SeeAWriteToWhatASnapshotKeeps) {
  run(requests::stop("web1", true));
  FakeHypervisor rogue(alpha_.machines(), cluster_.world().clock());
  ports::MachineSpec spec;
  spec.guest = web1().id;
  const auto& place = cluster_.storage().places().begin()->second;
  for (const auto& [file, known] : place.volumes) {
    if (known.ref.layer == kept("two")) {
      spec.disks.push_back({"disk0", {ports::ImageFile{"/srv/local/" + file}}});
    }
  }
  ASSERT_EQ(spec.disks.size(), 1u);
  auto go = [](FakeHypervisor& engine, ports::MachineSpec wanted) -> Async<void> {
    const auto machine = co_await engine.launch(std::move(wanted));
    co_await machine->power(ports::PowerAction::resume);
  };
  cluster_.world().run(go(rogue, std::move(spec)));
  expect_found("is written to, and others need it");
  expect_found("is opened without all that it stands on");
}

TEST_F(LayerChecks, SeeARevertThatShowsSomethingElse) {
  run(requests::revert("web1", "two"));
  volume(top()).writes.push_back(4711);
  expect_found("is not as the snapshot had it");
}

TEST_F(LayerChecks, SeeMemoryThatDoesNotAgreeWithTheDisks) {
  for (auto& [path, memory] : cluster_.storage().memories) memory.disks["disk0"].push_back(4711);
  run(requests::revert("web1", "one"));
  expect_found("goes on from memory that its disks do not agree with");
}

TEST_F(LayerChecks, SeeAMergeThatLosesSomething) {
  for (const bool running : {true, false}) {
    SCOPED_TRACE(running);
    cluster_.storage().loses = true;
    run(requests::delete_snapshot("web1", running ? "one" : "two"));
    expect_found("has lost what its guest has written");
    if (running) run(requests::stop("web1", true));
  }
}

}  // namespace
}  // namespace ruche::sim
