// What /proc/<pid>/stat says of a process (proc(5)); a pid alone is reused, the start time tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ruche::drivers::linux {

struct ProcStat {
  char state = '?';
  std::uint64_t start_ticks = 0;
  bool ended() const { return state == 'Z' || state == 'X'; }
};

// The name in parentheses may itself hold anything, parentheses too.
std::optional<ProcStat> parse_proc_stat(std::string_view text);
// nullopt when there is no such process.
std::optional<ProcStat> read_proc_stat(std::int32_t pid);
std::string read_boot_id();

// A command line as /proc/<pid>/cmdline has it, words ended by NUL, holds these one after the
// other.
bool holds_words(std::string_view command_line, const std::vector<std::string>& words);
std::vector<std::int32_t> pids_with_words(const std::vector<std::string>& words);

}  // namespace ruche::drivers::linux
