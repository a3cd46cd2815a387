// Reading /proc and /sys: small files of a kernel that may be older, newer, or a test's directory.
// Nothing here throws; what is absent is empty. Texts are bounded and printable, because a device's
// model is written by its maker and not by us.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ruche::drivers::linux {

class Tree {
 public:
  explicit Tree(std::string root) : root_(std::move(root)) {}

  std::string path(std::string_view inside) const { return root_ + std::string(inside); }
  bool exists(std::string_view inside) const;
  // The first MiB; for what has one value, trimmed and printable.
  std::string whole(std::string_view inside) const;
  std::string line(std::string_view inside) const;
  std::optional<std::int64_t> number(std::string_view inside) const;
  // Names in a directory, sorted, without dots; at most 4096.
  std::vector<std::string> names(std::string_view inside) const;
  // The last part of what a symbolic link points to.
  std::string target(std::string_view inside) const;
  // All of its parts, from the first; at most 64.
  std::vector<std::string> link_parts(std::string_view inside) const;

 private:
  std::string root_;
};

// A decimal number at the beginning, as the kernel prints them; nothing else is one.
std::optional<std::int64_t> number_in(std::string_view text);
// "[always] madvise never" → "always"; without brackets the whole text.
std::string chosen_word(std::string_view text);
std::string_view trimmed(std::string_view text);
// "Key:   value" → value of the first such line.
std::string_view value_of_key(std::string_view text, std::string_view key);
// The word stands in the text, blanks around it.
bool has_word(std::string_view text, std::string_view word);

}  // namespace ruche::drivers::linux
