#include "core/guests/snapshot_documents.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::core {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

model::LayerId id(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return {uuid};
}

model::DiskSpec disk(std::string name, std::uint8_t layer) {
  model::DiskSpec spec;
  spec.name = std::move(name);
  spec.layer = id(layer);
  return spec;
}

TEST(SnapshotDocuments, hold_what_a_guest_shares_and_keep_what_is_their_own) {
  model::Snapshot snapshot;
  snapshot.spec.disks = {disk("disk0", 1), disk("disk1", 2)};
  snapshot.spec.cdroms = {
      {"cdrom0", {}, id(3), 1}, {"cdrom1", {}, id(3), 2}, {"cdrom2", {}, {}, 3}};
  snapshot.spec.boot.kernel = id(4);
  snapshot.spec.boot.initrd = id(5);
  snapshot.spec.boot.uefi_vars = id(6);
  snapshot.spec.tpm = model::TpmSpec{id(7)};
  snapshot.memory = model::SavedMemory{id(8), mib(1), {}};
  EXPECT_THAT(layers_held(snapshot.spec),
              UnorderedElementsAre(id(1), id(2), id(3), id(3), id(4), id(5)));
  EXPECT_THAT(layers_kept(snapshot), UnorderedElementsAre(id(6), id(7), id(8)));
}

TEST(SnapshotDocuments, move_the_disks_that_were_cut_and_no_others) {
  model::TakeSnapshot cut;
  cut.disks = {{"disk0", id(1), id(11)}, {"disk2", id(3), id(13)}};
  std::vector<model::DiskSpec> disks = {disk("disk0", 1), disk("disk1", 2), disk("disk2", 9)};
  go_on_in_overlays(cut, disks);
  EXPECT_EQ(disks[0].layer, id(11));
  EXPECT_EQ(disks[1].layer, id(2));
  EXPECT_EQ(disks[2].layer, id(9));  // it is not what was cut
  go_on_in_overlays(cut, disks);
  EXPECT_EQ(disks[0].layer, id(11));
}

TEST(SnapshotDocuments, give_memory_the_hardware_of_then_on_the_volumes_of_now) {
  model::RunningHardware then;
  then.spec.cpus = 4;
  then.spec.disks = {disk("disk0", 1)};
  then.spec.boot.uefi_vars = id(2);
  then.spec.generation_id = "then";
  then.ports = {3, 4};
  model::VmSpec now;
  now.cpus = 1;
  now.disks = {disk("disk1", 9), disk("disk0", 11)};
  now.boot.uefi_vars = id(12);
  now.generation_id = "now";
  const auto hardware = hardware_gone_back(then, now);
  EXPECT_EQ(hardware.spec.cpus, 4U);
  ASSERT_EQ(hardware.spec.disks.size(), 1U);
  EXPECT_EQ(hardware.spec.disks[0].layer, id(11));
  EXPECT_EQ(hardware.spec.boot.uefi_vars, id(12));
  EXPECT_EQ(hardware.spec.generation_id, "now");
  EXPECT_THAT(hardware.ports, ElementsAre(3U, 4U));
}

}  // namespace
}  // namespace ruche::core
