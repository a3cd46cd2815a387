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

}  // namespace ruche::model
