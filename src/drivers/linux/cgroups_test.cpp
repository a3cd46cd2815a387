// Against directories that look like a cgroup file system; processes_contract_test uses a real one.
#include "drivers/linux/cgroups.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"

namespace ruche::drivers::linux {
namespace {

namespace fs = std::filesystem;

class CgroupsTest : public testing::Test {
 protected:
  CgroupsTest() {
    char name[] = "/tmp/ruche-cgroups-XXXXXX";
    mount = ::mkdtemp(name);
    confinement.memory_max = mib(64);
    confinement.pids_max = 17;
    confinement.cpu_percent = 150;
  }
  ~CgroupsTest() override { fs::remove_all(mount); }

  void write(const std::string& path, const std::string& text) {
    const auto whole = fs::path(mount) / path;
    fs::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  std::string read(const std::string& path) {
    std::ifstream file(fs::path(mount) / path);
    std::string text;
    std::getline(file, text);
    return text;
  }

  std::string mount;
  ports::Confinement confinement;
};

TEST_F(CgroupsTest, limits_on_version_2) {
  write("cgroup.controllers", "cpuset cpu io memory pids");
  write("cgroup.subtree_control", "");
  write("ruche-a/cgroup.subtree_control", "");
  for (const auto* file : {"memory.max", "pids.max", "cpu.max"}) {
    write(std::string("ruche-a/guest/") + file, "");
  }
  Cgroups cgroups({.instance = "a", .mount = mount});
  EXPECT_EQ(cgroups.version(), 2U);
  const auto joined = cgroups.make("guest", confinement);
  EXPECT_EQ(joined, std::vector<std::string>{mount + "/ruche-a/guest"});
  EXPECT_EQ(cgroups.path("guest"), mount + "/ruche-a/guest");
  EXPECT_EQ(read("cgroup.subtree_control"), "+memory +pids +cpu");
  EXPECT_EQ(read("ruche-a/cgroup.subtree_control"), "+memory +pids +cpu");
  EXPECT_EQ(read("ruche-a/guest/memory.max"), "67108864");
  EXPECT_EQ(read("ruche-a/guest/pids.max"), "17");
  EXPECT_EQ(read("ruche-a/guest/cpu.max"), "150000 100000");
}

TEST_F(CgroupsTest, limits_on_version_1) {
  write("memory/cgroup.procs", "");
  write("memory/ruche-a/guest/memory.limit_in_bytes", "");
  write("pids/ruche-a/guest/pids.max", "");
  write("cpu/ruche-a/guest/cpu.cfs_period_us", "");
  write("cpu/ruche-a/guest/cpu.cfs_quota_us", "");
  Cgroups cgroups({.instance = "a", .mount = mount});
  EXPECT_EQ(cgroups.version(), 1U);
  EXPECT_EQ(cgroups.make("guest", confinement).size(), 3U);
  EXPECT_EQ(read("memory/ruche-a/guest/memory.limit_in_bytes"), "67108864");
  EXPECT_EQ(read("pids/ruche-a/guest/pids.max"), "17");
  EXPECT_EQ(read("cpu/ruche-a/guest/cpu.cfs_quota_us"), "150000");
  confinement.cpu_percent.reset();
  EXPECT_EQ(cgroups.make("guest", confinement).size(), 2U);
}

TEST_F(CgroupsTest, weights_on_both_versions) {
  confinement = {};
  confinement.cpu_weight = 400;
  write("memory/cgroup.procs", "");
  write("cpu/ruche-a/guest/cpu.shares", "");
  Cgroups first({.instance = "a", .mount = mount});
  EXPECT_EQ(first.make("guest", confinement).size(), 2U);
  EXPECT_EQ(read("cpu/ruche-a/guest/cpu.shares"), "4096");

  fs::remove_all(mount);
  write("cgroup.controllers", "cpu memory");
  write("cgroup.subtree_control", "");
  write("ruche-a/cgroup.subtree_control", "");
  write("ruche-a/guest/cpu.weight", "");
  Cgroups second({.instance = "a", .mount = mount});
  confinement.cpu_weight = 100;
  second.make("guest", confinement);
  EXPECT_EQ(read("ruche-a/guest/cpu.weight"), "");
  confinement.cpu_weight = 400;
  second.make("guest", confinement);
  EXPECT_EQ(read("ruche-a/guest/cpu.weight"), "400");
}

TEST_F(CgroupsTest, nothing_usable_limits_nothing) {
  Cgroups cgroups({.instance = "a", .mount = mount});
  EXPECT_FALSE(cgroups.usable());
  EXPECT_TRUE(cgroups.make("guest", confinement).empty());
  EXPECT_EQ(cgroups.path("guest"), "");
  cgroups.remove("guest");
}

TEST_F(CgroupsTest, names_stay_inside) {
  Cgroups cgroups({.instance = "a", .mount = mount});
  for (const auto* name : {"", "..", "a/b", "."}) {
    EXPECT_THROW(cgroups.make(name, confinement), Error) << name;
  }
}

}  // namespace
}  // namespace ruche::drivers::linux
