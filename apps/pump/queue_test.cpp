#include "queue.hpp"

#include <gtest/gtest.h>

namespace ruche::pump {
namespace {

std::string drain(Queue& queue) {
  std::string all;
  while (!queue.empty()) {
    all += "[" + queue.front() + "]";
    queue.pop();
  }
  return all;
}

TEST(PumpQueue, keeps_order) {
  Queue queue(100);
  queue.output("one");
  queue.synced();
  queue.output("two");
  queue.output("");
  EXPECT_EQ(drain(queue), "[Done][P][Dtwo]");
}

TEST(PumpQueue, drops_the_oldest_and_says_how_much) {
  Queue queue(6);
  queue.output("aaaa");
  queue.output("bbbb");
  queue.output("cc");
  EXPECT_EQ(drain(queue), std::string("[G\x04\0\0\0\0\0\0\0]", 11) + "[Dbbbb][Dcc]");
}

TEST(PumpQueue, adds_up_what_is_dropped_until_it_is_told) {
  Queue queue(2);
  queue.output("aaaa");
  queue.output("bbbbb");
  queue.output("cc");
  EXPECT_EQ(drain(queue), std::string("[G\x09\0\0\0\0\0\0\0]", 11) + "[Dcc]");
  queue.output("d");
  EXPECT_EQ(drain(queue), "[Dd]");
}

TEST(PumpQueue, stays_bounded_behind_an_answer_that_nobody_takes) {
  Queue queue(2);
  queue.synced();
  queue.output("aaaa");
  queue.output("bb");
  EXPECT_EQ(drain(queue), std::string("[G\x04\0\0\0\0\0\0\0]", 11) + "[P][Dbb]");
}

TEST(PumpQueue, output_larger_than_the_limit_is_a_gap) {
  Queue queue(2);
  queue.output("aaaa");
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(drain(queue), std::string("[G\x04\0\0\0\0\0\0\0]", 11));
}

}  // namespace
}  // namespace ruche::pump
