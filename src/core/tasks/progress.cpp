#include "core/tasks/progress.hpp"

namespace ruche::core {

void ProgressBoard::set(model::TaskId task, model::Progress progress) {
  entries_[task] = std::move(progress);
  changed_.notify();
}

void ProgressBoard::remove(model::TaskId task) {
  if (entries_.erase(task) > 0) changed_.notify();
}

std::optional<model::Progress> ProgressBoard::find(model::TaskId task) const {
  const auto found = entries_.find(task);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

}  // namespace ruche::core
