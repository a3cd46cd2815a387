// QEMU's migration to and from a file (docs/devel/migration/main.rst), as the saving of memory uses
// it. A file has one of two layouts. "mapped-ram" (mapped-ram.rst), in which every page has its
// place, is read in one sweep; the guest stands still while it is written. What is written beside a
// running guest ("background-snapshot") is a stream of pages: QEMU lets both be chosen at once, but
// then leaves out the map without which no page is read back (measured with 10.0.2).
#pragma once

#include "drivers/qemu/machine.hpp"
#include "drivers/qemu/stall.hpp"

namespace ruche::drivers::qemu {

struct Migration {
  std::string status;
  std::string error;
  Bytes done;
  Bytes total;
  std::int64_t pages = 0;  // written

  bool over() const;
};
Async<Migration> query_migration(std::shared_ptr<MachineCore> core);
// Throws hypervisor_failed when nothing moves for longer than the patience.
Async<Migration> wait_for_migration(std::shared_ptr<MachineCore> core, ports::ProgressSink progress,
                                    Duration patience = kStallLimit);
// Returns when it is over and QEMU has no memory file any more, also not an earlier daemon's.
Async<void> cancel_migration(std::shared_ptr<MachineCore> core);
// The CPUs stand still and QEMU has written nothing of this state yet.
Async<void> stand_still(std::shared_ptr<MachineCore> core);
// Throws not_enough_space or hypervisor_failed for one that did not complete.
void require_saved(const Migration& end);

enum class Layout { stream, mapped, beside_the_guest };
Async<void> choose_layout(std::shared_ptr<MachineCore> core, Layout layout);
Async<void> limit_migration(std::shared_ptr<MachineCore> core, Bytes per_second);  // 0: unlimited

// A set of descriptors in QEMU for as long as the transfer lasts. Every transfer has one of its
// own, because a descriptor remembers how far it was written.
Async<std::int64_t> lend_memory_file(std::shared_ptr<MachineCore> core, const Descriptor& file);
Async<void> take_back_memory_file(std::shared_ptr<MachineCore> core);
std::string migration_address(std::int64_t set);

// The rest blocks and runs in a lane. QEMU looks for a descriptor of exactly the mode it wants.
Descriptor open_memory_file(const std::string& path, int mode);
// Throws not_enough_space or io_failed, as errno says.
[[noreturn]] void fail_file(const std::string& path);
// What the file takes of the disk: most of it may be a hole. flush_file makes it durable first.
Bytes flush_file(const Descriptor& file, const std::string& path);
Bytes size_of_file(const Descriptor& file, const std::string& path);
// As the file itself says.
Layout layout_of(const Descriptor& file, const std::string& path);

}  // namespace ruche::drivers::qemu
