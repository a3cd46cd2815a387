#include "core/guests/found_guest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/json.hpp"

namespace ruche::core {
namespace {

using testing::HasSubstr;

constexpr const char* kId = "018f0000-0000-7000-8000-000000000001";

model::Guest good() {
  model::Guest guest;
  guest.id = {*parse_uuid(kId)};
  guest.name = "web1";
  guest.uid = 4711;
  guest.spec.machine_type = "pc-q35-10.0";
  guest.spec.disks.push_back({"disk0", {*parse_uuid(kId)}, gib(8), model::DiskBus::virtio_blk, 3});
  guest.spec.nics.push_back({"nic0", model::NicKind::user, "52:54:00:01:02:03", {}, 4, {}, {}});
  guest.spec.cloud_init = model::CloudInit{"ruche", "web1", {}, {"nginx"}, true, 7, 0};
  return guest;
}

// "" or why it is refused.
std::string refusal_of(std::string_view text) {
  const auto read = read_configuration(text, {*parse_uuid(kId)});
  if (read) return "";
  EXPECT_EQ(read.error().reason(), Reason::guest_refused);
  return read.error().full_message();
}
std::string refusal_of(const std::function<void(model::Guest&)>& bend) {
  auto guest = good();
  bend(guest);
  return refusal_of(json::encode(guest));
}

TEST(FoundGuest, is_what_was_exported_without_what_only_a_store_gives) {
  auto exported = good();
  exported.seed = model::GuestSeed{"$6$hash", "#cloud-config\n", ""};
  exported.deleted_at = Timestamp{1};
  exported.spec.shares.push_back({"data", "/etc", false, 3});  // no place that is free, either
  const auto read = read_configuration(json::encode(exported), exported.id);
  ASSERT_TRUE(read) << read.error().full_message();
  EXPECT_EQ(read->name, "web1");
  EXPECT_EQ(read->spec.disks.size(), 1U);
  EXPECT_EQ(read->uid, 0U);
  EXPECT_FALSE(read->seed);
  EXPECT_FALSE(read->deleted_at);
  EXPECT_TRUE(read->spec.shares.empty());
}

TEST(FoundGuest, brings_no_devices_of_a_host) {
  auto exported = good();
  exported.spec.usb.push_back({"usb0", "046d", "c52b", {}});
  exported.spec.pci.push_back({"pci0", "0000:3b:00.0", {}, 5});
  const auto read = read_configuration(json::encode(exported), exported.id);
  ASSERT_TRUE(read) << read.error().full_message();
  EXPECT_TRUE(read->spec.usb.empty());
  EXPECT_TRUE(read->spec.pci.empty());
}

TEST(FoundGuest, is_refused_when_its_configuration_makes_no_sense) {
  EXPECT_THAT(refusal_of(""), HasSubstr("makes no sense"));
  EXPECT_THAT(refusal_of("[]"), HasSubstr("makes no sense"));
  EXPECT_THAT(refusal_of(R"({"id":")" + std::string(kId) + R"(","surprise":1})"),
              HasSubstr("surprise"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.name = "../../etc"; }), HasSubstr("name"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.cpus = 0; }), HasSubstr("cpus"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.id.value.bytes[0] ^= 1; }),
              HasSubstr("not of this folder"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.kind = model::GuestKind::container; }),
              HasSubstr("no virtual machine"));
}

TEST(FoundGuest, keeps_the_rules_of_a_creation) {
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.nics[0].mac = "ff:ff:ff:ff:ff:ff"; }),
              HasSubstr("hardware address"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.nics[0].mac = "52:54:00::::::::"; }),
              HasSubstr("hardware address"));
  EXPECT_THAT(refusal_of([](auto& guest) {
                guest.spec.nics.push_back(guest.spec.nics[0]);
                guest.spec.nics[1].name = "nic1";
                guest.spec.nics[1].slot = 5;
              }),
              HasSubstr("one address"));
  EXPECT_THAT(
      refusal_of([](auto& guest) { guest.spec.memory = Bytes{std::int64_t{0x7ffffffffff00000}}; }),
      HasSubstr("at most"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.memory = Bytes{(16 << 20) + 1}; }),
              HasSubstr("MiB"));
  EXPECT_THAT(
      refusal_of([](auto& guest) { guest.spec.machine_type = "pc-q35-10.0,firmware=/etc/shadow"; }),
      HasSubstr("machine type"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.name.clear(); }), HasSubstr("no name"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.disks[0].name.clear(); }),
              HasSubstr("no name"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.tags = {"a b"}; }), HasSubstr("tag"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.nics[0].slot = 3; }),
              HasSubstr("breaks a rule"))
      << "where the disk is";
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.disks.push_back(guest.spec.disks[0]); }),
              HasSubstr("breaks a rule"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.cloud_init->ssh_keys = {"no key"}; }),
              HasSubstr("breaks a rule"));
  EXPECT_THAT(refusal_of([](auto& guest) { guest.spec.cloud_init->user = "root:x"; }),
              HasSubstr("breaks a rule"));
}

}  // namespace
}  // namespace ruche::core
