#include "drivers/qemu/capabilities.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "drivers/qemu/command_line.hpp"

namespace ruche::drivers::qemu {

namespace {

// Proportional memory of QEMU 10.0.2's process besides the guest's RAM, measured from smaps with
// the demo guest (one CPU, a disk, a NIC), booted and idle: 32 to 36 MiB before the guest runs, 51
// MiB with the bookkeeping of translated code, plus the translation cache, which fills to its
// limit.
constexpr Bytes kProcess = mib(48);
constexpr Bytes kTranslationBooks = mib(16);

// "10.0.2 …" → numbers; what is not there stays 0.
bool read_numbers(std::string_view text, QemuVersion& version) {
  int* const parts[] = {&version.major, &version.minor, &version.micro};
  int read = 0;
  for (int* part : parts) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), *part);
    if (failure != std::errc()) break;
    ++read;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.starts_with('.')) break;
    text.remove_prefix(1);
  }
  return read >= 2;
}

}  // namespace

std::string to_text(const QemuVersion& version) {
  return fmt::format("{}.{}.{}", version.major, version.minor, version.micro);
}

std::expected<QemuVersion, Error> parse_version(std::string_view output) {
  constexpr std::string_view kMark = "QEMU emulator version ";
  constexpr const char* kRemedy = "install qemu-system-x86 10.0 or newer (Debian 12: backports)";
  const auto at = output.find(kMark);
  QemuVersion version;
  if (at == std::string_view::npos || !read_numbers(output.substr(at + kMark.size()), version)) {
    return std::unexpected(
        Error(Reason::host_cannot, "QEMU does not say which version it is").remedy(kRemedy));
  }
  if (version.major < kOldestMajor) {
    return std::unexpected(
        Error(Reason::host_cannot, fmt::format("QEMU {} is too old", to_text(version)))
            .remedy(kRemedy));
  }
  return version;
}

std::vector<std::string> parse_machines(std::string_view output) {
  constexpr std::string_view kPrefix = "pc-q35-";
  std::vector<std::pair<QemuVersion, std::string>> found;
  while (!output.empty()) {
    const auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    if (!line.starts_with(kPrefix) || line.find("(deprecated)") != std::string_view::npos) continue;
    const auto name = line.substr(0, line.find(' '));
    QemuVersion version;
    if (read_numbers(name.substr(kPrefix.size()), version)) {
      found.emplace_back(version, std::string(name));
    }
  }
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<std::string> names;
  for (auto& [version, name] : found) names.push_back(std::move(name));
  return names;
}

std::set<std::string> parse_device_models(std::string_view output) {
  constexpr std::string_view kMark = "name \"";
  std::set<std::string> models;
  while (!output.empty()) {
    auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(line.size() + 1, output.size()));
    if (!line.starts_with(kMark)) continue;
    line.remove_prefix(kMark.size());
    models.emplace(line.substr(0, line.find('"')));
  }
  return models;
}

Bytes process_overhead(model::Accelerator accelerator) {
  return accelerator == model::Accelerator::kvm ? kProcess
                                                : kProcess + kTranslationBooks + kTranslationCache;
}

}  // namespace ruche::drivers::qemu
