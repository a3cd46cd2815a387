// The one error type. An Error says what happened, why, which field of the request caused it and
// what to do next; its code says how a caller should react. Cancelled is not an Error.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/reasons.hpp"

namespace ruche {

class Error : public std::exception {
 public:
  Error(Reason reason, std::string message);

  // Builders, used at the throw site: throw Error(...).at("/disks/0").remedy("...").
  Error&& at(std::string field_path) &&;
  Error&& remedy(std::string what_to_do) &&;
  Error&& caused_by(const Error& cause) &&;
  // An undo that failed is attached; it never replaces the first error.
  void attach_undo_failure(const Error& undo);

  ErrorCode code() const { return reason_info(reason_).code; }
  Reason reason() const { return reason_; }
  std::string_view reason_name() const { return reason_info(reason_).name; }
  const std::string& message() const { return message_; }
  const std::string& field() const { return field_; }        // JSON pointer, or empty
  const std::string& remedy_text() const { return remedy_; }  // empty: none is known
  const Error* cause() const { return cause_.get(); }
  const std::vector<std::shared_ptr<const Error>>& undo_failures() const { return undo_failures_; }
  const char* what() const noexcept override { return message_.c_str(); }
  // The message with its causes: "a: because b: because c".
  std::string full_message() const;

 private:
  Reason reason_;
  std::string message_;
  std::string field_;
  std::string remedy_;
  std::shared_ptr<const Error> cause_;
  std::vector<std::shared_ptr<const Error>> undo_failures_;
};

// Why a piece of work was asked to end early.
enum class CancelReason { user, deadline, shutdown, lost_leadership };
std::string_view to_string(CancelReason reason);

// Thrown through coroutines by work that was cancelled; only the one who cancelled catches it.
class Cancelled : public std::exception {
 public:
  explicit Cancelled(CancelReason reason) : reason_(reason) {}
  CancelReason reason() const { return reason_; }
  const char* what() const noexcept override { return "cancelled"; }

 private:
  CancelReason reason_;
};

// Ends the process; only for conditions that our own memory must satisfy, never for foreign input.
[[noreturn]] void broken_invariant(std::string_view what);

}  // namespace ruche
