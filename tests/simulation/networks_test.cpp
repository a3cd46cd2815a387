// Guests on networks, on a simulated host: addresses, what is realized when, forwards, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim_client.hpp"

namespace ruche::sim {
namespace {

using model::TaskState;
using std::chrono::seconds;
using testing::IsEmpty;

class NetworksTest : public testing::Test {
 protected:
  NetworksTest() : cluster_(1), host_(cluster_.add_host("alpha")) {
    net().capabilities = {.available = true};
    start_all(cluster_);
    import_demo(cluster_, host_, "local");
    ask_and_wait(cluster_, host_, requests::create_network("default"));
  }
  ~NetworksTest() override {
    wait_until_quiet(cluster_);
    cluster_.run_for(seconds(20));
    wait_until_quiet(cluster_);
    EXPECT_THAT(check_at_rest(cluster_), IsEmpty());
    EXPECT_THAT(cluster_.errors(), IsEmpty());
  }

  SimNetworks& net() { return host_.networks(); }
  model::Task wait(const Request& request) { return ask_and_wait(cluster_, host_, request); }
  model::NicSpec nic(const std::string& name) {
    return guest_named(read_truth(cluster_.store()), name)->spec.nics.at(0);
  }
  model::Network network() { return read_truth(cluster_.store()).networks.begin()->second; }
  Reason refusal(const Request& request) {
    try {
      wait(request);
    } catch (const Error& error) {
      return error.reason();
    }
    return Reason::internal_error;
  }

  SimCluster cluster_;
  SimHost& host_;
};

TEST_F(NetworksTest, AnAddressIsKnownBeforeAnythingRunsAndFreedByThePurge) {
  wait(requests::create_demo("web1"));
  wait(requests::create_demo("web2"));
  const auto subnet = model::parse_prefix(network().subnet);
  ASSERT_TRUE(subnet.has_value());
  const auto first = model::parse_ipv4(nic("web1").address);
  const auto second = model::parse_ipv4(nic("web2").address);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->number, subnet->base.number + 2);
  EXPECT_EQ(second->number, subnet->base.number + 3);
  EXPECT_THAT(net().realized, IsEmpty());
  const auto kept = nic("web1").address;
  wait(requests::remove("web1"));
  wait(requests::create_demo("web3"));
  EXPECT_NE(nic("web3").address, kept) << "the recycle bin keeps it";
  wait(requests::remove("web1", true));
  wait(requests::create_demo("web4"));
  EXPECT_EQ(nic("web4").address, kept);
}

TEST_F(NetworksTest, ANetworkIsThereAsLongAsAGuestNeedsIt) {
  wait(requests::create_demo("web1", true));
  EXPECT_EQ(net().realized.size(), 1u);
  EXPECT_FALSE(net().plugged.at(nic("web1").address).expired());
  wait(requests::stop("web1"));
  cluster_.run_for(seconds(5));
  EXPECT_EQ(net().realized.size(), 1u) << "it lingers";
  cluster_.run_for(seconds(30));
  EXPECT_THAT(net().realized, IsEmpty());
}

TEST_F(NetworksTest, AHostThatGoesDownLeavesNoNetworkThatNobodyNeeds) {
  wait(requests::create_demo("web1", true));
  auto leave = [](core::HostControl& control) -> Async<void> {
    co_await control.host_networks().remove_unwanted();
  };
  host_.spawn("leave", leave(host_.control()));
  cluster_.run_for(seconds(1));
  EXPECT_EQ(net().realized.size(), 1u) << "a guest needs it";
  wait(requests::stop("web1"));
  host_.spawn("leave", leave(host_.control()));
  cluster_.run_for(seconds(1));
  EXPECT_THAT(net().realized, IsEmpty());
}

TEST_F(NetworksTest, AnOrdinaryStartRealizesNothing) {
  wait(requests::create_demo("web1", true));
  wait(requests::create_demo("web2"));
  cluster_.run_for(seconds(2));
  const auto before = net().realizations;
  wait(requests::start("web2"));
  EXPECT_EQ(net().realizations, before);
}

TEST_F(NetworksTest, ARebootBringsItBack) {
  wait(requests::create_demo("web1", true));
  host_.reboot();
  EXPECT_THAT(net().realized, IsEmpty());
  host_.start();
  wait_until_quiet(cluster_);
  wait(requests::start("web1"));
  EXPECT_EQ(net().realized.size(), 1u);
}

TEST_F(NetworksTest, AFailedChangeIsTakenBack) {
  wait(requests::create_demo("web1", true));
  net().fail_next_realize = "nft: no";
  const auto task = wait(requests::forward("default", 8080, "web1:80"));
  EXPECT_EQ(task.state, TaskState::failed);
  EXPECT_THAT(network().forwards, IsEmpty());
  EXPECT_EQ(wait(requests::forward("default", 8080, "web1:80")).state, TaskState::done);
  ASSERT_EQ(net().realized.begin()->second.forwards.size(), 1u);
  EXPECT_EQ(net().realized.begin()->second.forwards[0].address, nic("web1").address);
  wait(requests::remove("web1", true, true));
  EXPECT_THAT(network().forwards, IsEmpty());
}

TEST_F(NetworksTest, PortsAreRefusedWithWhoHasThem) {
  wait(requests::create_demo("web1"));
  wait(requests::forward("default", 8080, "web1:80"));
  EXPECT_EQ(refusal(requests::forward("default", 8080, "web1:81")), Reason::port_in_use);
  net().listeners[8181] = "nginx (process 7)";
  EXPECT_EQ(refusal(requests::forward("default", 8181, "web1:80")), Reason::port_in_use);
  EXPECT_EQ(refusal(requests::forward("default", 8282, "nobody:80")), Reason::no_such_object);
  EXPECT_EQ(refusal(requests::forward("default", 8282, "web1")), Reason::bad_format);
  model::CreateVm other;
  other.name = "web2";
  other.forwards = {{8080, 80}};
  EXPECT_EQ(refusal(requests::create(other)), Reason::port_in_use);
}

TEST_F(NetworksTest, ANetworkInUseStays) {
  wait(requests::create_demo("web1"));
  EXPECT_EQ(refusal(requests::remove_network("default")), Reason::in_use);
  wait(requests::remove("web1", true));
  EXPECT_EQ(wait(requests::remove_network("default")).state, TaskState::done);
  EXPECT_EQ(refusal(requests::create_network("user")), Reason::bad_name);
}

TEST_F(NetworksTest, WithoutNetworksAGuestHasQemusOwn) {
  net().capabilities = {.available = false, .reason = "no nft", .remedy = "install it"};
  wait(requests::create_demo("web1", true));
  EXPECT_EQ(nic("web1").kind, model::NicKind::user);
  model::CreateVm other;
  other.name = "web2";
  other.network = "default";
  EXPECT_EQ(refusal(requests::create(other)), Reason::network_unavailable);
  EXPECT_EQ(refusal(requests::create_network("lab")), Reason::network_unavailable);
}

}  // namespace
}  // namespace ruche::sim
