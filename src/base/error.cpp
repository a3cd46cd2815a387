#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace ruche {

Error::Error(Reason reason, std::string message) : reason_(reason), message_(std::move(message)) {}

Error&& Error::at(std::string field_path) && {
  field_ = std::move(field_path);
  return std::move(*this);
}

Error&& Error::remedy(std::string what_to_do) && {
  remedy_ = std::move(what_to_do);
  return std::move(*this);
}

Error&& Error::caused_by(const Error& cause) && {
  cause_ = std::make_shared<const Error>(cause);
  return std::move(*this);
}

void Error::attach_undo_failure(const Error& undo) {
  undo_failures_.push_back(std::make_shared<const Error>(undo));
}

std::string Error::full_message() const {
  std::string text = message_;
  for (const Error* cause = cause_.get(); cause != nullptr; cause = cause->cause()) {
    text += ": because " + cause->message();
  }
  for (const auto& undo : undo_failures_) {
    text += "; undoing it failed too: " + undo->full_message();
  }
  return text;
}

std::string_view to_string(CancelReason reason) {
  switch (reason) {
    case CancelReason::user:
      return "user";
    case CancelReason::deadline:
      return "deadline";
    case CancelReason::shutdown:
      return "shutdown";
    case CancelReason::lost_leadership:
      return "lost-leadership";
  }
  return "unknown";
}

void broken_invariant(std::string_view what) {
  std::fprintf(stderr, "ruche: broken invariant: %.*s\n", static_cast<int>(what.size()),
               what.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace ruche
