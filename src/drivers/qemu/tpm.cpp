#include "drivers/qemu/tpm.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "drivers/qemu/beside.hpp"
#include "drivers/qemu/launch.hpp"
#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr int kControl = 3;
constexpr int kLog = 4;
constexpr std::size_t kWordsLimit = 1024;
// swtpm's own are about 4 MiB and a few KiB; a guest that finds its way into it gets no more.
constexpr Bytes kAddressSpace = mib(512);
constexpr Bytes kLargestFile = mib(1);

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

// A file of swtpm's begins so (struct nvram_linear_hdr); a new one has nothing but zeros there.
bool is_state(const Descriptor& file) {
  constexpr std::string_view kMagic = "nilmptws";
  std::array<char, kMagic.size()> begin{};
  const auto got = ::pread(file.get(), begin.data(), begin.size(), 0);
  if (got < 0) return false;
  const std::string_view text(begin.data(), begin.size());
  return text == kMagic || std::ranges::all_of(text, [](char c) { return c == 0; });
}

// swtpm opens its file by name, links not followed. Only the last directory is searched, because it
// begins there; those above it stay closed to the guest's user.
void give(const Descriptor& file, const std::string& directory, std::uint32_t uid) {
  if (::geteuid() != 0 || uid == 0) return;  // everything runs as the daemon's user then
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail("the TPM's file");
  if (info.st_nlink != 1) {
    throw Error(Reason::io_failed, "the TPM's file has another name, which somebody else may use");
  }
  const Descriptor above(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!above.open()) fail(directory);
  if (::fchown(above.get(), static_cast<uid_t>(-1), uid) != 0) fail(directory);
  if (::fchmod(above.get(), 0710) != 0) fail(directory);
  if (::fchown(file.get(), uid, uid) != 0 || ::fchmod(file.get(), 0600) != 0) {
    fail("giving the TPM's file to its guest");
  }
}

std::string log_word(model::GuestId guest) {
  return fmt::format("fd={},prefix={}: ", kLog, to_text(guest));
}

// The end of the log, without the guest's id in every line.
std::string words_of(const GuestDirectory& directory, model::GuestId guest) {
  auto words = directory.tail(kTpmLog, kWordsLimit);
  const auto prefix = to_text(guest) + ": ";
  for (auto at = words.find(prefix); at != std::string::npos; at = words.find(prefix)) {
    words.erase(at, prefix.size());
  }
  return describe_unseen_end(words);
}

}  // namespace

std::string why_no_tpm(const std::string& swtpm_path) {
  return ::access(swtpm_path.c_str(), X_OK) == 0 ? "" : "swtpm is not installed";
}

std::expected<void, Error> add_tpm(Arguments& out, const ports::MachineSpec& machine,
                                   const EngineFacts& facts) {
  if (!machine.spec.tpm) return {};
  if (!facts.no_tpm.empty()) {
    return std::unexpected(
        Error(Reason::host_cannot, "this host has no TPM for guests: " + facts.no_tpm)
            .at("/tpm")
            .remedy("install the package swtpm, then restart ruched"));
  }
  if (machine.tpm_state_path.empty()) {
    return std::unexpected(
        Error(Reason::bad_spec, "a TPM needs a file for what it keeps").at("/tpm/state"));
  }
  out.add("-chardev", fmt::format("socket,id=tpm,fd={}", kTpmDescriptor));
  out.add("-tpmdev", "emulator,id=tpm0,chardev=tpm");
  out.add("-device", "tpm-crb,id=tpm1,tpmdev=tpm0");
  return {};
}

TpmHandover prepare_tpm(const ports::MachineSpec& machine, const GuestDirectory& directory) {
  const auto& path = machine.tpm_state_path;
  const auto file = open_for_qemu({.path = path, .writable = true});
  if (!is_state(file)) {
    throw Error(Reason::hypervisor_failed,
                fmt::format("{} is not what a TPM keeps; a start would erase it", path))
        .remedy(
            "restore that file from a backup; if its keys may be lost, empty it: "
            "truncate -s 0 FILE");
  }
  give(file, std::filesystem::path(path).parent_path().string(), machine.uid);
  TpmHandover handover;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  handover.ours = Descriptor(ends[0]);
  handover.theirs = Descriptor(ends[1]);
  handover.log = open_log(directory, kTpmLog);
  return handover;
}

ports::SpawnRequest tpm_request(const ports::MachineSpec& machine, const TpmHandover& handover,
                                const GuestDirectory& directory, const std::string& swtpm_path) {
  const std::filesystem::path state(machine.tpm_state_path);
  ports::SpawnRequest request;
  request.name = "the TPM of " + machine.name;
  request.argv = {swtpm_path,
                  "socket",
                  "--tpm2",
                  "--tpmstate",
                  "backend-uri=file://" + state.filename().string(),
                  "--ctrl",
                  fmt::format("type=unixio,clientfd={}", kControl),
                  "--terminate"};
  for (auto& word : tpm_words(machine.guest)) request.argv.push_back(std::move(word));
  request.environment = {"LC_ALL=C"};
  request.working_directory = state.parent_path().string();
  request.descriptors = {{handover.theirs.get(), kControl}, {handover.log.get(), kLog}};
  request.stderr_path = directory.file(kTpmLog);  // what it says before it reads its arguments
  auto& confinement = request.confinement;
  confinement.user = machine.uid;
  confinement.group = machine.uid;
  allow_program(confinement, swtpm_path);
  confinement.write_paths = {machine.tpm_state_path};
  // Its limits are those of the guest's group, which QEMU's start sets.
  confinement.cgroup = to_text(machine.guest);
  confinement.late_cgroup = true;
  confinement.address_space_max = kAddressSpace;
  confinement.file_size_max = kLargestFile;
  return request;
}

std::vector<std::string> tpm_words(model::GuestId guest) { return {"--log", log_word(guest)}; }

std::optional<Error> tpm_failure(const ports::MachineSpec& machine, const GuestDirectory& directory,
                                 const std::string& last_words) {
  if (!machine.spec.tpm || last_words.find("tpm-emulator:") == std::string::npos) return {};
  const auto words = words_of(directory, machine.guest);
  return Error(Reason::hypervisor_failed,
               fmt::format("the TPM of {} did not start: {}", machine.name,
                           words.empty() ? last_words : words + "; " + last_words))
      .remedy(fmt::format("see that swtpm works here (swtpm --version) and that {} is whole, or "
                          "restore that file from a backup",
                          machine.tpm_state_path));
}

Async<void> end_tpm(Services services, model::GuestId guest) {
  co_await end_beside(services, tpm_words(guest));
}

}  // namespace ruche::drivers::qemu
