#include "core/tasks/task_parts.hpp"

#include <charconv>

#include "base/sha256.hpp"
#include "core/documents/keys.hpp"

namespace ruche::core {

namespace {

constexpr std::size_t kTimeBytes = 6;  // of a UUID of version 7

const model::RunForEach* several(const model::Task& task) {
  return task.plan.empty() ? nullptr : std::get_if<model::RunForEach>(&task.plan.front());
}

std::string guest_name(const Inventory& inventory, model::GuestId id) {
  const auto found = inventory.guests().find(id.value);
  const bool known = found != inventory.guests().end() && found->second->spec;
  return known ? found->second->spec->value.name : to_text(id);
}

}  // namespace

// The time is the parent's, so that ids go on growing with it; the rest is a digest. Ids of guests
// may come from files of strangers, so they are not merely mixed.
model::TaskId part_id(model::TaskId parent, Uuid object) {
  Sha256 sum;
  sum.add(parent.value.bytes);
  sum.add(object.bytes);
  const auto hex = sum.hex();
  Uuid id = parent.value;
  for (std::size_t i = kTimeBytes; i < id.bytes.size(); ++i) {
    const char* digits = hex.data() + 2 * i;
    std::from_chars(digits, digits + 2, id.bytes[i], 16);
  }
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | (id.bytes[6] & 0x0f));
  id.bytes[8] = static_cast<std::uint8_t>(0x80 | (id.bytes[8] & 0x3f));
  return {id};
}

std::vector<model::TaskPart> parts_of(const Inventory& inventory, const model::Task& task) {
  std::vector<model::TaskPart> parts;
  const auto* each = several(task);
  if (each == nullptr) return parts;
  // What was not begun when its parent ended never will be.
  const auto otherwise =
      model::is_open(task.state) ? model::TaskState::waiting : model::TaskState::cancelled;
  for (std::size_t i = 0; i < each->guests.size(); ++i) {
    const auto guest = each->guests[i];
    auto& part = parts.emplace_back();
    const auto id = part_id(task.id, guest.value);
    const auto found = inventory.tasks().find(id.value);
    if (found != inventory.tasks().end()) {
      const auto& own = found->second->value;
      part = {own.object, id, own.state, own.error};
    } else {
      auto name = i < each->names.size() ? each->names[i] : guest_name(inventory, guest);
      part.object = {model::ObjectKind::guest, guest.value, std::move(name)};
      part.state = otherwise;
    }
  }
  return parts;
}

PartCount count_parts(const Inventory& inventory, const model::Task& task) {
  PartCount count;
  const auto* each = several(task);
  if (each == nullptr) return count;
  count.all = static_cast<std::uint32_t>(each->guests.size());
  for (const auto guest : each->guests) {
    const auto found = inventory.tasks().find(part_id(task.id, guest.value).value);
    if (found == inventory.tasks().end()) continue;
    const auto state = found->second->value.state;
    if (!model::is_open(state)) ++count.ended;
    if (state == model::TaskState::done) ++count.done;
  }
  return count;
}

}  // namespace ruche::core
