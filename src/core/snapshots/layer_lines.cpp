#include "core/snapshots/layer_lines.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/snapshots/snapshot_plans.hpp"
#include "model/named.hpp"

namespace ruche::core {

namespace {

using model::LayerId;

class Lines {
 public:
  Lines(const Inventory& inventory, const GuestRecord& record)
      : inventory_(inventory),
        guest_(record.spec->value),
        snapshots_(plans::snapshots_of(inventory, guest_.id)) {
    std::ranges::reverse(snapshots_);  // the newest first
    name_current(record);
    for (const auto& [id, stored] : inventory.snapshots()) name_kept(stored->value);
  }

  std::vector<LayerLine> take(const GuestRecord& record) {
    for (const auto& disk : disk_names()) add_disk(disk);
    add_files(record);
    add_rest();
    return std::move(lines_);
  }

 private:
  void name_current(const GuestRecord& record) {
    for (const auto& disk : guest_.spec.disks) names_[disk.layer] = "current";
    if (guest_.spec.boot.uefi_vars) names_[*guest_.spec.boot.uefi_vars] = "current";
    if (guest_.spec.tpm) names_[guest_.spec.tpm->state] = "current";
    if (record.status && record.status->value.saved) {
      names_[record.status->value.saved->layer] = "suspended";
    }
  }

  void name_kept(const model::Snapshot& snapshot) {
    const auto name = [&](LayerId layer) {
      auto& text = names_[layer];
      text += (text.empty() ? "snapshot " : ", snapshot ") + snapshot.name;
    };
    for (const auto& disk : snapshot.spec.disks) name(disk.layer);
    if (snapshot.spec.boot.uefi_vars) name(*snapshot.spec.boot.uefi_vars);
    if (snapshot.spec.tpm) name(snapshot.spec.tpm->state);
    if (snapshot.memory) name(snapshot.memory->layer);
  }

  // Those that it has, then those that only its snapshots have.
  std::vector<std::string> disk_names() const {
    std::vector<std::string> names;
    const auto add = [&](const model::VmSpec& spec) {
      for (const auto& disk : spec.disks) {
        if (std::ranges::find(names, disk.name) == names.end()) names.push_back(disk.name);
      }
    };
    add(guest_.spec);
    for (const auto& snapshot : snapshots_) add(snapshot.spec);
    return names;
  }

  void add_disk(const std::string& name) {
    std::set<LayerId> shown;  // of this disk: several may stand on one image
    if (const auto* disk = model::find_named(guest_.spec.disks, name)) {
      add_chain(name, disk->layer, shown);
    }
    for (const auto& snapshot : snapshots_) {
      const auto* disk = model::find_named(snapshot.spec.disks, name);
      if (disk != nullptr) add_chain(name, disk->layer, shown);
    }
  }

  // Down to the image, or to what was shown before.
  void add_chain(const std::string& disk, LayerId top, std::set<LayerId>& shown) {
    std::optional<LayerId> next = top;
    while (next && shown.insert(*next).second) {
      const auto layer = inventory_.layer(*next);
      if (!layer) return;
      add(disk, layer->value);
      next = layer->value.parent;
    }
  }

  void add_files(const GuestRecord& record) {
    const auto file = [&](LayerId id) {
      const auto layer = inventory_.layer(id);
      if (layer) add(std::string(enum_name(layer->value.content)), layer->value);
    };
    const auto& boot = guest_.spec.boot;
    if (boot.uefi_vars) file(*boot.uefi_vars);
    for (const auto& snapshot : snapshots_) {
      if (snapshot.spec.boot.uefi_vars) file(*snapshot.spec.boot.uefi_vars);
    }
    if (guest_.spec.tpm) file(guest_.spec.tpm->state);
    for (const auto& snapshot : snapshots_) {
      if (snapshot.spec.tpm) file(snapshot.spec.tpm->state);
    }
    if (record.status && record.status->value.saved) file(record.status->value.saved->layer);
    for (const auto& snapshot : snapshots_) {
      if (snapshot.memory) file(snapshot.memory->layer);
    }
  }

  // What nothing of the guest names: copies stand on it, or it is about to be merged or removed.
  void add_rest() {
    for (const auto& [id, stored] : inventory_.layers()) {
      const auto& layer = stored->value;
      const bool own =
          layer.owner_kind == model::ObjectKind::guest && layer.owner == guest_.id.value;
      if (own && !listed_.contains(layer.id)) {
        add(std::string(enum_name(layer.content)), layer);
      }
    }
  }

  void add(std::string disk, const model::Layer& layer) {
    listed_.insert(layer.id);
    model::LayerView view;
    view.disk = std::move(disk);
    view.id = layer.id;
    if (layer.parent) view.parent = to_text(*layer.parent);
    view.height = height_of(layer);
    view.what = what_is(layer);
    view.owner = owner_of(layer);
    view.format = layer.format;
    view.size = layer.size;
    view.users = layer.references;
    lines_.push_back({layer, std::move(view)});
  }

  std::uint32_t height_of(const model::Layer& layer) {
    if (const auto known = heights_.find(layer.id); known != heights_.end()) return known->second;
    std::uint32_t height = 0;
    auto next = layer.parent;
    std::set<LayerId> seen;
    while (next && seen.insert(*next).second) {
      ++height;
      const auto below = inventory_.layer(*next);
      next = below ? below->value.parent : std::nullopt;
    }
    // The layers below come next, each one lower.
    auto lower = height;
    for (auto id = layer.parent; id && lower > 0;) {
      heights_[*id] = --lower;
      const auto below = inventory_.layer(*id);
      id = below ? below->value.parent : std::nullopt;
    }
    return height;
  }

  const model::Guest* owner_guest(const model::Layer& layer) const {
    const auto found = inventory_.guests().find(layer.owner);
    const bool known = found != inventory_.guests().end() && found->second->spec;
    return known ? &found->second->spec->value : nullptr;
  }

  std::string owner_of(const model::Layer& layer) const {
    if (layer.owner_kind == model::ObjectKind::image) {
      const auto found = inventory_.images().find(layer.owner);
      const bool known = found != inventory_.images().end() && found->second->spec;
      return known ? found->second->spec->value.name : to_text(layer.owner);
    }
    const auto* guest = owner_guest(layer);
    return guest == nullptr ? to_text(layer.owner) : guest->name;
  }

  std::string what_is(const model::Layer& layer) const {
    if (layer.owner_kind == model::ObjectKind::image) return "image " + owner_of(layer);
    if (const auto named = names_.find(layer.id); named != names_.end()) return named->second;
    const auto* guest = owner_guest(layer);
    if (guest != nullptr && guest->is_template) {
      const auto& disks = guest->spec.disks;
      if (std::ranges::find(disks, layer.id, &model::DiskSpec::layer) != disks.end()) {
        return "template " + guest->name;
      }
    }
    return layer.references > 0 ? "part of others" : "not needed any more";
  }

  const Inventory& inventory_;
  const model::Guest& guest_;
  std::vector<model::Snapshot> snapshots_;
  std::map<LayerId, std::string> names_;
  std::map<LayerId, std::uint32_t> heights_;
  std::set<LayerId> listed_;
  std::vector<LayerLine> lines_;
};

}  // namespace

std::vector<LayerLine> layer_lines(const Inventory& inventory, const GuestRecord& guest) {
  return Lines(inventory, guest).take(guest);
}

}  // namespace ruche::core
