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
constexpr auto describe(Type<Problem>) {
  return structure<Problem>(
      "TaskProblem", "Why something failed.", field<&Problem::code>("code", "Error code."),
      field<&Problem::reason>("reason", "Exact reason."),
      field<&Problem::message>("message", "What happened."),
      field<&Problem::field>("field", "The request's field that caused it."),
      field<&Problem::remedy>("remedy", "What to do next."),
      field<&Problem::causes>("causes", "Messages of the underlying errors."));
}
Problem to_problem(const Error& error);
Error to_error(const Problem& problem);

enum class TaskState { waiting, running, reverting, done, failed, cancelled };
constexpr auto describe(Type<TaskState>) {
  return enumeration<TaskState>(
      "TaskState", "Where a task stands.",
      value(TaskState::waiting, "waiting", "Accepted, not begun."),
      value(TaskState::running, "running", "Its steps are applied."),
      value(TaskState::reverting, "reverting", "Its steps are taken back."),
      value(TaskState::done, "done", "It succeeded."),
      value(TaskState::failed, "failed", "It failed; nothing is left behind."),
      value(TaskState::cancelled, "cancelled", "It was cancelled; nothing is left behind."));
}
inline bool is_open(TaskState state) {
  return state == TaskState::waiting || state == TaskState::running ||
         state == TaskState::reverting;
}

enum class CancelKind { user, deadline, shutdown, lost_leadership };
constexpr auto describe(Type<CancelKind>) {
  return enumeration<CancelKind>(
      "CancelKind", "Why a task was cancelled.",
      value(CancelKind::user, "user", "Somebody asked for it."),
      value(CancelKind::deadline, "deadline", "It took too long."),
      value(CancelKind::shutdown, "shutdown", "The daemon was ending."),
      value(CancelKind::lost_leadership, "lost-leadership", "Another host took over."));
}

// Another object that a task holds: what a copy is made from.
struct Hold {
  Uuid object;
  std::vector<Facet> claims;
};
constexpr auto describe(Type<Hold>) {
  return structure<Hold>("Hold", "Another object that a task holds.",
                         field<&Hold::object>("object", "Its id."),
                         field<&Hold::claims>("claims", "What is held of it."));
}

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
constexpr auto describe(Type<Task>) {
  return structure<Task>(
      "Task", "A task as the store keeps it.", field<&Task::id>("id", "Immutable id."),
      field<&Task::method>("method", "The method that made it."),
      field<&Task::summary>("summary", "One line for people."),
      field<&Task::object>("object", "What it is about."),
      field<&Task::claims>("claims", "What it holds of the object."),
      field<&Task::source>("source", "Another object that it holds."),
      field<&Task::reads>("reads", "Layers that it copies, and that stay until it ends."),
      field<&Task::host>("host", "The host that works on it."),
      field<&Task::user>("user", "Who asked."),
      field<&Task::parent>("parent", "The task that it is a part of."),
      field<&Task::state>("state", "State."), field<&Task::plan>("plan", "Its steps."),
      field<&Task::position>("position", "Steps that are done."),
      field<&Task::pivoted>("pivoted", "It only goes forward from here."),
      field<&Task::cancel_requested>("cancel_requested", "Why it shall end early."),
      field<&Task::error>("error", "Why it failed."),
      field<&Task::created_at>("created_at", "When it was accepted."),
      field<&Task::ended_at>("ended_at", "When it ended."));
}

}  // namespace ruche::model
