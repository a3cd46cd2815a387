// Users, their sessions and API tokens, and the audit records of what they did.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"
#include "model/placement.hpp"
#include "model/role.hpp"

namespace ruche::model {

// users/<id>
struct User {
  UserId id;
  std::string name;
  Role role = Role::viewer;
  bool disabled = false;
  Secret<std::string> password_hash;  // argon2id, in the form of crypto_pwhash_str
  Timestamp password_changed_at;
  Timestamp created_at;
};
constexpr auto describe(Type<User>) {
  return structure<User>(
      "UserDocument", "A user as the store keeps it.", field<&User::id>("id", "Immutable id."),
      field<&User::name>("name", "Unique name.", {.format = "name"}),
      field<&User::role>("role", "What the user may do."),
      field<&User::disabled>("disabled", "Logging in is refused."),
      field<&User::password_hash>("password_hash", "Of the password."),
      field<&User::password_changed_at>("password_changed_at", "When the password was set."),
      field<&User::created_at>("created_at", "When the user was added."));
}

// tokens/<id>
struct ApiToken {
  TokenId id;
  UserId user;
  std::string name;
  Role role = Role::viewer;
  Secret<std::string> hash;  // SHA-256 of the secret part, hexadecimal
  Timestamp created_at;
  Timestamp expires_at;
};
constexpr auto describe(Type<ApiToken>) {
  return structure<ApiToken>("TokenDocument", "An API token as the store keeps it.",
                             field<&ApiToken::id>("id", "Immutable id."),
                             field<&ApiToken::user>("user", "Whose it is."),
                             field<&ApiToken::name>("name", "What it is for.", {.format = "name"}),
                             field<&ApiToken::role>("role", "What it may do, at most."),
                             field<&ApiToken::hash>("hash", "Of the secret."),
                             field<&ApiToken::created_at>("created_at", "When it was made."),
                             field<&ApiToken::expires_at>("expires_at", "When it ends."));
}

// sessions/<id>
struct Session {
  SessionId id;
  UserId user;
  Secret<std::string> hash;  // SHA-256 of the secret part, hexadecimal
  std::string address;       // where the log-in came from
  Timestamp created_at;
  Timestamp expires_at;
};
constexpr auto describe(Type<Session>) {
  return structure<Session>("SessionDocument", "A session as the store keeps it.",
                            field<&Session::id>("id", "Immutable id."),
                            field<&Session::user>("user", "Whose it is."),
                            field<&Session::hash>("hash", "Of the secret."),
                            field<&Session::address>("address", "Where the log-in came from."),
                            field<&Session::created_at>("created_at", "When it began."),
                            field<&Session::expires_at>("expires_at", "When it ends."));
}

// --- audit ----------------------------------------------------------------------------------

enum class AuditVia { system, socket, session, token, nobody };
constexpr auto describe(Type<AuditVia>) {
  return enumeration<AuditVia>("AuditVia", "How somebody said who they are.",
                               value(AuditVia::system, "system", "Ruche itself."),
                               value(AuditVia::socket, "socket", "The unix socket told the user."),
                               value(AuditVia::session, "session", "A session after a log-in."),
                               value(AuditVia::token, "token", "An API token."),
                               value(AuditVia::nobody, "nobody", "Not at all."));
}

enum class AuditOutcome { accepted, done, failed, cancelled, refused };
constexpr auto describe(Type<AuditOutcome>) {
  return enumeration<AuditOutcome>(
      "AuditOutcome", "What became of a request.",
      value(AuditOutcome::accepted, "accepted", "A task works on it."),
      value(AuditOutcome::done, "done", "It is done."),
      value(AuditOutcome::failed, "failed", "Its task failed; it was taken back."),
      value(AuditOutcome::cancelled, "cancelled", "Its task was cancelled."),
      value(AuditOutcome::refused, "refused", "It was not allowed."));
}

// Who asked for what, as far as the transport knows.
struct AuditOrigin {
  AuditVia via = AuditVia::system;
  Role role = Role::administrator;
  std::string credential;  // id of the session or token
  std::string address;
  std::string request_id;
  RawJson request;  // without its secrets
  friend bool operator==(const AuditOrigin&, const AuditOrigin&) = default;
};
constexpr auto describe(Type<AuditOrigin>) {
  return structure<AuditOrigin>(
      "AuditOrigin", "How and from where something was asked.",
      field<&AuditOrigin::via>("via", "How they said who they are."),
      field<&AuditOrigin::role>("role", "Their role at that time."),
      field<&AuditOrigin::credential>("credential", "Id of the session or token."),
      field<&AuditOrigin::address>("address", "Where the request came from."),
      field<&AuditOrigin::request_id>("request_id", "The request's id, as in the logs."),
      field<&AuditOrigin::request>("request", "The request, without its secrets."));
}

// One changed value of a document.
struct AuditChange {
  std::string path;    // "/spec/memory_bytes"
  std::string before;  // empty: it was not there
  std::string after;
  friend bool operator==(const AuditChange&, const AuditChange&) = default;
};
constexpr auto describe(Type<AuditChange>) {
  return structure<AuditChange>("AuditChange", "A value that changed.",
                                field<&AuditChange::path>("path", "Which."),
                                field<&AuditChange::before>("before", "What it was."),
                                field<&AuditChange::after>("after", "What it is now."));
}

// audit/<host>/<id> until it is in the host's audit log, and a record there.
struct AuditRecord {
  Uuid id;
  Timestamp at;
  std::string user;
  AuditOrigin origin;
  std::string method;
  std::optional<ObjectRef> object;
  std::optional<TaskId> task;
  AuditOutcome outcome = AuditOutcome::done;
  std::string reason;  // of a refusal or a failure
  std::vector<AuditChange> changes;
  std::uint64_t unrecorded = 0;  // refusals before this one that were too many to record
};
constexpr auto describe(Type<AuditRecord>) {
  return structure<AuditRecord>(
      "AuditRecord", "Who did what.", field<&AuditRecord::id>("id", "Immutable id."),
      field<&AuditRecord::at>("at", "When."), field<&AuditRecord::user>("user", "Who."),
      field<&AuditRecord::origin>("origin", "How and from where."),
      field<&AuditRecord::method>("method", "What was asked."),
      field<&AuditRecord::object>("object", "About which object."),
      field<&AuditRecord::task>("task", "The task that it made."),
      field<&AuditRecord::outcome>("outcome", "What became of it."),
      field<&AuditRecord::reason>("reason", "Why it was refused or failed."),
      field<&AuditRecord::changes>("changes", "What changed, from which value to which."),
      field<&AuditRecord::unrecorded>("unrecorded",
                                      "Refusals before this one that were too many to record."));
}

// audit-heads/<host>: the last record that the host is known to have written.
struct AuditHead {
  std::int64_t sequence = 0;
  std::string hash;
};
constexpr auto describe(Type<AuditHead>) {
  return structure<AuditHead>("AuditHead", "The end of a host's audit log.",
                              field<&AuditHead::sequence>("sequence", "Of the last record."),
                              field<&AuditHead::hash>("hash", "Of the last record."));
}

}  // namespace ruche::model
