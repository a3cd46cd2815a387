#include "drivers/linux/proc_stat.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace ruche::drivers::linux {

namespace {
constexpr int kStartTimeField = 22;
}

std::optional<ProcStat> parse_proc_stat(std::string_view text) {
  const auto close = text.rfind(") ");
  if (close == std::string_view::npos) return std::nullopt;
  text.remove_prefix(close + 2);
  if (text.empty()) return std::nullopt;
  ProcStat stat;
  stat.state = text.front();
  for (int field = 3; field < kStartTimeField; ++field) {
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    text.remove_prefix(space + 1);
  }
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), stat.start_ticks);
  if (failure != std::errc() || end == text.data()) return std::nullopt;
  return stat;
}

std::optional<ProcStat> read_proc_stat(std::int32_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return parse_proc_stat(text);
}

bool holds_words(std::string_view command_line, const std::vector<std::string>& words) {
  std::string wanted(1, '\0');
  for (const auto& word : words) wanted += word + '\0';
  const std::string bounded = '\0' + std::string(command_line) + '\0';
  return !words.empty() && bounded.find(wanted) != std::string::npos;
}

std::vector<std::int32_t> pids_with_words(const std::vector<std::string>& words) {
  std::vector<std::int32_t> pids;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", failure)) {
    const auto name = entry.path().filename().string();
    std::int32_t pid = 0;
    const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || end != name.data() + name.size()) continue;
    std::ifstream file(entry.path() / "cmdline");
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    if (holds_words(text, words)) pids.push_back(pid);
  }
  return pids;
}

std::string read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace ruche::drivers::linux
