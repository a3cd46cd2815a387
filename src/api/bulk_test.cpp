// One request for many guests: whom a filter finds, and what the answers tell.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/api_fixture_test.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

class BulkApiTest : public ApiTest {
 protected:
  BulkApiTest() {
    add("web1", "web");
    add("web2", "web");
    add("db1", "db");
    set_state(add("web3", "web"), model::GuestState::running);
  }
  model::GuestId add(const std::string& name, const std::string& tag) {
    const auto id = add_vm(name, [&](model::Guest& guest) { guest.tags = {tag}; });
    set_state(id, model::GuestState::stopped);
    return id;
  }
  net::HttpResponse bulk(const std::string& body, const std::string& query = {}) {
    return ask("POST", "/v1/vms/bulk" + query, body);
  }
  net::Problem refuse(const std::string& body) { return refused("POST", "/v1/vms/bulk", body); }
};

TEST_F(BulkApiTest, AFilterFindsThem) {
  const auto answer = bulk(R"({"action": "start", "filter": "tag=web,state=stopped"})");
  ASSERT_EQ(answer.status, 202) << answer.body;
  const auto task = json::decode<model::TaskView>(answer.body);
  EXPECT_EQ(task.summary, "Start 2 VMs");
  EXPECT_EQ(task.progress.parts, 2u);
  EXPECT_EQ(task.progress.parts_ended, 0u);
  ASSERT_EQ(task.parts.size(), 2u);
  EXPECT_EQ(task.parts[0].object.name, "web1");
  EXPECT_EQ(task.parts[1].object.name, "web2");
  EXPECT_FALSE(task.parts[0].task);
  EXPECT_EQ(task.parts[0].state, model::TaskState::waiting);
  // A list does not say it of each.
  const auto listed = get<methods::Page<model::TaskView>>("/v1/tasks?filter=method=vm.bulk");
  ASSERT_EQ(listed.items.size(), 1u);
  EXPECT_EQ(listed.items[0].progress.parts, 2u);
  EXPECT_TRUE(listed.items[0].parts.empty());
}

TEST_F(BulkApiTest, ADryRunTellsOfEach) {
  const auto before = inventory.revision();
  const auto answer = bulk(R"({"action": "start", "filter": "tag=web"})", "?dry_run=true");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto plan = json::decode<model::PlanView>(answer.body);
  ASSERT_EQ(plan.parts.size(), 3u);
  EXPECT_EQ(plan.parts[0].summary, "Start web1");
  EXPECT_EQ(plan.parts[0].steps.size(), 2u);
  EXPECT_FALSE(plan.parts[0].error);
  ASSERT_TRUE(plan.parts[2].error);
  EXPECT_EQ(plan.parts[2].error->reason, "wrong-state");
  EXPECT_TRUE(plan.parts[2].steps.empty());
  EXPECT_EQ(inventory.revision(), before);
}

TEST_F(BulkApiTest, TheRecycleBinIsLookedAtForWhatComesOutOfIt) {
  add_vm("gone", [this](model::Guest& guest) {
    guest.tags = {"web"};
    guest.deleted_at = world.clock().wall();
  });
  const auto back = bulk(R"({"action": "undelete", "filter": "tag=web"})", "?dry_run=true");
  const auto plan = json::decode<model::PlanView>(back.body);
  ASSERT_EQ(plan.parts.size(), 1u);
  EXPECT_EQ(plan.parts[0].object.name, "gone");
  const auto others = bulk(R"({"action": "delete", "filter": "tag=web"})", "?dry_run=true");
  EXPECT_EQ(json::decode<model::PlanView>(others.body).parts.size(), 3u);
}

TEST_F(BulkApiTest, RefusesBeforeAnything) {
  const auto before = inventory.revision();
  EXPECT_EQ(refuse(R"({"action": "start", "filter": "tag=none"})").reason, "nothing-matches");
  EXPECT_EQ(refuse(R"({"action": "start", "filter": "colour=red"})").reason, "bad-filter");
  EXPECT_EQ(refuse(R"({"action": "stop", "filter": " "})").reason, "bad-filter");
  EXPECT_EQ(refuse(R"({"action": "explode", "vms": ["web1"]})").reason, "unknown-value");
  EXPECT_EQ(refuse(R"({"vms": ["web1"]})").reason, "missing-field");
  EXPECT_EQ(refuse(R"({"action": "start", "vms": ["web1", "web9"]})").field, "/vms/1");
  EXPECT_EQ(refuse(R"({"action": "start", "vms": ["web1"], "hold_ms": 5000})").field, "/hold_ms");
  EXPECT_EQ(refuse(R"({"action": "start"})").reason, "bad-request");
  EXPECT_EQ(inventory.revision(), before);
}

TEST_F(BulkApiTest, AThousandAreTheMost) {
  for (int i = 0; i <= static_cast<int>(model::kMostBulkVms); ++i) {
    add(fmt::format("app-{}", i), "app");
  }
  const auto problem = refuse(R"({"action": "start", "filter": "tag=app"})");
  EXPECT_EQ(problem.reason, "too-many-objects");
  EXPECT_EQ(problem.field, "/filter");
  const auto fits = bulk(R"({"action": "delete", "filter": "tag=app,name!=app-0"})");
  EXPECT_EQ(fits.status, 202) << fits.body.substr(0, 500);
}

TEST_F(BulkApiTest, ItNeedsWhatTheVerbForOneNeeds) {
  const auto role = methods::find("vm.bulk")->role;
  for (const auto& action : type_of<model::BulkAction>().values) {
    const auto* one = methods::find(fmt::format("vm.{}", action.name));
    ASSERT_NE(one, nullptr) << action.name;
    EXPECT_EQ(one->role, role) << action.name;
  }
}

TEST_F(BulkApiTest, AVmMayBeCalledSo) {
  add("bulk", "odd");
  EXPECT_EQ(get<model::VmView>("/v1/vms/bulk").name, "bulk");
}

}  // namespace
}  // namespace ruche::api
