#include "model/task.hpp"

namespace ruche::model {

Problem to_problem(const Error& error) {
  Problem problem;
  problem.code = to_string(error.code());
  problem.reason = error.reason_name();
  problem.message = error.message();
  problem.field = error.field();
  problem.remedy = error.remedy_text();
  for (const Error* cause = error.cause(); cause; cause = cause->cause()) {
    problem.causes.push_back(cause->message());
  }
  return problem;
}

Error to_error(const Problem& problem) {
  std::optional<Error> chain;
  for (auto cause = problem.causes.rbegin(); cause != problem.causes.rend(); ++cause) {
    Error next(reason_named(problem.reason), *cause);
    if (chain) std::move(next).caused_by(*chain);
    chain = std::move(next);
  }
  Error error(reason_named(problem.reason), problem.message);
  std::move(error).at(problem.field).remedy(problem.remedy);
  if (chain) std::move(error).caused_by(*chain);
  return error;
}

constexpr auto describe(Type<Problem>) {
  return structure<Problem>(
      "TaskProblem", "Why something failed.", field<&Problem::code>("code", "Error code."),
      field<&Problem::reason>("reason", "Exact reason."),
      field<&Problem::message>("message", "What happened."),
      field<&Problem::field>("field", "The request's field that caused it."),
      field<&Problem::remedy>("remedy", "What to do next."),
      field<&Problem::causes>("causes", "Messages of the underlying errors."));
}

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

constexpr auto describe(Type<CancelKind>) {
  return enumeration<CancelKind>(
      "CancelKind", "Why a task was cancelled.",
      value(CancelKind::user, "user", "Somebody asked for it."),
      value(CancelKind::deadline, "deadline", "It took too long."),
      value(CancelKind::shutdown, "shutdown", "The daemon was ending."),
      value(CancelKind::lost_leadership, "lost-leadership", "Another host took over."));
}

constexpr auto describe(Type<Hold>) {
  return structure<Hold>("Hold", "Another object that a task holds.",
                         field<&Hold::object>("object", "Its id."),
                         field<&Hold::claims>("claims", "What is held of it."));
}

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::Problem>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskState>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CancelKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Hold>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Task>();
