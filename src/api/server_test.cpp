#include "api/server.hpp"

#include "api/api_fixture_test.hpp"
#include "methods/tables.hpp"

namespace ruche::api {
namespace {

using methods::Page;
using VmPage = Page<model::VmView>;

TEST_F(ApiTest, ShowsAVm) {
  add_vm("web1", [](model::Guest& guest) { guest.tags = {"web"}; });
  const auto response = ask("GET", "/v1/vms/web1");
  ASSERT_EQ(response.status, 200) << response.body;
  const auto vm = json::decode<model::VmView>(response.body);
  EXPECT_EQ(vm.name, "web1");
  EXPECT_EQ(vm.image, "demo");
  EXPECT_EQ(vm.datastore, "default");
  EXPECT_EQ(vm.placement.host, "host1");
  EXPECT_EQ(vm.status.state, model::GuestState::stopped);
  EXPECT_EQ(response.headers.get("ETag"), '"' + vm.etag + '"');
  EXPECT_TRUE(response.headers.has("Request-Id"));
  EXPECT_EQ(get<model::VmView>("/v1/vms/" + to_text(vm.id)).name, "web1");
}

TEST_F(ApiTest, CreatesWithATaskAndWaits) {
  const auto response = ask("POST", "/v1/vms?wait=1s", R"({"name":"web1","image":"demo"})");
  // No agent works here, so the task is still open when the wait is over.
  ASSERT_EQ(response.status, 202) << response.body;
  const auto task = json::decode<model::TaskView>(response.body);
  EXPECT_EQ(task.method, "vm.create");
  EXPECT_EQ(task.user, "tester");
  EXPECT_EQ(task.object.name, "web1");
  EXPECT_FALSE(task.plan.empty());
  EXPECT_EQ(response.headers.get("Location"), "/v1/tasks/" + to_text(task.id));
  // A client reads its own writes.
  EXPECT_EQ(get<model::TaskView>("/v1/tasks/" + to_text(task.id)).id, task.id);
  EXPECT_EQ(get<model::VmView>("/v1/vms/web1").claims.size(), 1u);
}

TEST_F(ApiTest, ADryRunPlansAndChangesNothing) {
  const auto before = inventory.revision();
  const auto response = ask("POST", "/v1/vms?dry_run=true", R"({"name":"web1","image":"demo"})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_FALSE(json::decode<model::PlanView>(response.body).steps.empty());
  EXPECT_EQ(inventory.revision(), before);
}

TEST_F(ApiTest, TheSameIdempotencyKeyAnswersTheSameTask) {
  const std::string body = R"({"name":"web1","image":"demo"})";
  const auto first = ask("POST", "/v1/vms", body, {{"Idempotency-Key", "k1"}});
  const auto second = ask("POST", "/v1/vms?wait=10ms", body, {{"Idempotency-Key", "k1"}});
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(json::decode<model::TaskView>(first.body).id,
            json::decode<model::TaskView>(second.body).id);
  EXPECT_EQ(second.headers.get("Idempotent-Replayed"), "true");
  const auto other =
      refused("POST", "/v1/vms", R"({"name":"web2","image":"demo"})", {{"Idempotency-Key", "k1"}});
  EXPECT_EQ(other.reason, "idempotency-key-reused");
  EXPECT_EQ(refused("POST", "/v1/vms", body, {{"Idempotency-Key", std::string(129, 'x')}}).reason,
            "bad-format");
}

TEST_F(ApiTest, PatchesWithAnEtag) {
  add_vm("web1");
  const auto etag = get<model::VmView>("/v1/vms/web1").etag;
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1", R"({"cpus":2})", {{"If-Match", "\"st0.1\""}}).status,
            412);
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1", R"({"cpus":2})", {{"If-Match", "\"other.1\""}}).reason,
            "revision-mismatch");
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1", R"({"cpus":2})", {{"If-Match", "x"}}).reason,
            "bad-format");
  const auto response =
      ask("PATCH", "/v1/vms/web1", R"({"cpus":2,"tags":["a"]})", {{"If-Match", '"' + etag + '"'}});
  ASSERT_LT(response.status, 300) << response.body;
  EXPECT_EQ(get<model::VmView>("/v1/vms/web1").spec.cpus, 2u);
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1", R"({"cpus":0})").field, "/cpus");
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1", R"({"colour":"red"})").reason, "unknown-field");
  EXPECT_EQ(refused("PATCH", "/v1/vms/web1?cpus=2", "{}").field, "/cpus");
}

TEST_F(ApiTest, ChecksTheHostThatAnswers) {
  host_info.facts.kernel.kvm = "Permission denied";
  const auto check = get<model::HostCheck>("/v1/hosts/self/check");
  EXPECT_EQ(check.name, "host1");
  EXPECT_EQ(check.level, model::CheckLevel::missing);  // there is no QEMU
  const auto kvm = std::ranges::find(check.findings, "kvm", &model::Finding::name);
  ASSERT_NE(kvm, check.findings.end());
  EXPECT_EQ(kvm->level, model::CheckLevel::missing);
  EXPECT_NE(kvm->remedy.find("usermod"), std::string::npos);
  EXPECT_FALSE(check.reduced.empty());
  host_info.facts.hypervisor.installed = true;
  EXPECT_EQ(get<model::HostCheck>("/v1/hosts/host1/check").level, model::CheckLevel::degraded);
  const auto shown = get<model::HostView>("/v1/hosts/self");
  ASSERT_TRUE(shown.facts);
  EXPECT_EQ(shown.facts->kernel.kvm, "Permission denied");
  EXPECT_EQ(refused("GET", "/v1/hosts/nobody/check").reason, "no-such-object");
  const model::HostId id{make_uuid7({1}, world.random())};
  write([&](core::Draft& draft) {
    draft.create(core::keys::host_spec(id), model::Host{id, "host2", draft.now()});
    draft.take_name("host", "host2", id.value);
  });
  const std::string other = "host2";
  EXPECT_EQ(refused("GET", "/v1/hosts/" + other + "/check").reason, "host-unavailable");
  EXPECT_FALSE(get<model::HostView>("/v1/hosts/" + other).facts);
}

TEST_F(ApiTest, RefusesWithProblems) {
  add_vm("web1");
  EXPECT_EQ(refused("GET", "/v2").reason, "no-such-route");
  EXPECT_EQ(refused("GET", "/v1/vms/nobody").status, 404);
  EXPECT_FALSE(refused("GET", "/v1/vms/nobody").remedy.empty());
  EXPECT_EQ(refused("GET", "/v1/images/nobody").reason, "no-such-object");
  EXPECT_EQ(refused("GET", "/v1/tasks/nobody").reason, "no-such-object");
  EXPECT_EQ(refused("GET", "/v1/hosts/nobody").reason, "no-such-object");
  EXPECT_EQ(refused("GET", "/v1/datastores/nobody").reason, "no-such-object");
  EXPECT_EQ(refused("POST", "/v1/vms", "{").reason, "malformed-json");
  EXPECT_EQ(refused("POST", "/v1/vms", R"({"name":"web1","image":"demo"})").reason, "name-in-use");
  EXPECT_EQ(
      refused("POST", "/v1/vms", R"({"name":"web2","image":"demo","memory_bytes":10995116277760})")
          .code,
      "failed-precondition");
  EXPECT_EQ(refused("GET", "/v1/vms/web1/console").reason, "wrong-state");
  const auto wrong_verb = ask("PUT", "/v1/vms");
  EXPECT_EQ(wrong_verb.status, 405);
  EXPECT_EQ(wrong_verb.headers.get("Allow"), "GET, HEAD, OPTIONS, POST");
}

// Whatever is sent to whatever route, the answer is a problem with a status of 400 to 499.
TEST_F(ApiTest, EveryRouteRefusesNonsense) {
  for (const auto& method : methods::all()) {
    std::string path(method.path);
    for (const auto name : method.path_parameters()) {
      const auto hole = "{" + std::string(name) + "}";
      path.replace(path.find(hole), hole.size(), "no-such-thing");
    }
    const std::string verb(methods::to_string(method.verb));
    const auto unknown =
        ask(verb, path + "?nonsense=1", method.has_body() ? R"({"nonsense":1})" : "");
    const bool takes_nothing = method.request == nullptr;
    if (!takes_nothing) {
      EXPECT_GE(unknown.status, 400) << method.id;
      EXPECT_LT(unknown.status, 500) << method.id << unknown.body;
      EXPECT_FALSE(json::decode<net::Problem>(unknown.body).reason.empty());
    }
    if (!method.path_parameters().empty()) {
      const auto missing = ask(verb, path, method.patch ? R"({"cpus":1})" : R"({"host":"host1"})");
      EXPECT_GE(missing.status, 400) << method.id;
      EXPECT_LT(missing.status, 500) << method.id << missing.body;
    }
    EXPECT_EQ(ask("BREW", path).status, 405) << method.id;
  }
}

TEST_F(ApiTest, RolesAreCheckedPerMethod) {
  authenticator.role = methods::Role::viewer;
  for (const auto& method : methods::all()) {
    std::string path(method.path);
    for (const auto name : method.path_parameters()) {
      const auto hole = "{" + std::string(name) + "}";
      path.replace(path.find(hole), hole.size(), "x");
    }
    if (method.answer == methods::Answer::event_stream) continue;
    const auto status = ask(std::string(methods::to_string(method.verb)), path).status;
    EXPECT_EQ(status == 403, method.role > methods::Role::viewer) << method.id;
  }
  authenticator.nobody = true;
  EXPECT_EQ(refused("GET", "/v1/vms").status, 401);
}

TEST_F(ApiTest, AnswersHeadOptionsAndRequestIds) {
  const auto options = ask("OPTIONS", "/v1/vms");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.get("Allow"), "GET, HEAD, OPTIONS, POST");
  EXPECT_EQ(ask("HEAD", "/v1/vms").status, 200);
  EXPECT_EQ(ask("GET", "/v1", {}, {{"Request-Id", "mine-1"}}).headers.get("Request-Id"), "mine-1");
  EXPECT_NE(ask("GET", "/v1", {}, {{"Request-Id", "no\tgood"}}).headers.get("Request-Id"),
            "no\tgood");
}

TEST_F(ApiTest, SaysWhoAnswers) {
  const auto info = get<methods::ApiInfo>("/v1");
  EXPECT_EQ(info.host, "host1");
  EXPECT_EQ(info.store_id, "st0");
  EXPECT_FALSE(info.features.empty());
  EXPECT_TRUE(get<model::HostView>("/v1/hosts/self").is_self);
  EXPECT_EQ(get<model::ImageView>("/v1/images/demo").datastore, "default");
  EXPECT_EQ(get<model::DatastoreView>("/v1/datastores/default").layers, 1u);
}

TEST_F(ApiTest, ListsInPagesOfOneSnapshot) {
  for (int i = 0; i < 7; ++i) add_vm(fmt::format("web{}", i));
  auto page = get<VmPage>("/v1/vms?limit=3&sort=-name");
  ASSERT_EQ(page.items.size(), 3u);
  EXPECT_EQ(page.items.front().name, "web6");
  // What happens meanwhile is not seen by the pages that follow.
  add_vm("web5x");
  remove_vm(inventory.find_guest("web3")->spec->value.id);
  std::vector<std::string> names;
  while (!page.next.empty()) {
    page = get<VmPage>("/v1/vms?limit=3&cursor=" + page.next);
    for (const auto& item : page.items) names.push_back(item.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"web3", "web2", "web1", "web0"}));
  EXPECT_EQ(get<VmPage>("/v1/vms").items.size(), 7u);
  EXPECT_EQ(get<VmPage>("/v1/vms?filter=name~5").items.size(), 2u);
  EXPECT_EQ(refused("GET", "/v1/vms?cursor=nonsense").reason, "bad-cursor");
  EXPECT_EQ(refused("GET", "/v1/vms?limit=1001").field, "/limit");
}

TEST_F(ApiTest, ListsTheRecycleBinApart) {
  add_vm("gone", [this](model::Guest& guest) { guest.deleted_at = world.clock().wall(); });
  add_vm("here");
  ASSERT_EQ(get<VmPage>("/v1/vms").items.size(), 1u);
  EXPECT_EQ(get<VmPage>("/v1/vms").items[0].name, "here");
  ASSERT_EQ(get<VmPage>("/v1/vms?deleted=true").items.size(), 1u);
  EXPECT_EQ(get<VmPage>("/v1/vms?deleted=true").items[0].name, "gone");
}

// What the records promise for filters and what the lists can do is the same.
TEST_F(ApiTest, ListFieldsAreThoseOfTheRecords) {
  add_vm("web1");
  ask("POST", "/v1/vms", R"({"name":"web2","image":"demo"})");
  for (const auto& method : methods::all()) {
    for (const auto field : method.list_fields) {
      const auto response = ask("GET", fmt::format("{}?sort={}", method.path, field));
      EXPECT_EQ(response.status, 200) << method.id << ": " << field << response.body;
    }
    if (method.list_fields.empty()) continue;
    const auto problem = refused("GET", fmt::format("{}?sort=nonsense", method.path));
    const auto named = std::count(problem.remedy.begin(), problem.remedy.end(), ',') + 1;
    EXPECT_EQ(static_cast<std::size_t>(named), method.list_fields.size())
        << method.id << ": " << problem.remedy;
  }
}

TEST_F(ApiTest, CancelsATask) {
  const auto created = ask("POST", "/v1/vms", R"({"name":"web1","image":"demo"})");
  const auto id = to_text(json::decode<model::TaskView>(created.body).id);
  EXPECT_EQ(ask("POST", "/v1/tasks/" + id + "/cancel?dry_run=true").status, 200);
  const auto response = ask("POST", "/v1/tasks/" + id + "/cancel");
  ASSERT_EQ(response.status, 202) << response.body;
  EXPECT_EQ(json::decode<model::TaskView>(response.body).cancel_requested, model::CancelKind::user);
}

TEST_F(ApiTest, ABusyTaskShowsItsProgress) {
  const auto created = ask("POST", "/v1/vms", R"({"name":"web1","image":"demo"})");
  const auto task = json::decode<model::TaskView>(created.body);
  progress.set(task.id,
               {.step = 0, .steps = 2, .done = mib(1), .total = mib(4), .text = "copying"});
  EXPECT_EQ(get<model::TaskView>("/v1/tasks/" + to_text(task.id)).progress.text, "copying");
}

TEST_F(ApiTest, ReadsGoOnWithoutTheStoreAndSaySo) {
  add_vm("web1");
  EXPECT_FALSE(ask("GET", "/v1/vms/web1").headers.has("Ruche-Stale"));
  store->partition();
  store->break_watches();
  world.run_for(std::chrono::seconds(5));
  const auto response = ask("GET", "/v1/vms/web1");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Ruche-Stale"), "true");
  EXPECT_TRUE(get<methods::ApiInfo>("/v1").stale);
  store->heal();
  world.run_for(std::chrono::seconds(5));
  EXPECT_FALSE(ask("GET", "/v1/vms/web1").headers.has("Ruche-Stale"));
}

TEST_F(ApiTest, WaitsNoLongerThanAsked) {
  const auto created = ask("POST", "/v1/vms", R"({"name":"web1","image":"demo"})");
  const auto id = to_text(json::decode<model::TaskView>(created.body).id);
  const auto before = world.clock().now();
  EXPECT_EQ(ask("GET", "/v1/tasks/" + id + "?wait=30s").status, 200);
  EXPECT_EQ(world.clock().now() - before, std::chrono::seconds(30));
}

TEST_F(ApiTest, SettingsChangeWhatAHostMayPromise) {
  const auto before = get<model::HostView>("/v1/hosts/self").ledger.cpus_total;
  const auto settings = get<model::Settings>("/v1/settings");
  EXPECT_EQ(settings.cpu_overcommit, 4u);
  const auto changed = ask("PATCH", "/v1/settings", R"({"cpu_overcommit": 8})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(get<model::Settings>("/v1/settings").cpu_overcommit, 8u);
  EXPECT_EQ(get<model::HostView>("/v1/hosts/self").ledger.cpus_total, before * 2);
  EXPECT_EQ(refused("PATCH", "/v1/settings", R"({"cpu_overcommit": 0})").field, "/cpu_overcommit");
  EXPECT_EQ(get<model::Settings>("/v1/settings").cpu_overcommit, 8u);
}

}  // namespace
}  // namespace ruche::api
