#include "core/snapshots/overlays.hpp"

#include <fmt/format.h>

#include "core/storage/datastore_pool.hpp"
#include "model/snapshot.hpp"

namespace ruche::core::plans {

using model::GuestState;
using model::LayerId;

namespace {

model::Layer new_layer(Draft& draft, const model::Guest& guest, Bytes size) {
  model::Layer layer;
  layer.id = draft.new_id<LayerId>();
  layer.owner_kind = model::ObjectKind::guest;
  layer.owner = guest.id.value;
  layer.datastore = guest.datastore;
  layer.size = size;
  return layer;
}

}  // namespace

LayerId add_overlay(Draft& draft, const model::Guest& guest, const std::string& disk, LayerId below,
                    Bytes size) {
  if (chain_of(draft.inventory(), below).size() >= model::kLongestChain) {
    throw Error(Reason::wrong_state, fmt::format("{} of {} stands on {} layers, and more QEMU does "
                                                 "not open",
                                                 disk, guest.name, model::kLongestChain))
        .remedy(fmt::format("delete snapshots, or: ruche vm flatten {}", guest.name));
  }
  auto layer = new_layer(draft, guest, size);
  layer.parent = below;
  const auto id = layer.id;
  add_layer(draft, std::move(layer));
  return id;
}

LayerId add_file(Draft& draft, const model::Guest& guest, model::LayerContent content, Bytes size) {
  auto layer = new_layer(draft, guest, size);
  layer.content = content;
  layer.format = model::DiskFormat::raw;
  const auto id = layer.id;
  add_layer(draft, std::move(layer));
  return id;
}

DiskCut cut_disks(Draft& draft, const model::Guest& guest) {
  DiskCut cut;
  for (const auto& disk : guest.spec.disks) {
    const auto layer = add_overlay(draft, guest, disk.name, disk.layer, disk.size);
    cut.steps.push_back(model::CreateVolume{layer, disk.size, disk.layer});
    cut.disks.push_back({disk.name, disk.layer, layer});
  }
  return cut;
}

bool has_process(GuestState state) {
  return state == GuestState::running || state == GuestState::paused;
}

void require_changeable(const GuestRecord& record, std::string_view what_a_template_does_not) {
  const auto& guest = record.spec->value;
  if (guest.deleted_at) {
    throw Error(Reason::wrong_state, fmt::format("{} is in the recycle bin", guest.name))
        .remedy(fmt::format("take it out: ruche vm undelete {}", guest.name));
  }
  if (guest.is_template) {
    throw Error(Reason::wrong_state,
                fmt::format("{} is a template and {}", guest.name, what_a_template_does_not))
        .remedy(
            fmt::format("make it an ordinary VM again: ruche vm template {} --undo", guest.name));
  }
  const auto state = state_of(record);
  if (state == GuestState::provisioning) {
    throw Error(Reason::wrong_state, fmt::format("{} is still being provisioned", guest.name))
        .remedy("wait for its task");
  }
  if (state != GuestState::broken) return;
  throw Error(Reason::object_broken, fmt::format("{} is broken", guest.name))
      .remedy(fmt::format("see why: ruche vm show {}", guest.name));
}

}  // namespace ruche::core::plans
