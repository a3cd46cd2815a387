// The pure parts of memory, NUMA and the order of CPUs.
#include "drivers/qemu/memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "drivers/qemu/cpu.hpp"

namespace ruche::drivers::qemu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Numa, cpus_are_divided_evenly_the_first_nodes_have_one_more) {
  EXPECT_THAT(cpu_nodes(4, 1), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(cpu_nodes(4, 2), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(cpu_nodes(5, 3), ElementsAre(0, 0, 1, 1, 2));
}

TEST(Numa, cpus_come_to_each_node_in_turn) {
  EXPECT_THAT(order_of_coming(cpu_nodes(4, 1)), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(order_of_coming(cpu_nodes(4, 2)), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(order_of_coming(cpu_nodes(5, 3)), ElementsAre(0, 2, 4, 1, 3));
}

TEST(Numa, a_node_is_a_socket_where_that_divides_the_cpus) {
  model::VmSpec spec;
  spec.cpus = 4;
  EXPECT_EQ(topology_of(spec), (model::CpuTopology{1, 4, 1}));
  spec.numa.nodes = 2;
  EXPECT_EQ(topology_of(spec), (model::CpuTopology{2, 2, 1}));
  spec.numa.nodes = 3;
  EXPECT_EQ(topology_of(spec), (model::CpuTopology{1, 4, 1}));
  spec.topology = model::CpuTopology{1, 2, 2};
  EXPECT_EQ(topology_of(spec), *spec.topology);
}

TEST(Numa, the_hosts_nodes_are_counted_up_to_a_gap) {
  const auto root = std::filesystem::path(testing::TempDir()) / "ruche-numa-nodes";
  std::filesystem::remove_all(root);
  EXPECT_EQ(count_numa_nodes(root), 1u);
  for (const char* node : {"node0", "node1", "node3"}) {
    std::filesystem::create_directories(root / node);
  }
  EXPECT_EQ(count_numa_nodes(root), 2u);
  std::filesystem::remove_all(root);
}

TEST(HugePages, a_launch_that_lacks_them_says_how_many) {
  model::VmSpec spec;
  spec.memory = mib(512);
  const std::string words =
      "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory";
  EXPECT_FALSE(lacks_huge_pages(spec, words));
  spec.huge_pages = model::HugePageSize::mib2;
  const auto error = lacks_huge_pages(spec, words);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->reason(), Reason::not_enough_memory);
  EXPECT_THAT(error->message(), HasSubstr("256 huge pages"));
  EXPECT_THAT(error->remedy_text(), HasSubstr("hugepages-2048kB/free_hugepages"));
  EXPECT_FALSE(lacks_huge_pages(spec, "qemu-system-x86_64: failed to get \"write\" lock"));
}

}  // namespace
}  // namespace ruche::drivers::qemu
