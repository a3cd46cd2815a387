#include "drivers/linux/proc_stat.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/descriptor.hpp"

namespace ruche::drivers::linux {

namespace {

constexpr int kStartTimeField = 22;

// Empty when it cannot be read. A process may end between the opening and the reading of its file
// (ESRCH), about which standard streams throw.
std::string read_proc(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char part[4096];
  while (file.open()) {
    const auto got = ::read(file.get(), part, sizeof part);
    if (got <= 0) break;
    text.append(part, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

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
  return parse_proc_stat(read_proc(fmt::format("/proc/{}/stat", pid)));
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
    const auto text = read_proc((entry.path() / "cmdline").string());
    if (holds_words(text, words)) pids.push_back(pid);
  }
  return pids;
}

std::string read_boot_id() {
  auto id = read_proc("/proc/sys/kernel/random/boot_id");
  while (id.ends_with('\n')) id.pop_back();
  return id;
}

}  // namespace ruche::drivers::linux
