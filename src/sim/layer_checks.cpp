#include "sim/layer_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ruche::sim {

namespace {

using Findings = std::vector<std::string>;
using model::LayerId;
using model::ObjectKind;

// How many need each layer, and which are somebody's own besides.
struct Users {
  std::map<Uuid, std::uint32_t> count;
  std::map<Uuid, std::vector<const model::Layer*>> children;
  std::set<Uuid> own;
};

void count_guests(const StoreTruth& truth, Users& users) {
  for (const auto& [id, guest] : truth.guests) {
    const auto& spec = guest.spec;
    for (const auto& disk : spec.disks) users.own.insert(disk.layer.value);
    if (spec.boot.kernel) ++users.count[spec.boot.kernel->value];
    if (spec.boot.initrd) ++users.count[spec.boot.initrd->value];
    if (spec.boot.uefi_vars) users.own.insert(spec.boot.uefi_vars->value);
    if (spec.tpm) users.own.insert(spec.tpm->state.value);
    for (const auto& cdrom : spec.cdroms) {
      if (cdrom.layer) ++users.count[cdrom.layer->value];
    }
  }
  for (const auto& [id, status] : truth.statuses) {
    if (status.saved) users.own.insert(status.saved->layer.value);
  }
}

// A snapshot counts on what its specification names; copies of small files and memory are its own.
void count_snapshots(const StoreTruth& truth, Users& users) {
  for (const auto& [id, snapshot] : truth.snapshots) {
    const auto& spec = snapshot.spec;
    for (const auto& disk : spec.disks) ++users.count[disk.layer.value];
    if (spec.boot.kernel) ++users.count[spec.boot.kernel->value];
    if (spec.boot.initrd) ++users.count[spec.boot.initrd->value];
    if (spec.boot.uefi_vars) users.own.insert(spec.boot.uefi_vars->value);
    if (spec.tpm) users.own.insert(spec.tpm->state.value);
    for (const auto& cdrom : spec.cdroms) {
      if (cdrom.layer) ++users.count[cdrom.layer->value];
    }
    if (snapshot.memory) users.own.insert(snapshot.memory->layer.value);
  }
}

Users users_of(const StoreTruth& truth) {
  Users users;
  count_guests(truth, users);
  count_snapshots(truth, users);
  for (const auto& [id, image] : truth.images) {
    users.own.insert(image.disk.value);
    if (image.boot.kernel) users.own.insert(image.boot.kernel->value);
    if (image.boot.initrd) users.own.insert(image.boot.initrd->value);
  }
  for (const auto& [id, layer] : truth.layers) {
    if (!layer.parent) continue;
    ++users.count[layer.parent->value];
    users.children[layer.parent->value].push_back(&layer);
  }
  return users;
}

bool stands_foreign(const Users& users, Uuid layer, Uuid owner) {
  const auto found = users.children.find(layer);
  if (found == users.children.end()) return false;
  return std::ranges::any_of(found->second, [&](const model::Layer* child) {
    return child->owner != owner || stands_foreign(users, child->id.value, owner);
  });
}

// Nobody names it: then it is there for what stands on it, and cannot be merged into that.
void check_nameless(const Users& users, const model::Layer& layer, Findings& findings) {
  const auto id = layer.id.value;
  const auto children = users.children.find(id);
  const auto count = children == users.children.end() ? 0 : children->second.size();
  const auto named = users.count.find(id);
  if (named != users.count.end() && named->second > count) return;  // a snapshot's or guest's
  if (count == 0) {
    findings.push_back("layer " + to_text(id) + " belongs to nobody");
  } else if (count == 1 && !stands_foreign(users, id, layer.owner)) {
    findings.push_back("layer " + to_text(id) + " was never merged into the one on it");
  }
}

}  // namespace

bool is_failed_tidying(const model::Task& task) {
  return task.method == "vm.tidy" && task.state == model::TaskState::failed;
}

void check_layers(const StoreTruth& truth, Findings& findings) {
  auto users = users_of(truth);
  std::set<Uuid> untidy;  // guests that nobody tidies up now
  for (const auto& [id, guest] : truth.guests) {
    if (guest.deleted_at) untidy.insert(id);
  }
  for (const auto& [id, task] : truth.tasks) {
    if (is_failed_tidying(task)) untidy.insert(task.object.id);
  }
  for (const auto& [id, image] : truth.images) {
    if (image.state != model::ImageState::ready) findings.push_back(image.name + " is not ready");
  }
  for (const auto& [id, layer] : truth.layers) {
    if (layer.state != model::LayerState::ready) findings.push_back("a layer is not ready");
    if (layer.references != users.count[id]) {
      findings.push_back(fmt::format("layer {} says {} references, there are {}", to_text(id),
                                     layer.references, users.count[id]));
    }
    const bool named = users.own.contains(id) || untidy.contains(layer.owner);
    if (!named) check_nameless(users, layer, findings);
  }
  for (const auto id : users.own) {
    if (!truth.layers.contains(id)) findings.push_back("layer " + to_text(id) + " has no document");
  }
  for (const auto& [id, count] : users.count) {
    if (!truth.layers.contains(id))
      findings.push_back("layer " + to_text(id) + " is gone, but used");
  }
}

void check_snapshots(const StoreTruth& truth, Findings& findings) {
  std::set<std::pair<Uuid, std::string>> names;
  for (const auto& [id, snapshot] : truth.snapshots) {
    const auto say = [&](const std::string& what) {
      findings.push_back(fmt::format("snapshot {} {}", snapshot.name, what));
    };
    if (!truth.guests.contains(snapshot.guest.value)) say("is of no guest");
    if (snapshot.state != model::SnapshotState::ready) say("is not ready");
    if (snapshot.memory && !snapshot.running) say("has memory and no hardware for it");
    if (!names.emplace(snapshot.guest.value, snapshot.name).second) say("has a twin");
    if (!snapshot.parent) continue;
    const auto parent = truth.snapshots.find(snapshot.parent->value);
    if (parent == truth.snapshots.end()) {
      say("goes on from one that is gone");
    } else if (parent->second.guest != snapshot.guest) {
      say("goes on from one of another guest");
    }
  }
  for (const auto& [id, guest] : truth.guests) {
    if (!guest.snapshot) continue;
    const auto current = truth.snapshots.find(guest.snapshot->value);
    if (current == truth.snapshots.end() || current->second.guest != guest.id) {
      findings.push_back(guest.name + " goes on from a snapshot that is not there");
    }
  }
}

// --- contents ------------------------------------------------------------------------------------

namespace {

struct Shown {
  std::optional<Writes> writes;
  const FakeVolume* volume = nullptr;
};

// The layers that a disk has gone on in, newest first, and what the oldest was made on when
// somebody went back to a snapshot.
struct Lineage {
  std::set<LayerId> layers;
  std::optional<LayerId> reverted_to;
};

class Contents {
 public:
  Contents(const FakeStorage& storage, const StoreTruth& truth, Findings& findings)
      : storage_(storage), truth_(truth), findings_(findings) {
    for (const auto& [key, place] : storage.places()) {
      for (const auto& [file, volume] : place.volumes) {
        if (volume.state != ports::VolumeState::ready) continue;
        if (!truth.layers.contains(volume.ref.layer.value)) continue;  // the files' checkers
        shown_[volume.ref.layer] = {shown(place, volume), &volume};
      }
    }
    for (const auto& [id, task] : truth.tasks) read(task);
  }

  void check_files() {
    for (const auto& [id, there] : shown_) {
      const auto& layer = truth_.layers.at(id.value);
      const auto where = "layer " + to_text(id);
      if (layer.parent != there.volume->parent) {
        findings_.push_back(where + " stands on another layer than its document says");
      }
      if (!there.writes) {
        findings_.push_back(where + " stands on a file that is gone");
        continue;
      }
      const auto seen = storage_.seen().find(id);
      if (seen == storage_.seen().end() || seen->second.writes == *there.writes) continue;
      findings_.push_back(fmt::format("{} shows {} writes, it {} {}", where, there.writes->size(),
                                      seen->second.kept ? "was kept with" : "had",
                                      seen->second.writes.size()));
    }
  }

  void check_disks() {
    for (const auto& [id, guest] : truth_.guests) {
      for (const auto& disk : guest.spec.disks) {
        const auto there = shown_.find(disk.layer);
        if (there == shown_.end() || !there->second.writes) continue;  // said already
        check_disk(guest, disk, *there->second.writes);
      }
    }
  }

 private:
  void read(const model::Task& task) {
    const bool reverts = std::ranges::any_of(task.plan, [](const model::Step& step) {
      return std::holds_alternative<model::RevertGuest>(step);
    });
    for (const auto& step : task.plan) {
      if (const auto* create = std::get_if<model::CreateVolume>(&step)) {
        if (reverts && create->parent) reverts_.emplace(create->layer, *create->parent);
        if (task.method == "vm.disk.add") added_.insert(create->layer);
      } else if (const auto* take = std::get_if<model::TakeSnapshot>(&step)) {
        for (const auto& overlay : take->disks) below_.emplace(overlay.layer, overlay.below);
      }
    }
  }

  Lineage lineage_of(LayerId layer) const {
    Lineage lineage;
    while (lineage.layers.insert(layer).second) {
      if (const auto below = below_.find(layer); below != below_.end()) {
        layer = below->second;
      } else if (const auto made = reverts_.find(layer); made != reverts_.end()) {
        lineage.reverted_to = made->second;
        break;
      }
    }
    return lineage;
  }

  void check_disk(const model::Guest& guest, const model::DiskSpec& disk, const Writes& shows) {
    const auto say = [&](const std::string& what) {
      findings_.push_back(fmt::format("{} of {} {}", disk.name, guest.name, what));
    };
    const auto lineage = lineage_of(disk.layer);
    const auto last = storage_.written().find({guest.id, disk.name});
    const bool written = last != storage_.written().end();
    if (written && lineage.layers.contains(last->second.layer)) {
      if (!begins_with(shows, last->second.shows)) say("has lost what its guest has written");
    } else if (lineage.reverted_to) {
      const auto kept = storage_.seen().find(*lineage.reverted_to);
      const bool known = kept != storage_.seen().end();
      if (known && kept->second.writes != shows) say("is not as the snapshot had it");
    } else if (written && !is_another_disk(lineage, last->second.layer)) {
      say("goes on in a layer without what its guest has written");
    }
  }

  // It was added after the one that the guest wrote to, which had the same name.
  bool is_another_disk(const Lineage& now, LayerId written) const {
    std::set<LayerId> before;
    for (std::optional<LayerId> layer = written; layer;) {
      const auto lineage = lineage_of(*layer);
      before.insert(lineage.layers.begin(), lineage.layers.end());
      layer = lineage.reverted_to;
    }
    const bool added =
        std::ranges::any_of(now.layers, [&](LayerId id) { return added_.contains(id); });
    return added &&
           std::ranges::none_of(now.layers, [&](LayerId id) { return before.contains(id); });
  }

  const FakeStorage& storage_;
  const StoreTruth& truth_;
  Findings& findings_;
  std::map<LayerId, Shown> shown_;
  std::map<LayerId, LayerId> below_;  // of the layers that disks went on in
  std::map<LayerId, LayerId> reverts_;  // of the layers that were made to go back
  std::set<LayerId> added_;  // first layers of disks that came later
};

}  // namespace

void check_contents(const FakeStorage& storage, const StoreTruth& truth, Findings& findings) {
  Contents contents(storage, truth, findings);
  contents.check_files();
  contents.check_disks();
}

}  // namespace ruche::sim
