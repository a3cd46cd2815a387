#include "drivers/qemu/companions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "drivers/qemu/shares.hpp"
#include "drivers/qemu/tpm.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr std::string_view kTpm = "tpm-crb,";
constexpr std::string_view kFolder = "vhost-user-fs-pci,";
constexpr std::string_view kTag = ",tag=";

std::string tag_of(std::string_view device) {
  const auto at = device.find(kTag);
  if (at == device.npos) return {};
  const auto rest = device.substr(at + kTag.size());
  return std::string(rest.substr(0, rest.find(',')));
}

}  // namespace

std::vector<Companion> companions_of(const RuntimeRecord& record, const GuestDirectory& directory) {
  std::vector<Companion> found;
  std::size_t folders = 0;
  for (std::size_t i = 1; i < record.argv.size(); ++i) {
    if (record.argv[i - 1] != "-device") continue;
    const std::string_view device = record.argv[i];
    if (device.starts_with(kTpm)) {
      found.push_back({tpm_words(record.guest),
                       "its TPM (swtpm) ended; stop it and start it again: QEMU ends too when "
                       "its system restarts itself without one"});
    }
    if (device.starts_with(kFolder)) {
      found.push_back({share_words(directory, folders++),
                       fmt::format("nobody serves its folder {} any more (virtiofsd ended); it is "
                                   "there again after a stop and a start",
                                   tag_of(device))});
    }
  }
  return found;
}

Async<void> wait_for_companion(Services services, Companion companion) {
  for (const auto& identity : services.processes.find_by_words(companion.words)) {
    const auto process = services.processes.find(identity);
    if (process) co_await process->wait();
  }
}

}  // namespace ruche::drivers::qemu
