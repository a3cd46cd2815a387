// Logging in and out over HTTP, and what the audit tells of it.
#include <gmock/gmock.h>

#include "api/api_fixture_test.hpp"
#include "methods/tables.hpp"
#include "model/identity_views.hpp"

namespace ruche::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kAlice =
    R"({"name": "alice", "role": "operator", "password": "a horse and a battery"})";
constexpr const char* kRight = R"({"user": "alice", "password": "a horse and a battery"})";
constexpr const char* kWrong = R"({"user": "alice", "password": "a horse and a donkey"})";

class IdentityTest : public ApiTest {
 protected:
  IdentityTest() : peers_({.owner_uid = 1000, .owner_name = ""}), bearers_(identity, peers_) {
    asked = &bearers_;
    restart_server();
    EXPECT_EQ(root("POST", "/v1/users", kAlice).status, 200);
  }
  // Root at the socket, a stranger in the network, or somebody with a token.
  net::HttpResponse root(std::string method, std::string target, std::string body = {}) {
    FakeExchange exchange(std::move(method), target, std::move(body));
    exchange.editable().peer.credentials = net::PeerCredentials{};
    return finish(exchange);
  }
  net::HttpResponse stranger(std::string method, std::string target, std::string body = {},
                             std::string token = {}, std::string address = "192.0.2.7:4711") {
    FakeExchange exchange(std::move(method), target, std::move(body));
    exchange.editable().peer.address = std::move(address);
    if (!token.empty()) exchange.editable().headers.set("Authorization", "bearer " + token);
    return finish(exchange);
  }
  net::HttpResponse finish(FakeExchange& exchange) {
    world.run(server->handle(exchange));
    return exchange.response.value_or(net::HttpResponse{.status = 0});
  }
  std::string log_in() {
    const auto answer = stranger("POST", "/v1/sessions", kRight);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::decode<model::NewSession>(answer.body).token;
  }
  std::string reason_of(const net::HttpResponse& answer) {
    return json::decode<net::Problem>(answer.body).reason;
  }
  std::string audit_text(const std::string& filter = {}) {
    return root("GET", "/v1/audit" + (filter.empty() ? "" : "?filter=" + filter)).body;
  }
  void wait(Duration time) { world.run(sleep_for(world.clock(), time)); }

  PeerAuthenticator peers_;
  BearerAuthenticator bearers_;
};

TEST_F(IdentityTest, LogInWorkLogOut) {
  const auto token = log_in();
  const auto who = stranger("GET", "/v1/sessions/current", {}, token);
  const auto session = json::decode<model::SessionView>(who.body);
  EXPECT_EQ(session.user, "alice");
  EXPECT_EQ(session.role, methods::Role::operator_);
  EXPECT_EQ(session.address, "192.0.2.7");
  EXPECT_EQ(stranger("DELETE", "/v1/sessions/current", {}, token).status, 200);
  EXPECT_EQ(stranger("GET", "/v1/sessions/current", {}, token).status, 401);
}

TEST_F(IdentityTest, ASessionEndsByItself) {
  const auto token = log_in();
  wait(core::IdentityService::kSessionLifetime - Duration{60'000});
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token).status, 200);
  wait(Duration{61'000});
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token).status, 401);
}

TEST_F(IdentityTest, ANewPasswordEndsSessions) {
  const auto token = log_in();
  EXPECT_EQ(root("PATCH", "/v1/users/alice", R"({"role": "viewer"})").status, 200);
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token).status, 200);
  EXPECT_EQ(root("PATCH", "/v1/users/alice", R"({"password": "another long one"})").status, 200);
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token).status, 401);
  EXPECT_EQ(stranger("POST", "/v1/sessions", kRight).status, 401);
}

TEST_F(IdentityTest, BadPasswordsAreRefusedWithAReason) {
  for (const char* body :
       {R"({"name": "bob", "password": "short"})", R"({"name": "bob", "password": ""})"}) {
    const auto answer = root("POST", "/v1/users", body);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(reason_of(answer), "weak-password");
  }
  EXPECT_EQ(reason_of(root("POST", "/v1/users",
                           R"({"name": "root", "password": "a horse and a battery"})")),
            "bad-name");
  EXPECT_EQ(reason_of(root("POST", "/v1/users", kAlice)), "name-in-use");
}

TEST_F(IdentityTest, AnUnknownUserCostsAsMuchAsAKnownOne) {
  const auto before = passwords.verified;
  const auto known = stranger("POST", "/v1/sessions", kWrong);
  const auto unknown = stranger("POST", "/v1/sessions", R"({"user": "eve", "password": "x"})");
  EXPECT_EQ(passwords.verified - before, 2u);
  EXPECT_EQ(known.body, unknown.body);
  EXPECT_EQ(known.status, 401);
}

TEST_F(IdentityTest, TooManyFailuresWaitButNotAtTheSocket) {
  for (int n = 0; n < core::Lockout::kFreeByUser; ++n) {
    EXPECT_EQ(stranger("POST", "/v1/sessions", kWrong).status, 401);
  }
  const auto verified = passwords.verified;
  const auto locked = stranger("POST", "/v1/sessions", kRight);
  EXPECT_EQ(locked.status, 429);
  EXPECT_EQ(locked.headers.get("Retry-After"), "1");
  EXPECT_EQ(reason_of(locked), "locked-out");
  EXPECT_EQ(passwords.verified, verified) << "a locked log-in costs nothing";
  EXPECT_EQ(root("GET", "/v1/users/alice").status, 200);
  wait(Duration{1001});
  EXPECT_EQ(stranger("POST", "/v1/sessions", kWrong).status, 401);
  EXPECT_EQ(stranger("POST", "/v1/sessions", kRight).headers.get("Retry-After"), "2");
  EXPECT_EQ(root("POST", "/v1/users/alice/unlock").status, 200);
  log_in();
}

TEST_F(IdentityTest, OneAddressCannotTryManyUsers) {
  for (int n = 0; n < core::Lockout::kFreeByAddress; ++n) {
    const auto body = fmt::format(R"({{"user": "u{}", "password": "x"}})", n);
    EXPECT_EQ(stranger("POST", "/v1/sessions", body).status, 401);
  }
  EXPECT_EQ(stranger("POST", "/v1/sessions", kRight).status, 429);
  EXPECT_EQ(stranger("POST", "/v1/sessions", kRight, {}, "192.0.2.8:1").status, 200);
}

TEST_F(IdentityTest, AFloodOfLogInsIsTurnedAway) {
  passwords.busy = true;
  const auto answer = stranger("POST", "/v1/sessions", kRight);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.get("Retry-After"), "5");
  passwords.busy = false;
  log_in();
}

TEST_F(IdentityTest, TheLastAdministratorStaysExceptAtTheSocket) {
  EXPECT_EQ(root("PATCH", "/v1/users/alice", R"({"role": "administrator"})").status, 200);
  const auto token = log_in();
  for (const char* patch : {R"({"role": "viewer"})", R"({"disabled": true})"}) {
    EXPECT_EQ(reason_of(stranger("PATCH", "/v1/users/alice", patch, token)), "last-administrator");
  }
  EXPECT_EQ(reason_of(stranger("DELETE", "/v1/users/alice", {}, token)), "last-administrator");
  EXPECT_EQ(root("DELETE", "/v1/users/alice").status, 200);
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token).status, 401);
}

TEST_F(IdentityTest, TokensAreShownOnceAndRevoked) {
  const auto session = log_in();
  EXPECT_EQ(
      stranger("POST", "/v1/tokens", R"({"name": "ci", "role": "administrator"})", session).status,
      403);
  const auto made = stranger("POST", "/v1/tokens", R"({"name": "ci", "role": "viewer"})", session);
  ASSERT_EQ(made.status, 200) << made.body;
  const auto token = json::decode<model::NewToken>(made.body);
  EXPECT_EQ(token.about.expires_at.unix_ms - token.about.created_at.unix_ms,
            model::kTokenLifetime.count());
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token.token).status, 200);
  EXPECT_EQ(stranger("POST", "/v1/vms", "{}", token.token).status, 403);
  EXPECT_THAT(root("GET", "/v1/tokens").body, Not(HasSubstr(token.token)));
  EXPECT_EQ(reason_of(stranger("POST", "/v1/tokens", R"({"name": "ci"})", session)), "name-in-use");
  EXPECT_EQ(stranger("POST", "/v1/tokens", R"({"name": "x", "lifetime_ms": 99999999999})", session)
                .status,
            400);
  EXPECT_EQ(stranger("DELETE", "/v1/tokens/ci", {}, session).status, 200);
  EXPECT_EQ(stranger("GET", "/v1/vms", {}, token.token).status, 401);
}

TEST_F(IdentityTest, TokensOfOthersAreNotSeen) {
  EXPECT_EQ(
      root("POST", "/v1/users", R"({"name": "bob", "password": "a horse and a battery"})").status,
      200);
  EXPECT_EQ(root("POST", "/v1/tokens", R"({"name": "bobs", "user": "bob"})").status, 200);
  const auto session = log_in();
  EXPECT_THAT(root("GET", "/v1/tokens").body, HasSubstr("bobs"));
  EXPECT_THAT(stranger("GET", "/v1/tokens", {}, session).body, Not(HasSubstr("bobs")));
  EXPECT_EQ(stranger("DELETE", "/v1/tokens/bobs", {}, session).status, 404);
  EXPECT_EQ(stranger("POST", "/v1/tokens", R"({"name": "x", "user": "bob"})", session).status, 403);
}

TEST_F(IdentityTest, ADryRunOfADeletionLeavesEverythingThere) {
  const auto token = log_in();
  const auto session = stranger("POST", "/v1/tokens", R"({"name": "ci"})", token);
  ASSERT_EQ(session.status, 200) << session.body;
  EXPECT_EQ(stranger("DELETE", "/v1/tokens/ci?dry_run=true", {}, token).status, 200);
  EXPECT_EQ(root("DELETE", "/v1/users/alice?dry_run=true").status, 200);
  EXPECT_EQ(root("GET", "/v1/users/alice").status, 200);
  EXPECT_EQ(stranger("DELETE", "/v1/tokens/ci", {}, token).status, 200);
  // What the real one would refuse is refused.
  EXPECT_EQ(stranger("DELETE", "/v1/tokens/ci?dry_run=true", {}, token).status, 404);
}

TEST_F(IdentityTest, EveryDeletionHasADryRun) {
  for (const auto& method : methods::all()) {
    if (method.verb != methods::Verb::delete_ || method.id == "session.delete") continue;
    EXPECT_TRUE(method.takes_dry_run()) << method.id;
  }
}

TEST_F(IdentityTest, TheAuditTellsWhoWhatAndFromWhereWithoutSecrets) {
  const auto token = log_in();
  stranger("POST", "/v1/sessions", kWrong);
  stranger("GET", "/v1/users", {}, token);
  stranger("GET", "/v1/vms", {}, "rs_nonsense");
  root("PATCH", "/v1/users/alice", R"({"role": "viewer"})");
  root("PATCH", "/v1/settings", R"({"cpu_overcommit": 8})");
  const auto text = audit_text();
  for (const char* expected : {"user.create", "session.create", "192.0.2.7", "refused", "user.list",
                               "session.use", R"("path":"/role","before":"operator")",
                               R"("path":"/cpu_overcommit","before":"4","after":"8")"}) {
    EXPECT_THAT(text, HasSubstr(expected));
  }
  for (const auto& secret : {token, std::string("a horse"), std::string("fake$")}) {
    EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
  EXPECT_THAT(audit_text("outcome=refused"), Not(HasSubstr("user.create")));
  EXPECT_THAT(audit_text("method=user.set"), HasSubstr("alice"));
  EXPECT_THAT(root("GET", "/v1/audit/verify").body, HasSubstr(R"("intact":true)"));
}

TEST_F(IdentityTest, TamperingWithTheAuditShows) {
  const auto token = log_in();
  audit_text();
  auto& entries = history.audit().entries();
  ASSERT_GE(entries.size(), 2u);
  entries[0].item.json.replace(entries[0].item.json.find("alice"), 5, "mallo");
  EXPECT_THAT(root("GET", "/v1/audit/verify").body, HasSubstr("is not what was written"));
}

TEST_F(IdentityTest, WithoutAnAuditLogPowerGoesOnForLongerThanChanges) {
  history.audit().full = true;
  while (inventory.audits().size() < core::AuditKeeper::kMostWaiting) {
    ASSERT_EQ(root("PATCH", "/v1/settings", R"({"cpu_overcommit": 8})").status, 200);
  }
  EXPECT_EQ(reason_of(root("PATCH", "/v1/settings", R"({"cpu_overcommit": 4})")),
            "audit-unavailable");
  EXPECT_EQ(root("GET", "/v1/vms").status, 200);
  add_vm("web1");
  EXPECT_EQ(root("POST", "/v1/vms/web1/start").status, 202);
  history.audit().full = false;
  audit_text();
  EXPECT_EQ(inventory.audits().size(), 0u);
  EXPECT_EQ(root("PATCH", "/v1/settings", R"({"cpu_overcommit": 4})").status, 200);
}

TEST_F(IdentityTest, RefusalsAreRecordedButNotWithoutEnd) {
  for (int n = 0; n < 200; ++n) stranger("GET", "/v1/vms", {}, "nonsense");
  audit_text();
  EXPECT_LE(history.audit().entries().size(), core::AuditKeeper::kRefusalBurst + 2);
  wait(Duration{10'000});
  stranger("GET", "/v1/vms", {}, "nonsense");
  EXPECT_THAT(audit_text(), HasSubstr(R"("unrecorded":170)"));
}

TEST_F(IdentityTest, TheHistoryOfAVmReadsLikeASentence) {
  add_vm("web1");
  EXPECT_EQ(root("PATCH", "/v1/vms/web1", R"({"memory_bytes": 1073741824, "cpus": 2})").status,
            202);
  const auto token = log_in();
  const auto text = stranger("GET", "/v1/vms/web1/history", {}, token).body;
  EXPECT_THAT(text, HasSubstr("cpus: 1 → 2"));
  EXPECT_THAT(text, HasSubstr("memory: 512 MiB → 1 GiB"));
  EXPECT_THAT(text, HasSubstr(R"("user":"root")"));
}

}  // namespace
}  // namespace ruche::api
