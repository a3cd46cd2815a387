#include "drivers/qemu/shares.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "drivers/qemu/beside.hpp"
#include "drivers/qemu/launch.hpp"
#include "drivers/qemu/machine.hpp"
#include "model/share_rules.hpp"

namespace ruche::drivers::qemu {

namespace {

constexpr int kListening = 3;
constexpr std::size_t kWordsLimit = 1024;

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

std::string field_of(std::size_t index) { return fmt::format("/shares/{}/path", index); }

// In the older program's options a comma separates; what follows a backslash is itself.
std::string escaped_option(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Where the path leads, for a kernel that follows its links now.
std::string real_path(const model::ShareSpec& share, std::size_t index) {
  std::error_code failure;
  const auto real = std::filesystem::canonical(share.path, failure).string();
  if (failure || !std::filesystem::is_directory(real, failure)) {
    throw Error(Reason::bad_spec,
                fmt::format("{}, which is shared as {}, is no folder of this host: {}", share.path,
                            share.name, failure ? failure.message() : "it is something else"))
        .at(field_of(index))
        .remedy("make it (mkdir -p), or remove it from the VM: ruche vm share remove");
  }
  return real;
}

void check_place(const model::ShareSpec& share, std::size_t index, const std::string& real,
                 const std::vector<std::string>& kept) {
  auto followed = share;
  followed.path = real;
  if (auto ok = model::check_share(followed); !ok) {
    throw std::move(ok.error()).at(field_of(index));
  }
  for (const auto& folder : kept) {
    const auto ours = std::filesystem::weakly_canonical(folder).string();
    if (!model::paths_overlap(real, ours)) continue;
    throw Error(Reason::bad_spec, fmt::format("{} holds, or lies in, {}, where Ruche keeps its own "
                                              "files and those of all guests",
                                              share.path, folder))
        .at(field_of(index))
        .remedy("share a folder apart from it, as in /srv/data");
  }
}

// What the mode says; access lists say more than it, and are left to the kernel.
bool may_enter(const std::string& folder, std::uint32_t uid) {
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) fail(folder);
  if (::getxattr(folder.c_str(), "system.posix_acl_access", nullptr, 0) > 0) return true;
  if (info.st_uid == uid) return (info.st_mode & S_IXUSR) != 0;
  if (info.st_gid == uid) return (info.st_mode & S_IXGRP) != 0;
  return (info.st_mode & S_IXOTH) != 0;
}

// virtiofsd accepts the one connection that is there already. Nobody else finds the socket.
void connect_both(const GuestDirectory& directory, std::size_t index, ShareHandover& handover) {
  const auto name = fmt::format("share{}", index);
  handover.theirs = directory.listen(name);
  const auto here = directory.address(name);
  handover.ours = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!handover.ours.open()) fail("socket");
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::copy(here.path.begin(), here.path.end(), where.sun_path);
  if (::connect(handover.ours.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) !=
          0 ||
      ::unlink(directory.file(name).c_str()) != 0) {
    fail(directory.file(name));
  }
}

std::vector<std::string> program_words(const Virtiofsd& program, const std::string& path,
                                       bool read_only) {
  const auto socket = fmt::format("--fd={}", kListening);
  const std::string limit = "--rlimit-nofile=0";  // as the daemon's
  if (program.older) {
    return {program.path, "-f",
            "-o",         "source=" + escaped_option(path),
            "-o",         "cache=auto",
            "-o",         "sandbox=namespace",
            "-o",         "log_level=err",
            socket,       limit};
  }
  std::vector<std::string> words = {program.path,
                                    "--shared-dir=" + path,
                                    "--cache=auto",
                                    "--sandbox=namespace",
                                    "--log-level=error",
                                    socket,
                                    limit};
  if (read_only) words.emplace_back("--readonly");
  return words;
}

}  // namespace

std::optional<Virtiofsd> find_virtiofsd(const std::string& path, const std::string& older_path) {
  if (::access(path.c_str(), X_OK) == 0) return Virtiofsd{path, false};
  if (::access(older_path.c_str(), X_OK) == 0) return Virtiofsd{older_path, true};
  return std::nullopt;
}

std::string why_no_shares(const std::optional<Virtiofsd>& program, bool is_root) {
  if (!is_root) return "ruched does not run as root, and only root can confine virtiofsd";
  return program ? "" : "virtiofsd is not installed";
}

std::expected<void, Error> add_shares(Arguments& out, const ports::MachineSpec& machine,
                                      const EngineFacts& facts) {
  const auto& shares = machine.spec.shares;
  if (shares.empty()) return {};
  if (!facts.no_shares.empty()) {
    return std::unexpected(
        Error(Reason::host_cannot, "no folder of this host can be mounted: " + facts.no_shares)
            .at("/shares")
            .remedy(model::kShareRemedy));
  }
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto& share = shares[i];
    const auto device = "share-" + share.name;
    out.add("-chardev",
            fmt::format("socket,id={}c,fd={}", device, share_descriptor(machine.spec, i)));
    out.add("-device", fmt::format("vhost-user-fs-pci,id={},chardev={}c,tag={},bus=port{}", device,
                                   device, share.name, share.slot));
  }
  return {};
}

ShareHandover prepare_share(const ports::MachineSpec& machine, std::size_t index,
                            const GuestDirectory& directory, const std::vector<std::string>& kept) {
  const auto& share = machine.spec.shares.at(index);
  ShareHandover handover;
  handover.path = real_path(share, index);
  check_place(share, index, handover.path, kept);
  if (!may_enter(handover.path, machine.uid)) {
    throw Error(Reason::bad_spec, fmt::format("{} may not enter {}: its files are reached as user "
                                              "{} of this host",
                                              machine.name, share.path, machine.uid))
        .at(field_of(index))
        .remedy(fmt::format("allow it: setfacl -m u:{}:{} {}", machine.uid,
                            share.read_only ? "rx" : "rwx", share.path));
  }
  open_log(directory, share_log(index));  // before there is a process to be found by it
  connect_both(directory, index, handover);
  return handover;
}

// In its namespaces it is root, so that it can shut itself in once more. Outside it is the guest's
// user, and of the host's files it has this folder and public ones. Its group is entered first: it
// starts other processes.
ports::SpawnRequest share_request(const ports::MachineSpec& machine, std::size_t index,
                                  const ShareHandover& handover, const GuestDirectory& directory,
                                  const Virtiofsd& program) {
  const auto& share = machine.spec.shares.at(index);
  ports::SpawnRequest request;
  request.name = fmt::format("the folder {} of {}", share.name, machine.name);
  request.argv = program_words(program, handover.path, share.read_only);
  request.environment = {"LC_ALL=C"};
  request.descriptors = {{handover.theirs.get(), kListening}};
  request.stderr_path = directory.file(share_log(index));
  auto& confinement = request.confinement;
  confinement.own_root = ports::IdRange{machine.uid, 1};
  allow_program(confinement, program.path);
  confinement.read_paths = {"/usr/lib", "/lib", "/etc/ld.so.cache"};
  (share.read_only ? confinement.read_paths : confinement.write_paths).push_back(handover.path);
  confinement.cgroup = to_text(machine.guest);
  return request;
}

std::string share_log(std::size_t index) { return fmt::format("share{}.log", index); }

// Of the process that waits for the others: they are gone when it is.
std::vector<std::string> share_words(const GuestDirectory& directory, std::size_t index) {
  return {"--stderr", directory.file(share_log(index))};
}

std::optional<Error> share_failure(const ports::MachineSpec& machine,
                                   const GuestDirectory& directory, const std::string& last_words) {
  const auto& shares = machine.spec.shares;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (last_words.find(fmt::format("id=share-{},", shares[i].name)) == last_words.npos) continue;
    const auto log = directory.tail(share_log(i), kWordsLimit);
    return Error(Reason::hypervisor_failed,
                 fmt::format("the folder {} of {} could not be served: {}", shares[i].name,
                             machine.name, log.empty() ? last_words : describe_unseen_end(log)))
        .at(field_of(i))
        .remedy(
            fmt::format("see that user {} of this host may enter {}", machine.uid, shares[i].path));
  }
  return std::nullopt;
}

namespace {

// Logs are made in turn.
std::size_t count_logs(const GuestDirectory& directory) {
  std::size_t count = 0;
  while (count < model::kMostFolders &&
         ::access(directory.file(share_log(count)).c_str(), F_OK) == 0) {
    ++count;
  }
  return count;
}

}  // namespace

Async<void> end_shares(Services services, GuestDirectory directory) {
  const auto count = count_logs(directory);
  for (std::size_t i = 0; i < count; ++i) co_await end_beside(services, share_words(directory, i));
}

void trim_share_logs(const GuestDirectory& directory, std::size_t limit) {
  const auto count = count_logs(directory);
  for (std::size_t i = 0; i < count; ++i) directory.trim(share_log(i), limit);
}

}  // namespace ruche::drivers::qemu
