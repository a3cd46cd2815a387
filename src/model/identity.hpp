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

// sessions/<id>
struct Session {
  SessionId id;
  UserId user;
  Secret<std::string> hash;  // SHA-256 of the secret part, hexadecimal
  std::string address;       // where the log-in came from
  Timestamp created_at;
  Timestamp expires_at;
};

// --- audit ----------------------------------------------------------------------------------

enum class AuditVia { system, socket, session, token, nobody };

enum class AuditOutcome { accepted, done, failed, cancelled, refused };

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

// One changed value of a document.
struct AuditChange {
  std::string path;    // "/spec/memory_bytes"
  std::string before;  // empty: it was not there
  std::string after;
  friend bool operator==(const AuditChange&, const AuditChange&) = default;
};

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

// audit-heads/<host>: the last record that the host is known to have written.
struct AuditHead {
  std::int64_t sequence = 0;
  std::string hash;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::User>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ApiToken>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Session>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditVia>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditOutcome>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditOrigin>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditChange>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditRecord>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditHead>();
