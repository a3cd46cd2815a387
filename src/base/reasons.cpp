#include "base/reasons.hpp"

#include <array>
#include <utility>

namespace ruche {
namespace {

constexpr std::array kReasons = {
#define X(id, name, code, summary) ReasonInfo{name, ErrorCode::code, summary},
    RUCHE_REASONS(X)
#undef X
};

constexpr std::array<std::string_view, 13> kCodes = {
    "invalid-argument", "unauthenticated", "permission-denied",   "not-found",
    "already-exists",   "conflict",        "failed-precondition", "resource-exhausted",
    "unsupported",      "unavailable",     "deadline-exceeded",   "data-loss",
    "internal",
};
static_assert(kCodes.size() == static_cast<std::size_t>(ErrorCode::internal) + 1);

}  // namespace

const ReasonInfo& reason_info(Reason reason) {
  return kReasons.at(static_cast<std::size_t>(reason));
}

Reason reason_named(std::string_view name) {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    if (kReasons[i].name == name) return static_cast<Reason>(i);
  }
  return Reason::internal_error;
}

std::string_view to_string(ErrorCode code) { return kCodes.at(static_cast<std::size_t>(code)); }

ErrorCode error_code_named(std::string_view name) {
  for (std::size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i] == name) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::internal;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::unauthenticated:
      return 401;
    case ErrorCode::permission_denied:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
      return 409;
    case ErrorCode::conflict:
      return 409;
    case ErrorCode::failed_precondition:
      return 409;
    case ErrorCode::resource_exhausted:
      return 409;
    case ErrorCode::unsupported:
      return 501;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::deadline_exceeded:
      return 504;
    case ErrorCode::data_loss:
      return 500;
    case ErrorCode::internal:
      return 500;
  }
  std::unreachable();
}

int http_status(Reason reason) {
  switch (reason) {
    case Reason::method_not_allowed:
      return 405;
    case Reason::history_compacted:
      return 410;
    case Reason::revision_mismatch:
      return 412;
    case Reason::body_too_large:
      return 413;
    case Reason::too_many_connections:
    case Reason::too_many_logins:
    case Reason::locked_out:
      return 429;
    case Reason::not_enough_space:
      return 507;
    default:
      return http_status(reason_info(reason).code);
  }
}

int exit_code(ErrorCode code) { return 3 + static_cast<int>(code); }

}  // namespace ruche
