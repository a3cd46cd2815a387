// Folders of the host that a guest mounts (virtiofs): a virtiofsd for each, a process beside
// QEMU's. It is root of nothing but one folder (docs/adr/0023-folders-of-the-host.md) and ends when
// QEMU's end of their socket closes, however that happens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "drivers/qemu/arguments.hpp"
#include "drivers/qemu/command_line.hpp"
#include "drivers/qemu/guest_directory.hpp"
#include "drivers/qemu/services.hpp"
#include "ports/hypervisor.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::qemu {

// What a virtiofsd may take beside its guest's memory, at most.
inline constexpr Bytes kShareMemory = mib(64);
inline constexpr std::uint32_t kShareThreads = 16;

// There are two programs of that name.
struct Virtiofsd {
  std::string path;
  bool older = false;  // QEMU's own, before 8.0, in C; else its successor in Rust
};
// The newer one where both are.
std::optional<Virtiofsd> find_virtiofsd(const std::string& path, const std::string& older_path);

// Why guests mount no folders of this host; empty: they may.
std::string why_no_shares(const std::optional<Virtiofsd>& program, bool is_root);

// QEMU's side. Fails with host_cannot where nothing serves folders.
std::expected<void, Error> add_shares(Arguments& out, const ports::MachineSpec& machine,
                                      const EngineFacts& facts);

// What a virtiofsd and QEMU are handed. The daemon lets go of both as soon as they run.
struct ShareHandover {
  std::string path;  // of the folder, no link on the way
  Descriptor ours;  // QEMU's end, connected
  Descriptor theirs;  // what virtiofsd takes that connection from
};
// Looks at the folder and connects the two. Blocks; runs in a lane. Throws bad_spec for what may
// not be shared, now that the links on its path are followed: `kept` are folders that are Ruche's
// own.
ShareHandover prepare_share(const ports::MachineSpec& machine, std::size_t index,
                            const GuestDirectory& directory, const std::vector<std::string>& kept);

ports::SpawnRequest share_request(const ports::MachineSpec& machine, std::size_t index,
                                  const ShareHandover& handover, const GuestDirectory& directory,
                                  const Virtiofsd& program);

// The log of a share, by its number; also what finds its process.
std::string share_log(std::size_t index);
std::vector<std::string> share_words(const GuestDirectory& directory, std::size_t index);

// What went wrong when QEMU's last words are about a folder, else nothing.
std::optional<Error> share_failure(const ports::MachineSpec& machine,
                                   const GuestDirectory& directory, const std::string& last_words);

// Ends every virtiofsd of a guest whose QEMU is gone.
Async<void> end_shares(Services services, GuestDirectory directory);

// Empties the logs that a guest made too long.
void trim_share_logs(const GuestDirectory& directory, std::size_t limit);

}  // namespace ruche::drivers::qemu
