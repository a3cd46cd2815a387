// What the plans of snapshots and of copies do with the disks of a guest.
#pragma once

#include <string_view>
#include <vector>

#include "core/guests/plans.hpp"
#include "core/storage/layers.hpp"

namespace ruche::core::plans {

struct DiskCut {
  std::vector<model::Step> steps;  // that make the new layers
  std::vector<model::Overlay> disks;
};
// A new, empty layer on the top of each disk, for the guest to go on in. Throws wrong_state when a
// chain would become too long.
DiskCut cut_disks(Draft& draft, const model::Guest& guest);
// An overlay of the guest on a layer. Throws as cut_disks().
model::LayerId add_overlay(Draft& draft, const model::Guest& guest, const std::string& disk,
                           model::LayerId below, Bytes size);
// A file of the guest's own beside its disks.
model::LayerId add_file(Draft& draft, const model::Guest& guest, model::LayerContent content,
                        Bytes size);

bool has_process(model::GuestState state);
// The refusal of a guest in the recycle bin, of one that is still being made or is broken, and of a
// template: "web1 is a template and takes no snapshots".
void require_changeable(const GuestRecord& record, std::string_view what_a_template_does_not);

}  // namespace ruche::core::plans
