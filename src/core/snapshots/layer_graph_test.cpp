#include "core/snapshots/layer_graph.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

model::LayerId id(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return {uuid};
}
GraphLayer on(std::uint8_t parent, std::uint8_t number) {
  return {id(number), parent == 0 ? std::nullopt : std::optional(id(parent)), true, false};
}
GraphLayer foreign(std::uint8_t parent, std::uint8_t number) {
  auto layer = on(parent, number);
  layer.own = false;
  return layer;
}

TEST(LayerGraph, finds_nothing_where_everything_is_needed) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(2, 3)}, {id(1), id(2), id(3)});
  EXPECT_TRUE(loose.empty());
}

TEST(LayerGraph, merges_a_layer_into_the_only_one_on_it) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(2, 3)}, {id(1), id(3)});
  EXPECT_THAT(loose.merges, ElementsAre(LayerMerge{id(3), id(2)}));
  EXPECT_THAT(loose.merged, ElementsAre(id(2)));
  EXPECT_THAT(loose.unused, IsEmpty());
}

TEST(LayerGraph, merges_several_in_a_row_from_above) {
  const auto loose = find_loose({on(9, 1), on(1, 2), on(2, 3), on(3, 4)}, {id(4)});
  EXPECT_THAT(loose.merges, ElementsAre(LayerMerge{id(4), id(3)}, LayerMerge{id(4), id(2)},
                                        LayerMerge{id(4), id(1)}));
  EXPECT_THAT(loose.merged, ElementsAre(id(3), id(2), id(1)));
}

TEST(LayerGraph, keeps_a_layer_on_which_two_branches_stand) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(1, 3)}, {id(2), id(3)});
  EXPECT_TRUE(loose.empty());
}

TEST(LayerGraph, removes_a_branch_that_nothing_needs_from_its_top) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(2, 3), on(1, 4)}, {id(1), id(4)});
  EXPECT_THAT(loose.unused, ElementsAre(id(3), id(2)));
  EXPECT_THAT(loose.merges, IsEmpty());
}

TEST(LayerGraph, merges_into_the_branch_that_is_left) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(1, 3)}, {id(3)});
  EXPECT_THAT(loose.unused, ElementsAre(id(2)));
  EXPECT_THAT(loose.merges, ElementsAre(LayerMerge{id(3), id(1)}));
}

TEST(LayerGraph, leaves_alone_what_others_stand_on_however_far_up) {
  const auto loose = find_loose({on(0, 1), on(1, 2), on(2, 3), foreign(3, 4), on(3, 5)}, {id(5)});
  EXPECT_TRUE(loose.empty());
}

TEST(LayerGraph, merges_above_what_others_stand_on) {
  const auto loose = find_loose({on(0, 1), foreign(1, 4), on(1, 2), on(2, 3)}, {id(3)});
  EXPECT_THAT(loose.merges, ElementsAre(LayerMerge{id(3), id(2)}));
}

TEST(LayerGraph, leaves_alone_what_somebody_else_counts_on) {
  auto used = on(1, 2);
  used.used = true;
  const auto loose = find_loose({on(0, 1), used, on(2, 3)}, {id(3)});
  EXPECT_TRUE(loose.empty());
}

}  // namespace
}  // namespace ruche::core
