#include "golden.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

namespace ruche::golden {

namespace {

namespace fs = std::filesystem;

std::optional<std::string> read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

void check_case(const fs::path& directory,
                const std::function<std::string(const std::string&)>& render, bool update) {
  SCOPED_TRACE(directory.string());
  const auto input = read(directory / "input.json");
  if (!input) {
    ADD_FAILURE() << "input.json is missing";
    return;
  }
  auto text = render(*input);
  if (!text.ends_with('\n')) text += '\n';
  if (update) {
    std::ofstream(directory / "expected.txt", std::ios::binary) << text;
    return;
  }
  const auto expected = read(directory / "expected.txt");
  if (!expected) {
    ADD_FAILURE() << "expected.txt is missing; UPDATE_GOLDEN=1 writes it";
    return;
  }
  EXPECT_EQ(*expected, text);
}

}  // namespace

void check_area(const std::string& area,
                const std::function<std::string(const std::string&)>& render) {
  const auto* update = std::getenv("UPDATE_GOLDEN");
  const bool rewrite = update != nullptr && std::string(update) == "1";
  std::set<fs::path> cases;
  for (const auto& entry :
       fs::directory_iterator(fs::path(RUCHE_SOURCE_DIR) / "tests/golden" / area)) {
    if (entry.is_directory()) cases.insert(entry.path());
  }
  EXPECT_FALSE(cases.empty()) << "no case in " << area;
  for (const auto& directory : cases) check_case(directory, render, rewrite);
}

}  // namespace ruche::golden
