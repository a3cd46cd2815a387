#include "drivers/linux/tree.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace ruche::drivers::linux {
namespace {

class TreeTest : public testing::Test {
 protected:
  TreeTest() {
    char name[] = "/tmp/ruche-tree-XXXXXX";
    root = ::mkdtemp(name);
  }
  ~TreeTest() override { std::filesystem::remove_all(root); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(root + "/" + name) << text;
  }
  std::string root;
};

TEST_F(TreeTest, WhatIsAbsentIsEmpty) {
  const Tree tree(root);
  EXPECT_EQ(tree.line("/nothing"), "");
  EXPECT_EQ(tree.number("/nothing"), std::nullopt);
  EXPECT_EQ(tree.target("/nothing"), "");
  EXPECT_TRUE(tree.names("/nothing").empty());
  EXPECT_EQ(tree.whole("/"), "");  // a directory
}

TEST_F(TreeTest, TextsAreBoundedAndPrintable) {
  write("long", std::string(3 << 20, 'x'));
  write("evil", "a\x1b[31m\xff\n second");
  const Tree tree(root);
  EXPECT_EQ(tree.whole("/long").size(), 1U << 20);
  EXPECT_EQ(tree.line("/long").size(), 256U);
  EXPECT_EQ(tree.line("/evil"), "a?[31m?");
}

TEST_F(TreeTest, APipeHoldsNobodyUp) {
  ASSERT_EQ(::mkfifo((root + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Tree(root).line("/pipe"), "");
}

TEST_F(TreeTest, NamesAreSortedAndPrintable) {
  write("b", "");
  write("a", "");
  write("e\nvil", "");
  EXPECT_EQ(Tree(root).names(""), (std::vector<std::string>{"a", "b"}));
}

TEST(KernelText, Numbers) {
  EXPECT_EQ(number_in("42"), 42);
  EXPECT_EQ(number_in("42 kB"), 42);
  EXPECT_EQ(number_in("-1\n"), -1);
  for (const auto* text : {"", "x", "42kB", "99999999999999999999", "0x10", " 1"}) {
    EXPECT_EQ(number_in(text), std::nullopt) << text;
  }
}

TEST(KernelText, Words) {
  EXPECT_EQ(chosen_word("always [madvise] never"), "madvise");
  EXPECT_EQ(chosen_word("madvise"), "madvise");
  EXPECT_EQ(chosen_word("]["), "][");
  EXPECT_EQ(value_of_key("MemTotal:  5 kB\nMemFree: 4 kB\n", "MemFree"), "4 kB");
  EXPECT_EQ(value_of_key("MemTotal", "MemTotal"), "");
  EXPECT_TRUE(has_word("fpu svm npt", "svm"));
  EXPECT_FALSE(has_word("fpu svm_lock", "svm"));
  EXPECT_TRUE(has_word("svm_lock svm", "svm"));
}

}  // namespace
}  // namespace ruche::drivers::linux
