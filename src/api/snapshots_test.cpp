// Snapshots, copies and templates over the API: what answers look like, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api_fixture_test.hpp"
#include "core/storage/datastore_pool.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SnapshotsApiTest : public ApiTest {
 protected:
  model::LayerId add_layer(Uuid owner, std::optional<model::LayerId> parent,
                           std::uint32_t references = 0) {
    model::Layer layer{.owner = owner,
                       .datastore = datastore,
                       .parent = parent,
                       .size = gib(1),
                       .state = model::LayerState::ready,
                       .references = references};
    write([&](core::Draft& draft) {
      layer.id = draft.new_id<model::LayerId>();
      draft.create(core::keys::layer(layer.id), layer);
    });
    return layer.id;
  }

  model::LayerId image_layer() { return inventory.images().at(image.value)->spec->value.disk; }

  // With one disk, whose overlay stands on the image.
  model::GuestId add_vm_with_disk(const std::string& name) {
    const auto id = add_vm(name);
    const auto layer = add_layer(id.value, image_layer());
    write([&](core::Draft& draft) {
      draft.guest(id).spec.disks = {{.name = "disk0", .layer = layer, .size = gib(1), .slot = 2}};
    });
    return id;
  }

  model::LayerId top_of(model::GuestId guest) {
    return inventory.guests().at(guest.value)->spec->value.spec.disks.front().layer;
  }

  // As if it had been cut now; the guest goes on from it.
  model::SnapshotId add_snapshot(model::GuestId guest, const std::string& name,
                                 std::function<void(model::Snapshot&)> change = {}) {
    const auto record = inventory.guests().at(guest.value);
    const auto overlay = add_layer(guest.value, top_of(guest));
    model::Snapshot snapshot;
    snapshot.guest = guest;
    snapshot.name = name;
    snapshot.parent = record->spec->value.snapshot;
    snapshot.spec = record->spec->value.spec;
    snapshot.state = model::SnapshotState::ready;
    world.run(sleep_for(world.clock(), Duration{60'000}));
    write([&](core::Draft& draft) {
      snapshot.id = draft.new_id<model::SnapshotId>();
      snapshot.created_at = draft.now();
      if (change) change(snapshot);
      draft.create(core::keys::snapshot(snapshot.id), snapshot);
      draft.guest(guest).snapshot = snapshot.id;
      draft.guest(guest).spec.disks.front().layer = overlay;
      draft.layer(snapshot.spec.disks.front().layer).references = 2;
    });
    return snapshot.id;
  }

  void go_on_from(model::GuestId guest, model::SnapshotId snapshot) {
    const auto kept = inventory.snapshots().at(snapshot.value)->value.spec.disks.front().layer;
    const auto overlay = add_layer(guest.value, kept);
    write([&](core::Draft& draft) {
      draft.guest(guest).snapshot = snapshot;
      draft.guest(guest).spec.disks.front().layer = overlay;
    });
  }

  template <class T>
  std::vector<T> items(const std::string& target) {
    return get<methods::Page<T>>(target).items;
  }
  std::vector<std::string> names(const std::string& vm) {
    std::vector<std::string> all;
    for (const auto& view : items<model::SnapshotView>("/v1/vms/" + vm + "/snapshots")) {
      all.push_back(view.name);
    }
    return all;
  }
};

TEST_F(SnapshotsApiTest, TheyComeInTheOrderOfTheirTree) {
  const auto web = add_vm_with_disk("web1");
  const auto other = add_vm_with_disk("web2");
  const auto fresh = add_snapshot(web, "fresh");
  add_snapshot(web, "app");
  add_snapshot(other, "elsewhere");
  go_on_from(web, fresh);
  add_snapshot(web, "try", [](model::Snapshot& snapshot) {
    snapshot.memory = model::SavedMemory{snapshot.spec.disks.front().layer, mib(300), {}};
    snapshot.quiesced = true;
  });
  go_on_from(web, fresh);
  add_snapshot(web, "data");
  EXPECT_THAT(names("web1"), ElementsAre("fresh", "app", "try", "data"));
  const auto all = items<model::SnapshotView>("/v1/vms/web1/snapshots");
  EXPECT_EQ(all[0].parent, "");
  EXPECT_EQ(all[2].parent, "fresh");
  EXPECT_TRUE(all[2].memory);
  EXPECT_EQ(all[2].memory_size, mib(300));
  EXPECT_EQ(all[2].disks, gib(1));
  EXPECT_FALSE(all[2].current);
  EXPECT_TRUE(all[3].current);

  EXPECT_EQ(get<model::SnapshotView>("/v1/vms/web1/snapshots/try").id, all[2].id);
  EXPECT_EQ(get<model::SnapshotView>("/v1/vms/web1/snapshots/" + to_text(all[1].id)).name, "app");
  const auto why = refused("GET", "/v1/vms/web1/snapshots/elsewhere");
  EXPECT_EQ(why.reason, "no-such-object");
  EXPECT_THAT(why.remedy, HasSubstr("ruche snapshot tree web1"));
  EXPECT_EQ(refused("GET", "/v1/vms/nobody/snapshots").reason, "no-such-object");
}

TEST_F(SnapshotsApiTest, AVmTellsOfItsSnapshots) {
  const auto web = add_vm_with_disk("web1");
  add_vm_with_disk("web2");
  add_snapshot(web, "fresh");
  add_snapshot(web, "app");
  for (const auto& view : items<model::VmView>("/v1/vms")) {
    EXPECT_EQ(view.snapshots, view.name == "web1" ? 2u : 0u);
    EXPECT_EQ(view.snapshot, view.name == "web1" ? "app" : "");
    EXPECT_FALSE(view.is_template);
  }
}

TEST_F(SnapshotsApiTest, OneIsTakenByATaskAndADryRunChangesNothing) {
  const auto web = add_vm_with_disk("web1");
  const auto before = inventory.revision();
  const auto planned = ask("POST", "/v1/vms/web1/snapshots?dry_run=true", R"({"name": "app"})");
  ASSERT_EQ(planned.status, 200) << planned.body;
  EXPECT_FALSE(json::decode<model::PlanView>(planned.body).steps.empty());
  EXPECT_EQ(inventory.revision(), before);
  EXPECT_THAT(names("web1"), ElementsAre());

  const auto taken = ask("POST", "/v1/vms/web1/snapshots", R"({"name": "app"})");
  ASSERT_EQ(taken.status, 202) << taken.body;
  const auto task = json::decode<model::TaskView>(taken.body);
  EXPECT_EQ(task.method, "snapshot.create");
  EXPECT_EQ(task.object.id, web.value);
  EXPECT_EQ(refused("POST", "/v1/vms/web1/snapshots", R"({"name": "b"})").reason, "claimed");
  EXPECT_EQ(refused("POST", "/v1/vms/web1/snapshots", R"({"name": "B!"})").reason, "bad-name");
}

TEST_F(SnapshotsApiTest, GoingBackAndDeletingSayWhatTheyWouldDo) {
  const auto web = add_vm_with_disk("web1");
  add_snapshot(web, "fresh");
  add_snapshot(web, "app");
  const auto back = ask("POST", "/v1/vms/web1/snapshots/fresh/revert?dry_run=true");
  ASSERT_EQ(back.status, 200) << back.body;
  EXPECT_FALSE(json::decode<model::PlanView>(back.body).steps.empty());
  const auto gone = ask("DELETE", "/v1/vms/web1/snapshots/fresh?dry_run=true&children=true");
  ASSERT_EQ(gone.status, 200) << gone.body;
  EXPECT_FALSE(json::decode<model::PlanView>(gone.body).steps.empty());
  EXPECT_THAT(names("web1"), ElementsAre("fresh", "app"));
  EXPECT_EQ(refused("POST", "/v1/vms/web1/snapshots/none/revert").reason, "no-such-object");
  EXPECT_EQ(refused("DELETE", "/v1/vms/web1/snapshots/none").reason, "no-such-object");
}

TEST_F(SnapshotsApiTest, LayersComeDiskByDiskTheTopFirst) {
  const auto web = add_vm_with_disk("web1");
  const auto bottom = top_of(web);
  const auto fresh = add_snapshot(web, "fresh");
  add_snapshot(web, "try");
  const auto side = inventory.layer(top_of(web))->value.parent;  // what `try` holds
  go_on_from(web, fresh);
  const auto loose = add_layer(web.value, bottom, 1);
  world.run(pool.driver(datastore)->prepare());
  for (const auto id : {top_of(web), bottom}) {
    const auto layer = inventory.layer(id)->value;
    world.run(pool.driver(datastore)->create({core::volume_ref(layer), layer.size, {}}));
  }
  const auto all = items<model::LayerView>("/v1/vms/web1/layers");
  // The overlay that was left by going back is nobody's, and so is the loose one.
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].id, top_of(web));
  EXPECT_EQ(all[0].what, "current");
  EXPECT_EQ(all[0].height, 2u);
  EXPECT_TRUE(all[0].used.has_value());
  EXPECT_FALSE(all[0].path.empty());
  EXPECT_EQ(all[0].parent, to_text(bottom));
  EXPECT_EQ(all[1].id, bottom);
  EXPECT_EQ(all[1].what, "snapshot fresh");
  EXPECT_EQ(all[1].users, 2u);
  EXPECT_EQ(all[2].what, "image demo");
  EXPECT_EQ(all[2].owner, "demo");
  EXPECT_EQ(all[2].height, 0u);
  EXPECT_EQ(all[3].id, side);
  EXPECT_EQ(all[3].what, "snapshot try");
  EXPECT_FALSE(all[3].used.has_value());  // its file is not there
  EXPECT_EQ(all[4].what, "not needed any more");
  EXPECT_EQ(all[5].id, loose);
  EXPECT_EQ(all[5].what, "part of others");
}

TEST_F(SnapshotsApiTest, LayersAreListedWithoutTheirDatastore) {
  add_vm_with_disk("web1");
  world.run(pool.driver(datastore)->prepare());
  const auto& place = inventory.datastores().at(datastore.value)->spec->value;
  storage.place(place, "host").mounted = false;
  const auto all = items<model::LayerView>("/v1/vms/web1/layers");
  ASSERT_EQ(all.size(), 2u);
  for (const auto& layer : all) EXPECT_FALSE(layer.used.has_value());
}

TEST_F(SnapshotsApiTest, ALinkedCopyShowsWhoseLayersItStandsOn) {
  const auto golden = add_vm_with_disk("golden");
  write([&](core::Draft& draft) { draft.guest(golden).is_template = true; });
  const auto copy = add_vm("web1");
  const auto layer = add_layer(copy.value, top_of(golden));
  write([&](core::Draft& draft) {
    draft.guest(copy).spec.disks = {{.name = "disk0", .layer = layer, .size = gib(1), .slot = 2}};
  });
  const auto all = items<model::LayerView>("/v1/vms/web1/layers");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].what, "template golden");
  EXPECT_EQ(all[1].owner, "golden");
  EXPECT_EQ(items<model::LayerView>("/v1/vms/golden/layers")[0].what, "current");
}

TEST_F(SnapshotsApiTest, TemplatesAreFound) {
  const auto golden = add_vm_with_disk("golden");
  add_vm_with_disk("web1");
  write([&](core::Draft& draft) { draft.guest(golden).is_template = true; });
  const auto found = items<model::VmView>("/v1/vms?filter=template=true");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "golden");
  EXPECT_TRUE(found[0].is_template);
  EXPECT_EQ(items<model::VmView>("/v1/vms?filter=template=false").size(), 1u);
}

TEST_F(SnapshotsApiTest, AVmIsMadeFromATemplate) {
  const auto golden = add_vm_with_disk("golden");
  write([&](core::Draft& draft) { draft.guest(golden).is_template = true; });
  const auto made = ask("POST", "/v1/vms?dry_run=true",
                        R"({"name": "web1", "from_template": "golden", "count": 3})");
  ASSERT_EQ(made.status, 200) << made.body;
  const auto plan = json::decode<model::PlanView>(made.body);
  ASSERT_EQ(plan.parts.size(), 3u);
  EXPECT_EQ(plan.parts[0].object.name, "web1-1");
  for (const auto& part : plan.parts) EXPECT_FALSE(part.steps.empty());
  const auto why = refused("POST", "/v1/vms?dry_run=true",
                           R"({"name": "web1", "from_template": "golden", "image": "demo"})");
  EXPECT_EQ(why.reason, "bad-spec");
  EXPECT_EQ(why.field, "/image");
}

TEST_F(SnapshotsApiTest, SchedulesSayWhenTheNextIsDue) {
  const auto web = add_vm_with_disk("web1");
  const auto target = std::string("/v1/vms/web1/schedules");
  const auto set = ask("POST", target, R"({"name": "hourly", "keep": 3})");
  ASSERT_EQ(set.status, 202) << set.body;
  const auto all = items<model::ScheduleView>(target);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "hourly");
  EXPECT_EQ(all[0].every, Duration{3'600'000});
  EXPECT_EQ(all[0].keep, 3u);
  EXPECT_EQ(all[0].snapshots, 0u);
  EXPECT_LE(all[0].next_at->unix_ms, world.clock().wall().unix_ms);
  add_snapshot(web, "hourly-1", [](model::Snapshot& snapshot) { snapshot.schedule = "hourly"; });
  const auto taken = items<model::SnapshotView>("/v1/vms/web1/snapshots")[0].created_at;
  const auto then = items<model::ScheduleView>(target)[0];
  EXPECT_EQ(then.snapshots, 1u);
  EXPECT_EQ(then.next_at->unix_ms, taken.unix_ms + 3'600'000);
  EXPECT_EQ(refused("DELETE", target + "/none").reason, "no-such-object");
}

}  // namespace
}  // namespace ruche::api
