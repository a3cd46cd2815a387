// What users can do with tasks.
#pragma once

#include "core/inventory/writer.hpp"
#include "core/tasks/progress.hpp"
#include "core/tasks/request.hpp"
#include "model/requests.hpp"

namespace ruche::core {

// A sentence per step, for dry runs, task show and logs.
std::string describe_step(const model::Step& step, const Inventory& inventory);

class TaskService {
 public:
  explicit TaskService(Writer& writer) : writer_(writer) {}
  // Asks an open task to end; it reverts what it did. An ended task throws wrong_state.
  Async<ports::Revision> cancel(Caller caller, model::TaskRef task);

 private:
  Writer& writer_;
};

}  // namespace ruche::core
