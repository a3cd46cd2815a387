// Disks go on in overlays, all from one instant on.
//
// The record of the guest's files changes before the disks do: the overlays' nodes are in QEMU,
// then in the record, then under the disks. A daemon that ends in between leaves a record whose
// every node is there, so that the next one can take the guest over; finish_cut() then makes the
// cut, because the guest's documents go on in the overlays whatever became of the attempt.
#pragma once

#include <set>

#include "drivers/qemu/machine.hpp"

namespace ruche::drivers::qemu {

class Cut {
 public:
  Cut(std::shared_ptr<MachineCore> core, std::vector<ports::DiskOverlay> disks)
      : core_(std::move(core)), disks_(std::move(disks)) {}

  // Asks QEMU where the disks are. Throws hypervisor_failed for one that is elsewhere.
  Async<void> look();
  // After look(): something of an earlier attempt is there.
  bool begun_before() const { return begun_before_; }
  bool any_made_before() const { return missing_.size() < disks_.size(); }
  bool made() const { return missing_.empty(); }

  // Everything but the cut itself: the guest notices nothing.
  Async<void> prepare();
  Async<void> make();
  // Takes out again what was prepared, unless the cut was made.
  Async<void> give_up();

 private:
  Async<void> add_node(const ports::DiskOverlay& disk);
  Async<void> record(bool in_overlays);

  std::shared_ptr<MachineCore> core_;
  std::vector<ports::DiskOverlay> disks_;
  std::vector<std::size_t> missing_;  // disks that are not in their overlays yet
  bool begun_before_ = false;
};

// For a guest that was just taken over: the cut that its record names is made.
Async<void> finish_cut(std::shared_ptr<MachineCore> core);
// The same: nodes of its disks that its record does not name, which no device reads, are taken out.
Async<void> remove_unknown_layers(std::shared_ptr<MachineCore> core);

}  // namespace ruche::drivers::qemu
