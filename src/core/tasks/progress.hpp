// Live progress of the tasks of this host; it never enters the store.
#pragma once

#include <map>
#include <optional>

#include "base/async.hpp"
#include "model/views.hpp"

namespace ruche::core {

class ProgressBoard {
 public:
  void set(model::TaskId task, model::Progress progress);
  void remove(model::TaskId task);
  std::optional<model::Progress> find(model::TaskId task) const;
  // Ends at the next change of any task's progress.
  Async<void> changed() { return changed_.wait(); }

 private:
  std::map<model::TaskId, model::Progress> entries_;
  Signal changed_;
};

}  // namespace ruche::core
