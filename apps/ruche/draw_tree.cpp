#include "draw_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace ruche::cli {

namespace {

using Snapshot = model::SnapshotView;

// A line of the tree: what is drawn at its left, and what stands in columns at its right.
struct Row {
  std::string name;
  std::array<std::string, 2> numbers;
  std::string rest;
};

std::string lines_of(const std::vector<Row>& rows) {
  std::size_t name = 0;
  std::array<std::size_t, 2> widths{};
  for (const auto& row : rows) {
    name = std::max(name, display_width(row.name));
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row.numbers[i]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    auto line = padded(row.name, name);
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (widths[i] > 0) line += "  " + padded(row.numbers[i], widths[i], true);
    }
    line += "  " + row.rest;
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string marks_of(const Snapshot& snapshot) {
  std::string text;
  const auto add = [&](const std::string& mark) { text += (text.empty() ? "" : ", ") + mark; };
  if (snapshot.state == model::SnapshotState::creating) add("being taken");
  if (snapshot.memory) add(fmt::format("memory {}", to_text(snapshot.memory_size)));
  if (snapshot.quiesced) add("quiesced");
  if (snapshot.crash_consistent) add("as after a power cut");
  if (!snapshot.schedule.empty()) add("schedule " + snapshot.schedule);
  return text;
}

// Snapshots that follow one another are drawn below one another, so that a long history is no wider
// than a short one. What branches off from one is a line of its own, indented below it.
class SnapshotTree {
 public:
  SnapshotTree(const std::vector<Snapshot>& snapshots, const Look& look) : look_(look) {
    std::map<std::string, const Snapshot*> by_name;
    for (const auto& snapshot : snapshots) {
      by_name[snapshot.name] = &snapshot;
      children_[snapshot.parent].push_back(&snapshot);
      if (snapshot.current) here_ = &snapshot;
    }
    // Up to the first of the line that the VM is on.
    for (const auto* at = here_; at != nullptr && trunk_.insert(at).second;) {
      const auto above = by_name.find(at->parent);
      at = above == by_name.end() ? nullptr : above->second;
    }
  }

  std::vector<Row> rows() {
    const Snapshot* first = nullptr;
    for (const auto* root : children_[""]) {
      if (trunk_.contains(root)) {
        first = root;
        continue;
      }
      rows_.push_back({"├─ (another line)", {}, {}});
      add_line(root, "│  ");
    }
    add_line(first, "");
    rows_.push_back({"└─ * you are here", {}, {}});
    return std::move(rows_);
  }

 private:
  // The one in whose line it goes on: towards the VM, else the youngest.
  const Snapshot* next(const Snapshot& snapshot) {
    if (&snapshot == here_) return nullptr;
    const auto& children = children_[snapshot.name];
    if (children.empty()) return nullptr;
    const auto found = std::ranges::find_if(
        children, [&](const Snapshot* child) { return trunk_.contains(child); });
    return found == children.end() ? children.back() : *found;
  }

  void add_line(const Snapshot* first, const std::string& indent) {
    const bool trunk = first != nullptr && trunk_.contains(first);
    for (const auto* at = first; at != nullptr;) {
      const auto* after = next(*at);
      const bool last = after == nullptr && !trunk;
      rows_.push_back({indent + (last ? "└─ " : "├─ ") + at->name,
                       {age_text(at->created_at, look_.now), to_text(at->disks)},
                       marks_of(*at)});
      for (const auto* child : children_[at->name]) {
        if (child != after) add_line(child, indent + (last ? "   " : "│  "));
      }
      at = after;
    }
  }

  const Look& look_;
  const Snapshot* here_ = nullptr;  // the one that the VM goes on from; null: none
  std::set<const Snapshot*> trunk_;
  std::map<std::string, std::vector<const Snapshot*>> children_;
  std::vector<Row> rows_;
};

// With whose it is, where that is not the VM's own and not said already.
std::string name_of(const model::LayerView& layer, const std::string& vm) {
  const bool said = layer.owner == vm || layer.what.ends_with(layer.owner);
  return said ? layer.what : fmt::format("{} ({})", layer.what, layer.owner);
}

std::string used_of(const model::LayerView& layer) {
  return layer.used ? to_text(*layer.used) : "?";
}

std::string users_of(const model::LayerView& layer) {
  return layer.users == 0 ? "" : fmt::format("needed by {}", layer.users);
}

bool goes_on(const model::LayerView& upper, const model::LayerView& lower) {
  return upper.disk == lower.disk && upper.parent == to_text(lower.id);
}

}  // namespace

std::string snapshot_tree_text(const std::string& vm,
                               const std::vector<model::SnapshotView>& snapshots,
                               const Look& look) {
  return vm + '\n' + lines_of(SnapshotTree(snapshots, look).rows());
}

std::string layers_text(const std::vector<model::LayerView>& layers) {
  if (layers.empty()) return {};
  const auto& vm = layers.front().owner;  // what is written to is always its own
  std::map<std::string, const model::LayerView*> by_id;
  for (const auto& layer : layers) by_id[to_text(layer.id)] = &layer;
  std::vector<Row> rows;
  std::string disk;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto& layer = layers[i];
    const bool first = i == 0 || !goes_on(layers[i - 1], layer);
    if (i == 0 || layer.disk != disk) rows.push_back({layer.disk, {}, {}});
    disk = layer.disk;
    const bool last = i + 1 == layers.size() || !goes_on(layer, layers[i + 1]);
    const auto* corner = first && last ? "── " : first ? "┌─ " : last ? "└─ " : "├─ ";
    auto rest = users_of(layer);
    // A side branch ends on a layer that was drawn before.
    const auto below = by_id.find(layer.parent);
    if (last && below != by_id.end()) {
      rest += fmt::format("{}on {}", rest.empty() ? "" : ", ", name_of(*below->second, vm));
    }
    rows.push_back({std::string("  ") + corner + name_of(layer, vm),
                    {used_of(layer), "of " + to_text(layer.size)},
                    std::move(rest)});
  }
  return lines_of(rows);
}

}  // namespace ruche::cli
