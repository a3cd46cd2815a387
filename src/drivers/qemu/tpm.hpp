// A guest's TPM 2.0: swtpm, a process beside QEMU's. QEMU talks to it over a pair of sockets that
// nobody else ever had, so it ends when QEMU ends, however that happens. One that never met its
// QEMU stays until it is found by its command line.
#pragma once

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

inline constexpr std::string_view kTpmLog = "tpm.log";

// Why guests have no TPM here; empty: they may.
std::string why_no_tpm(const std::string& swtpm_path);

// Fails with host_cannot where there is no swtpm and bad_spec when the file is missing.
std::expected<void, Error> add_tpm(Arguments& out, const ports::MachineSpec& machine,
                                   const EngineFacts& facts);

// What swtpm and QEMU are handed. The daemon lets go of both ends as soon as they run.
struct TpmHandover {
  Descriptor ours;    // QEMU's end
  Descriptor theirs;  // swtpm's
  Descriptor log;
};
// Gives the file to the guest's user, who may find it in its directory and nothing else there.
// Blocks; runs in a lane. Throws io_failed, and hypervisor_failed for a file that swtpm did not
// write: it would take it for an empty one and begin anew.
TpmHandover prepare_tpm(const ports::MachineSpec& machine, const GuestDirectory& directory);

ports::SpawnRequest tpm_request(const ports::MachineSpec& machine, const TpmHandover& handover,
                                const GuestDirectory& directory, const std::string& swtpm_path);

// Words of the command line of this guest's swtpm, and of no other process.
std::vector<std::string> tpm_words(model::GuestId guest);

// What went wrong when QEMU's last words are about the TPM, else nothing.
std::optional<Error> tpm_failure(const ports::MachineSpec& machine, const GuestDirectory& directory,
                                 const std::string& last_words);

// Ends every swtpm of a guest whose QEMU is gone. It may be writing: it gets the time to do so.
Async<void> end_tpm(Services services, model::GuestId guest);

}  // namespace ruche::drivers::qemu
