#include "guest_access.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::cli {
namespace {

using testing::Contains;
using testing::HasSubstr;

model::VmView guest_with(model::NicSpec nic) {
  model::VmView vm;
  vm.name = "web1";
  vm.placement.host = "host1";
  vm.spec.nics.push_back(std::move(nic));
  return vm;
}

std::string no_route(const model::VmView& vm, bool local) {
  try {
    ssh_route(vm, local);
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::no_route);
    return error.message() + ": " + error.remedy_text();
  }
  return "";
}

TEST(SshRoute, leads_through_a_forwarded_port_or_to_the_address) {
  model::NicSpec user;
  EXPECT_THAT(no_route(guest_with(user), true), HasSubstr("--forward 2222:22"));
  user.forwards = {{8080, 80}, {2222, 22}};
  const auto forwarded = ssh_route(guest_with(user), true);
  EXPECT_EQ(forwarded.host, "127.0.0.1");
  EXPECT_EQ(forwarded.port, 2222);
  EXPECT_THAT(no_route(guest_with(user), false), HasSubstr("host1"));
  model::NicSpec plugged;
  plugged.kind = model::NicKind::network;
  EXPECT_THAT(no_route(guest_with(plugged), true), HasSubstr("no known address"));
  plugged.address = "10.140.0.5";
  EXPECT_EQ(ssh_route(guest_with(plugged), true).host, "10.140.0.5");
  model::VmView bare;
  bare.name = "web2";
  EXPECT_THAT(no_route(bare, true), HasSubstr("console"));
}

TEST(SshFiles, hold_only_keys) {
  auto vm = guest_with({});
  EXPECT_TRUE(ssh_files(vm, "/state").lines.empty());
  vm.status.agent.emplace();
  vm.status.agent->ssh_host_keys = {"ssh-ed25519 AAAA", "ssh-rsa AAAA\n* ssh-rsa BBBB", "x y z"};
  const auto files = ssh_files(vm, "/state");
  EXPECT_EQ(files.known_hosts, "/state/ruche/ssh/" + to_text(vm.id));
  EXPECT_EQ(files.lines, "ruche-" + to_text(vm.id) + " ssh-ed25519 AAAA\n");
}

TEST(SshArguments, name_the_user_of_cloud_init_and_trust_the_agents_key) {
  auto vm = guest_with({});
  vm.spec.cloud_init.emplace();
  vm.spec.cloud_init->user = "admin";
  const SshFiles files{"/state/known", "a line\n"};
  const auto words = ssh_arguments(vm, {"127.0.0.1", 2222}, {"web1", "", "", {"uptime"}}, files);
  EXPECT_THAT(words, Contains("StrictHostKeyChecking=yes"));
  EXPECT_THAT(words, Contains("admin"));
  EXPECT_EQ(words.back(), "uptime");
  const auto other =
      ssh_arguments(vm, {"127.0.0.1", 2222}, {"web1", "root", "", {}}, {"/state/known", ""});
  EXPECT_THAT(other, Contains("StrictHostKeyChecking=accept-new"));
  EXPECT_THAT(other, Contains("root"));
}

}  // namespace
}  // namespace ruche::cli
