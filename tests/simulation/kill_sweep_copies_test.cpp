// Kill sweeps of guests that are copied.
#include <gtest/gtest.h>

#include "copy_requests.hpp"
#include "kill_sweep.hpp"

namespace ruche::sim {
namespace {

using model::GuestState;

std::function<bool(const StoreTruth&)> copy_is(GuestState state) {
  return [state](const StoreTruth& truth) {
    return guest_named(truth, "web2") != nullptr && state_of(truth, "web2") == state;
  };
}

bool no_copy(const StoreTruth& truth) { return guest_named(truth, "web2") == nullptr; }

// With firmware variables and a TPM, which a copy has of its own.
void with_small_files(SimCluster& cluster) {
  model::CreateVm request;
  request.name = "web1";
  request.image = "demo";
  request.boot = model::BootKind::uefi;
  request.tpm = true;
  ask_and_wait(cluster, cluster.host("alpha"), requests::create(request));
}

void with_template(SimCluster& cluster) {
  with_guest(false)(cluster);
  ask_and_wait(cluster, cluster.host("alpha"), requests::make_template("web1"));
}

TEST(KillSweep, CloneFullStopped) {
  sweep({"full copy, stopped", with_guest(false), requests::copy("web1", "web2"),
         copy_is(GuestState::stopped), no_copy});
}

TEST(KillSweep, CloneLinkedStopped) {
  sweep({"linked copy, stopped", with_guest(false), requests::copy("web1", "web2", true),
         copy_is(GuestState::stopped), no_copy});
}

TEST(KillSweep, CloneLinkedRunning) {
  sweep({"linked copy, running", with_guest(true), requests::copy("web1", "web2", true),
         copy_is(GuestState::stopped), no_copy});
}

TEST(KillSweep, CloneFullRunning) {
  sweep({"full copy, running", with_guest(true), requests::copy("web1", "web2"),
         copy_is(GuestState::stopped), no_copy});
}

TEST(KillSweep, CloneWithFirmwareAndTpm) {
  sweep({"full copy, firmware", with_small_files, requests::copy("web1", "web2"),
         copy_is(GuestState::stopped), no_copy});
}

TEST(KillSweep, CreateFromTemplate) {
  model::CreateVm request;
  request.name = "web2";
  request.from_template = "web1";
  request.start = true;
  sweep({"create from a template", with_template, requests::from_template(request),
         copy_is(GuestState::running), no_copy});
}

TEST(KillSweep, MakeTemplate) {
  const auto is = [](bool wanted) {
    return [wanted](const StoreTruth& truth) {
      return guest_named(truth, "web1")->is_template == wanted;
    };
  };
  sweep(
      {"make a template", with_guest(false), requests::make_template("web1"), is(true), is(false)});
}

}  // namespace
}  // namespace ruche::sim
