// Tasks: long operations that a user can watch. A task carries its whole plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/reflect.hpp"
#include "model/ids.hpp"
#include "model/placement.hpp"
#include "model/step.hpp"

namespace ruche::model {

// An Error as data: what tasks, statuses and problem+json carry.
struct Problem {
  std::string code;    // ErrorCode, kebab-case
  std::string reason;  // Reason, kebab-case
  std::string message;
  std::string field;
  std::string remedy;
  std::vector<std::string> causes;
};
Problem to_problem(const Error& error);
Error to_error(const Problem& problem);

enum class TaskState { waiting, running, reverting, done, failed, cancelled };
inline bool is_open(TaskState state) {
  return state == TaskState::waiting || state == TaskState::running ||
         state == TaskState::reverting;
}

enum class CancelKind { user, deadline, shutdown, lost_leadership };

// Another object that a task holds: what a copy is made from.
struct Hold {
  Uuid object;
  std::vector<Facet> claims;
};

struct Task {
  TaskId id;
  std::string method;   // vm.start
  std::string summary;  // Start web1
  ObjectRef object;
  std::vector<Facet> claims;
  std::optional<Hold> source;
  std::vector<LayerId> reads;  // each is counted as needed by somebody until the task ends
  HostId host;       // whose agent does the work
  std::string user;  // who asked
  std::optional<TaskId> parent;  // the task for several objects that it is a part of
  TaskState state = TaskState::waiting;
  std::vector<Step> plan;
  std::uint32_t position = 0;  // steps known to be done (to be taken back, when reverting)
  bool pivoted = false;        // a step that cannot be taken back has begun
  std::optional<CancelKind> cancel_requested;
  std::optional<Problem> error;
  Timestamp created_at;
  std::optional<Timestamp> ended_at;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Problem>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskState>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CancelKind>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Hold>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Task>();
