#include "drivers/linux/proc_stat.hpp"

#include <fmt/format.h>

#include <charconv>
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

std::string read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace ruche::drivers::linux
