#include "net/problem.hpp"

#include <fmt/format.h>

#include <array>

#include "base/json.hpp"

namespace ruche::net {
namespace {

// The reason that stands for a code when the exact one is unknown here (a newer server).
Reason general_reason(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return Reason::bad_request;
    case ErrorCode::unauthenticated:
      return Reason::not_authenticated;
    case ErrorCode::permission_denied:
      return Reason::not_permitted;
    case ErrorCode::not_found:
      return Reason::no_such_object;
    case ErrorCode::already_exists:
      return Reason::name_in_use;
    case ErrorCode::conflict:
      return Reason::store_conflict;
    case ErrorCode::failed_precondition:
      return Reason::wrong_state;
    case ErrorCode::resource_exhausted:
      return Reason::too_many_connections;
    case ErrorCode::unsupported:
      return Reason::host_cannot;
    case ErrorCode::unavailable:
      return Reason::host_unavailable;
    case ErrorCode::deadline_exceeded:
      return Reason::deadline;
    case ErrorCode::data_loss:
      return Reason::protocol_violation;
    case ErrorCode::internal:
      return Reason::internal_error;
  }
  return Reason::internal_error;
}

Reason reason_of(std::string_view reason, std::string_view code) {
  const Reason known = reason_named(reason);
  if (reason_info(known).name == reason) return known;
  return general_reason(error_code_named(code));
}

Reason reason_of_status(int status) {
  switch (status) {
    case 401:
      return Reason::not_authenticated;
    case 403:
      return Reason::not_permitted;
    case 404:
      return Reason::no_such_route;
    case 405:
      return Reason::method_not_allowed;
    case 408:
    case 504:
      return Reason::deadline;
    case 409:
      return Reason::store_conflict;
    case 412:
      return Reason::revision_mismatch;
    case 413:
      return Reason::body_too_large;
    case 429:
      return Reason::too_many_connections;
    case 431:
      return Reason::header_too_large;
    case 501:
      return Reason::host_cannot;
    case 502:
    case 503:
      return Reason::host_unavailable;
    default:
      return status < 500 ? Reason::bad_request : Reason::internal_error;
  }
}

// The part of a foreign answer that is fit for a message: printable and short.
std::string excerpt(std::string_view body) {
  constexpr std::size_t kMost = 200;
  std::string out;
  for (const char c : body.substr(0, kMost)) {
    out.push_back(c >= 0x20 && c < 0x7f ? c : ' ');
  }
  if (body.size() > kMost) out += "...";
  return out;
}

ProblemCause to_cause(const Error& error) {
  return {std::string(to_string(error.code())), std::string(error.reason_name()), error.message(),
          error.field(), error.remedy_text()};
}

// The builders of Error change it in place; they are not copied over themselves here.
Error rebuild(Reason reason, const std::string& detail, const std::string& where,
              const std::string& remedy, const std::optional<Error>& cause) {
  Error error(reason, detail);
  if (!where.empty()) std::move(error).at(where);
  if (!remedy.empty()) std::move(error).remedy(remedy);
  if (cause) std::move(error).caused_by(*cause);
  return error;
}

}  // namespace

int http_status_of(Reason reason) {
  // A request's head is HTTP's own business; all else is in the one table of reasons.
  return reason == Reason::header_too_large ? 431 : http_status(reason);
}

Problem to_problem(const Error& error, int status) {
  Problem problem;
  problem.type = fmt::format("urn:ruche:problem:{}", error.reason_name());
  problem.title = reason_info(error.reason()).summary;
  problem.status = status != 0 ? status : http_status_of(error.reason());
  problem.detail = error.message();
  problem.code = to_string(error.code());
  problem.reason = error.reason_name();
  problem.field = error.field();
  problem.remedy = error.remedy_text();
  for (const Error* cause = error.cause(); cause != nullptr; cause = cause->cause()) {
    problem.cause.push_back(to_cause(*cause));
  }
  return problem;
}

Error to_error(const Problem& problem) {
  std::optional<Error> chain;
  for (auto link = problem.cause.rbegin(); link != problem.cause.rend(); ++link) {
    Error error = rebuild(reason_of(link->reason, link->code), link->detail, link->field,
                          link->remedy, chain);
    chain.emplace(std::move(error));
  }
  return rebuild(reason_of(problem.reason, problem.code), problem.detail, problem.field,
                 problem.remedy, chain);
}

std::string encode_problem(const Problem& problem) { return json::encode(problem); }

HttpResponse problem_response(const Error& error, int status) {
  const Problem problem = to_problem(error, status);
  Headers headers{{"Content-Type", std::string(kProblemType)}};
  return {static_cast<int>(problem.status), std::move(headers), encode_problem(problem)};
}

Error error_of(const HttpResponse& response) {
  const auto type = response.headers.get("Content-Type");
  if (type && type->starts_with(kProblemType)) {
    json::DecodeOptions options;
    options.unknown_fields = json::UnknownFields::ignore;
    auto problem = json::try_decode<Problem>(response.body, options);
    if (problem && !problem->reason.empty()) return to_error(*problem);
  }
  std::string message =
      fmt::format("the server answered {} {}", response.status, reason_phrase(response.status));
  if (!response.body.empty()) message += ": " + excerpt(response.body);
  return Error(reason_of_status(response.status), std::move(message));
}

constexpr auto describe(Type<ProblemCause>) {
  return structure<ProblemCause>(
      "ProblemCause", "An error that led to the one above it.",
      field<&ProblemCause::code>("code", "How a caller should react."),
      field<&ProblemCause::reason>("reason", "The exact rule that was broken."),
      field<&ProblemCause::detail>("detail", "What happened."),
      field<&ProblemCause::field>("field", "JSON pointer to what caused it."),
      field<&ProblemCause::remedy>("remedy", "What to do next."));
}

constexpr auto describe(Type<Problem>) {
  return structure<Problem>(
      "Problem", "Why a request failed (RFC 9457).",
      field<&Problem::type>("type", "A URN that names the reason."),
      field<&Problem::title>("title", "What the reason means."),
      field<&Problem::status>("status", "The HTTP status."),
      field<&Problem::detail>("detail", "What happened this time."),
      field<&Problem::code>("code", "How a caller should react; one of a closed list."),
      field<&Problem::reason>("reason", "The exact rule that was broken; stable."),
      field<&Problem::field>("field", "JSON pointer to the part of the request that caused it."),
      field<&Problem::remedy>("remedy", "What to do next."),
      field<&Problem::cause>("cause", "The errors behind this one, the nearest first."));
}

}  // namespace ruche::net

template const ruche::TypeInfo& ruche::type_of<ruche::net::ProblemCause>();
template const ruche::TypeInfo& ruche::type_of<ruche::net::Problem>();
