#include "drivers/linux/host_info.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/loop.hpp"

namespace ruche::drivers::linux {
namespace {

class HostInfoTest : public testing::Test {
 protected:
  HostInfoTest() {
    char name[] = "/tmp/ruche-hostinfo-XXXXXX";
    root = ::mkdtemp(name);
    write("proc/sys/kernel/osrelease", "6.1.0-9-amd64\n");
    write("proc/sys/kernel/random/boot_id", "3f1c8a50-0000-4000-8000-000000000001\n");
    write("proc/meminfo", "MemTotal:        2048 kB\nMemFree:          100 kB\n");
    std::string cpus;
    for (int thread = 0; thread < 4; ++thread) {
      cpus += "processor\t: " + std::to_string(thread) + "\nmodel name\t: Some CPU: fast\n" +
              "physical id\t: 1\ncore id\t\t: " + std::to_string(thread / 2) +
              "\nflags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 vmx\n\n";
    }
    write("proc/cpuinfo", cpus);
  }
  ~HostInfoTest() override { std::filesystem::remove_all(root); }

  void write(const std::string& path, const std::string& text) {
    const auto whole = std::filesystem::path(root) / path;
    std::filesystem::create_directories(whole.parent_path());
    std::ofstream(whole) << text;
  }
  model::HostStatus read() {
    auto info = linux_host_info({.version = "1.2", .root = root, .landlock_abi = 3});
    return run_now(loop, info->read());
  }
  std::string root;
  Loop loop;
};

TEST_F(HostInfoTest, reads_the_machine) {
  write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
  const auto status = read();
  EXPECT_EQ(status.version, "1.2");
  EXPECT_EQ(status.kernel, "6.1.0-9-amd64");
  EXPECT_EQ(status.boot_id, "3f1c8a50-0000-4000-8000-000000000001");
  EXPECT_EQ(status.cpu_model, "Some CPU: fast");
  EXPECT_EQ(status.sockets, 1U);
  EXPECT_EQ(status.cores, 2U);
  EXPECT_EQ(status.threads, 4U);
  EXPECT_EQ(status.cpu_level, 2U);
  EXPECT_EQ(status.memory, mib(2));
  EXPECT_EQ(status.cgroup_version, 2U);
  EXPECT_EQ(status.features, std::vector<std::string>{"landlock-3"});
}

TEST_F(HostInfoTest, tells_cgroup_versions_apart) {
  EXPECT_EQ(read().cgroup_version, 0U);
  write("sys/fs/cgroup/memory/cgroup.procs", "");
  EXPECT_EQ(read().cgroup_version, 1U);
  write("sys/fs/cgroup/cgroup.controllers", "hugetlb\n");  // hybrid: the memory controller is v1's
  EXPECT_EQ(read().cgroup_version, 1U);
}

TEST_F(HostInfoTest, refuses_a_machine_without_memory) {
  write("proc/meminfo", "nonsense");
  EXPECT_THROW(read(), Error);
}

TEST(CpuLevel, follows_the_psabi) {
  const std::string v2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3";
  const std::string v3 = v2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave";
  EXPECT_EQ(cpu_level("fpu"), 1U);
  EXPECT_EQ(cpu_level(v2), 2U);
  EXPECT_EQ(cpu_level(v3), 3U);
  EXPECT_EQ(cpu_level(v3 + " avx512f avx512bw avx512cd avx512dq avx512vl"), 4U);
}

}  // namespace
}  // namespace ruche::drivers::linux
