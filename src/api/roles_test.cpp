// Every method × everybody who may ask. The methods come from their table, so a new one is covered
// without touching this file; which role each needs is in tests/golden/api_surface.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "api/api_fixture_test.hpp"

namespace ruche::api {
namespace {

using methods::Role;

constexpr const char* kPassword = "a horse and a battery";

class RolesTest : public ApiTest {
 protected:
  RolesTest() : peers_({.owner_uid = 1000, .owner_name = ""}), bearers_(identity, peers_) {
    asked = &bearers_;
    restart_server();
    for (const auto role : {Role::viewer, Role::operator_, Role::administrator}) {
      add_user(fmt::format("{}1", methods::to_string(role)), role);
    }
  }

  core::Caller root() {
    core::Caller caller;
    caller.origin.via = model::AuditVia::socket;
    return caller;
  }
  template <class T>
  T result(Async<T> work) {
    std::optional<T> value;
    const auto keep = [](Async<T> held, std::optional<T>& out) -> Async<void> {
      out.emplace(co_await std::move(held));
    };
    world.run(keep(std::move(work), value));
    return std::move(*value);
  }
  void add_user(const std::string& name, Role role) {
    result(identity.create_user(root(), {name, role, Secret<std::string>(kPassword)}));
  }
  std::string session_of(const std::string& name) {
    core::Caller caller;
    caller.origin.address = "192.0.2.1";
    return result(identity.log_in(caller, {name, Secret<std::string>(kPassword)})).token;
  }
  std::string token_of(const std::string& name, Role role, Duration lifetime) {
    return result(identity.create_token(
                      root(), {fmt::format("t{}", ++tokens_), role, name, lifetime}, std::nullopt))
        .second;
  }

  // The status of a request that asks for nothing that exists and is otherwise as empty as can be.
  int status_of(const methods::Method& method, const std::string& bearer) {
    std::string path(method.path);
    for (const auto name : method.path_parameters()) {
      const auto hole = fmt::format("{{{}}}", name);
      path.replace(path.find(hole), hole.size(), "none-of-them");
    }
    FakeExchange exchange(std::string(methods::to_string(method.verb)), path);
    auto& request = exchange.editable();
    request.peer.address = "192.0.2.1:4711";
    if (!bearer.empty()) request.headers.set("Authorization", "Bearer " + bearer);
    if (method.answer == methods::Answer::event_stream) {
      request.headers.set("Accept", "text/event-stream");
      request.headers.set("Last-Event-ID", "not one of ours");  // or it would go on for ever
    }
    exchange.websocket = method.answer == methods::Answer::websocket;
    world.run(server->handle(exchange));
    if (!exchange.response) return 0;
    if (exchange.response->status == 401) {
      EXPECT_TRUE(exchange.response->headers.has("WWW-Authenticate"));
    }
    return exchange.response->status;
  }

  void expect_role(const methods::Method& method, const std::string& bearer, Role role) {
    const int status = status_of(method, bearer);
    EXPECT_NE(status, 401) << method.id;
    const bool allowed = method.anonymous || role >= method.role;
    EXPECT_EQ(status == 403, !allowed)
        << method.id << " as " << methods::to_string(role) << ": " << status;
  }

  PeerAuthenticator peers_;
  BearerAuthenticator bearers_;
  int tokens_ = 0;
};

TEST_F(RolesTest, NobodyGetsNowhereButToTheLogIn) {
  for (const auto& method : methods::all()) {
    const int status = status_of(method, "");
    EXPECT_EQ(status == 401, !method.anonymous) << method.id << ": " << status;
  }
  for (const char* path : {"/v1/none", "/", "/v1/vms/x/y/z"}) {
    EXPECT_EQ(ask("GET", path).status, 401) << path;
    EXPECT_EQ(ask("OPTIONS", path).status, 401) << path;
  }
  EXPECT_EQ(ask("PUT", "/v1/vms").status, 401);
}

TEST_F(RolesTest, ASessionMayWhatItsUserMay) {
  for (const auto role : {Role::viewer, Role::operator_, Role::administrator}) {
    for (const auto& method : methods::all()) {
      expect_role(method, session_of(fmt::format("{}1", methods::to_string(role))), role);
    }
  }
}

TEST_F(RolesTest, ATokenMayLessThanItsUser) {
  const auto viewer = token_of("administrator1", Role::viewer, model::kTokenLifetime);
  const auto worker = token_of("administrator1", Role::operator_, model::kTokenLifetime);
  for (const auto& method : methods::all()) {
    expect_role(method, viewer, Role::viewer);
    expect_role(method, worker, Role::operator_);
  }
}

TEST_F(RolesTest, ATokenShrinksWithItsUser) {
  const auto token = token_of("operator1", Role::operator_, model::kTokenLifetime);
  world.run(identity.edit_user(root(), "operator1",
                               [](model::UserEdit& edit) { edit.role = Role::viewer; }));
  for (const auto& method : methods::all()) expect_role(method, token, Role::viewer);
}

TEST_F(RolesTest, WhatHasEndedIsWorthNothing) {
  const auto expired = token_of("administrator1", Role::administrator, Duration{1000});
  const auto disabled = token_of("operator1", Role::operator_, model::kTokenLifetime);
  const auto session = session_of("operator1");
  world.run(
      identity.edit_user(root(), "operator1", [](model::UserEdit& edit) { edit.disabled = true; }));
  world.run(sleep_for(world.clock(), Duration{2000}));
  auto wrong = session_of("administrator1");
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  for (const auto& method : methods::all()) {
    if (method.anonymous) continue;
    for (const auto& bearer : {expired, disabled, session, wrong, std::string("nonsense")}) {
      EXPECT_EQ(status_of(method, bearer), 401) << method.id;
    }
  }
}

}  // namespace
}  // namespace ruche::api
