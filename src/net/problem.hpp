// Errors on the wire: application/problem+json (RFC 9457), the same record on both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/reflect.hpp"
#include "net/http.hpp"

namespace ruche::net {

inline constexpr std::string_view kProblemType = "application/problem+json";

struct ProblemCause {
  std::string code, reason, detail, field, remedy;
};

struct Problem {
  std::string type;    // "urn:ruche:problem:<reason>"
  std::string title;   // the same text for every problem of this reason
  std::int64_t status = 500;
  std::string detail;  // what happened this time
  std::string code, reason, field, remedy;
  std::vector<ProblemCause> cause;  // the nearest first
};

// The HTTP status of a reason: mostly that of its code, finer where HTTP is (405, 412, 413, 431).
int http_status_of(Reason reason);

// status 0: http_status_of(error.reason()).
Problem to_problem(const Error& error, int status = 0);
Error to_error(const Problem& problem);

std::string encode_problem(const Problem& problem);
HttpResponse problem_response(const Error& error, int status = 0);

// The error of an answer with a status of 400 or more. Understands problem+json, also with fields
// and reasons of a newer server; anything else becomes an error made from the status.
Error error_of(const HttpResponse& response);

}  // namespace ruche::net

extern template const ruche::TypeInfo& ruche::type_of<ruche::net::ProblemCause>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::net::Problem>();
