#include "model/share_rules.hpp"

#include <gtest/gtest.h>

#include "model/guest_rules.hpp"
#include "model/hardware.hpp"

namespace ruche::model {
namespace {

bool allowed(std::string path) { return check_share({"data", std::move(path)}).has_value(); }

TEST(ShareRules, PathsSayWhereTheyLead) {
  for (const auto* path : {"/srv/data", "/srv", "/home/anna/my files", "/srv/..data", "/srv/a,b",
                           "/running", "/devices/x", "/srv/dev"}) {
    EXPECT_TRUE(allowed(path)) << path;
  }
  for (const auto* path :
       {"", "/", "//", "srv/data", "./srv", "/srv/", "/srv//data", "/srv/./data", "/srv/../etc",
        "/..", "/proc", "/proc/1/root", "/sys", "/dev/shm", "/run", "/run/ruche", "/srv/a\nb"}) {
    EXPECT_FALSE(allowed(path)) << path;
  }
  EXPECT_FALSE(allowed("/" + std::string(2000, 'a')));
}

TEST(ShareRules, NamesFitIntoTheDevice) {
  EXPECT_TRUE(check_share({std::string(36, 'a'), "/srv"}));
  EXPECT_FALSE(check_share({std::string(37, 'a'), "/srv"}));
  EXPECT_FALSE(check_share({"", "/srv"}));
}

TEST(ShareRules, PathsOverlapWhenOneHoldsTheOther) {
  EXPECT_TRUE(paths_overlap("/srv", "/srv"));
  EXPECT_TRUE(paths_overlap("/srv/a", "/srv"));
  EXPECT_TRUE(paths_overlap("/srv", "/srv/a"));
  EXPECT_TRUE(paths_overlap("/", "/srv"));
  EXPECT_FALSE(paths_overlap("/srv", "/srv2"));
  EXPECT_FALSE(paths_overlap("/srv/a", "/srv/b"));
}

TEST(ShareRules, ASpecificationTellsWhichFolderIsWrong) {
  VmSpec spec;
  spec.shares = {{"share0", "/srv/data"}, {"share1", "/proc/1"}};
  ASSERT_TRUE(assign_slots(spec));
  EXPECT_EQ(spec.shares[0].slot, kFirstFreeSlot);
  EXPECT_EQ(spec.shares[1].slot, kFirstFreeSlot + 1);
  const auto refused = check_spec(spec);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field(), "/shares/1/path");
  spec.shares[1] = {"share0", "/srv/more", false, spec.shares[1].slot};
  const auto twice = check_spec(spec);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().reason(), Reason::duplicate_device);
}

}  // namespace
}  // namespace ruche::model
