// The parts of a task for several objects: an ordinary task for each, whose `parent` it is.
#pragma once

#include <vector>

#include "core/inventory/inventory.hpp"
#include "model/views.hpp"

namespace ruche::core {

// The id of the task that does a parent's work on one object. It is always the same one, so that a
// daemon that comes back finds what an earlier one began, and nothing is begun twice.
model::TaskId part_id(model::TaskId parent, Uuid object);

// What becomes of each object, in the order of the plan; empty for every other task.
std::vector<model::TaskPart> parts_of(const Inventory& inventory, const model::Task& task);

struct PartCount {
  std::uint32_t all = 0;  // 0: it is no such task
  std::uint32_t ended = 0;
  std::uint32_t done = 0;
};
PartCount count_parts(const Inventory& inventory, const model::Task& task);

}  // namespace ruche::core
