#include "model/cpu_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ruche::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(CpuList, NumbersAndRangesInAnyOrder) {
  EXPECT_THAT(*parse_cpu_list("5"), ElementsAre(5));
  EXPECT_THAT(*parse_cpu_list("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(*parse_cpu_list("8,2-3,3,2"), ElementsAre(2, 3, 8));
  EXPECT_THAT(*parse_cpu_list("7-7"), ElementsAre(7));
  EXPECT_EQ(parse_cpu_list("0-8191")->size(), 8192u);
}

TEST(CpuList, WhatIsNoListIsRefused) {
  for (const auto* text : {"", ",", "1,", ",1", "1,,2", "-", "1-", "-1", "1-2-3", "a", "1a", " 1",
                           "1 ", "+1", "0x1", "1;2", "99999999999", "1-99999999999"}) {
    EXPECT_FALSE(parse_cpu_list(text)) << text;
  }
}

TEST(CpuList, ARangeEndsAfterItBeginsAndWithinTheLimit) {
  EXPECT_THAT(parse_cpu_list("3-1").error(), HasSubstr("ends before"));
  EXPECT_THAT(parse_cpu_list("8192").error(), HasSubstr("0 to 8191"));
  EXPECT_THAT(parse_cpu_list("0-4294967295").error(), HasSubstr("0 to 8191"));
}

}  // namespace
}  // namespace ruche::model
