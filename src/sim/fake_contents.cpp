// What simulated files hold: nobody keeps bytes, every write has a number, and a layer shows the
// numbers of the one that it stands on and then its own.
#include <fmt/format.h>

#include <algorithm>

#include "sim/fake_volumes.hpp"

namespace ruche::sim {

namespace {

const FakeVolume* volume_of(const FakePlace& place, model::LayerId layer) {
  for (const auto& [key, volume] : place.volumes) {
    if (volume.ref.layer == layer) return &volume;
  }
  return nullptr;
}

std::optional<model::LayerId> layer_at(const FakeStorage& storage, const std::string& path) {
  const auto found = storage.at(path);
  return found ? std::optional(found->volume->ref.layer) : std::nullopt;
}

}  // namespace

std::optional<Writes> shown(const FakePlace& place, const FakeVolume& volume) {
  std::vector<const FakeVolume*> chain{&volume};
  while (chain.back()->parent) {
    const auto* below = volume_of(place, *chain.back()->parent);
    if (below == nullptr || std::ranges::find(chain, below) != chain.end()) return std::nullopt;
    chain.push_back(below);
  }
  Writes all;
  for (auto layer = chain.rbegin(); layer != chain.rend(); ++layer) {
    all.insert(all.end(), (*layer)->writes.begin(), (*layer)->writes.end());
  }
  return all;
}

bool begins_with(const Writes& all, const Writes& first) {
  return all.size() >= first.size() && std::equal(first.begin(), first.end(), all.begin());
}

std::optional<FakeFile> FakeStorage::at(const std::string& path) const {
  for (const auto& [place_key, place] : places_) {
    const auto root = place_key.substr(place_key.find(':') + 1) + "/";
    if (!path.starts_with(root)) continue;
    const auto found = place.volumes.find(path.substr(root.size()));
    if (found == place.volumes.end()) continue;
    // The caller may have this storage only to read.
    return FakeFile{const_cast<FakePlace*>(&place), const_cast<FakeVolume*>(&found->second)};
  }
  return std::nullopt;
}

std::optional<Bytes> FakeStorage::room_at(const std::string& path) const {
  const auto found = at(path);
  return found ? std::optional(found->place->available()) : std::nullopt;
}

void FakeStorage::grow(const std::string& path, Bytes size) {
  if (const auto found = at(path)) found->volume->size = size;
}

Writes FakeStorage::shown_at(const std::string& path) const {
  const auto found = at(path);
  return found ? shown(*found->place, *found->volume).value_or(Writes{}) : Writes{};
}

void FakeStorage::remember(const FakePlace& place, const FakeVolume& volume, bool kept) {
  auto known = seen_.find(volume.ref.layer);
  if (known == seen_.end()) {
    auto now = shown(place, volume);
    if (!now) return;  // the checkers say so
    known = seen_.emplace(volume.ref.layer, SeenContent{std::move(*now), false}).first;
  }
  known->second.kept = known->second.kept || kept;
}

void FakeStorage::remember_all() {
  for (const auto& [key, place] : places_) {
    std::set<model::LayerId> below;
    for (const auto& [file, volume] : place.volumes) {
      if (volume.parent) below.insert(*volume.parent);
    }
    for (const auto& [file, volume] : place.volumes) {
      if (volume.state != ports::VolumeState::ready) continue;
      if (volume.ref.content == model::LayerContent::memory) continue;
      remember(place, volume, below.contains(volume.ref.layer));
    }
  }
}

void FakeStorage::write(const std::string& path) {
  const auto found = at(path);
  if (!found) return;  // a file of a test that keeps no volumes
  auto& volume = *found->volume;
  remember(*found->place, volume, false);
  const auto known = seen_.find(volume.ref.layer);
  if (known == seen_.end()) {
    disagreements.push_back(path + " is written to, and what it stands on is gone");
    return;
  }
  if (known->second.kept) disagreements.push_back(path + " is written to, and others need it");
  volume.writes.push_back(++last_write_);
  known->second.writes.push_back(last_write_);
}

void FakeStorage::write_disk(model::GuestId guest, const std::string& disk,
                             const std::string& path) {
  write(path);
  const auto layer = layer_at(*this, path);
  if (layer) written_[{guest, disk}] = {*layer, shown_at(path)};
}

// QEMU opens the files that it is told to, whatever they say themselves: one that is missing among
// them, and the guest sees something else.
std::string FakeStorage::open(const std::vector<ports::ImageFile>& chain) {
  const auto top = at(chain.front().path);
  if (!top) return {};
  std::vector<model::LayerId> given;
  for (const auto& file : chain) {
    const auto layer = layer_at(*this, file.path);
    if (!layer) return "Could not open " + file.path;
    given.push_back(*layer);
  }
  auto next = given.begin();
  for (const auto* volume = top->volume; volume != nullptr;) {
    next = std::find(next, given.end(), volume->ref.layer);
    if (next == given.end()) {
      disagreements.push_back(chain.front().path + " is opened without all that it stands on");
      break;
    }
    remember(*top->place, *volume, volume != top->volume);
    if (!volume->parent) break;
    volume = volume_of(*top->place, *volume->parent);
    if (volume == nullptr) return "Could not open a file that is gone";
  }
  return {};
}

void FakeStorage::cut(const std::string& below, const std::string& overlay) {
  const auto kept = at(below);
  const auto top = at(overlay);
  if (kept) remember(*kept->place, *kept->volume, true);
  if (top) remember(*top->place, *top->volume, false);
}

void FakeStorage::copy_file(const std::string& from, const std::string& to) {
  const auto source = at(from);
  const auto target = at(to);
  if (!source || !target) return;
  target->volume->writes = source->volume->writes;
  seen_[target->volume->ref.layer] = {target->volume->writes, false};
}

void FakeStorage::merge(const std::string& layer, const std::string& below) {
  const auto upper = at(layer);
  const auto lower = at(below);
  if (!upper || !lower) return;
  take_in(*upper->volume, *lower->volume);
}

void FakeStorage::take_in(FakeVolume& upper, const FakeVolume& lower) {
  if (loses) {  // the defect
    upper.parent = lower.parent;
    return;
  }
  upper.writes.insert(upper.writes.begin(), lower.writes.begin(), lower.writes.end());
  upper.parent = lower.parent;
  upper.used = upper.used + lower.used;
}

}  // namespace ruche::sim
