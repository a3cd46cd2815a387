// Users, sessions, tokens and audit records as the API shows them, and what is asked about them.
#pragma once

#include "model/identity.hpp"

namespace ruche::model {

struct UserView {
  UserId id;
  std::string name;
  Role role = Role::viewer;
  bool disabled = false;
  std::optional<Timestamp> locked_until;
  std::uint32_t sessions = 0;
  std::uint32_t tokens = 0;
  Timestamp password_changed_at;
  Timestamp created_at;
};

struct CreateUser {
  std::string name;
  Role role = Role::viewer;
  Secret<std::string> password;
};

// PATCH merges into it.
struct UserEdit {
  Role role = Role::viewer;
  bool disabled = false;
  Secret<std::string> password;  // empty: as it was
};

struct UserRef {
  std::string user;
};

// --- sessions -------------------------------------------------------------------------------

struct LogIn {
  std::string user;
  Secret<std::string> password;
};

// The only time that the token is shown.
struct NewSession {
  std::string token;
  std::string user;
  Role role = Role::viewer;
  Timestamp expires_at;
};

struct SessionView {
  std::string user;
  Role role = Role::viewer;
  AuditVia via = AuditVia::socket;
  std::string address;
  std::optional<Timestamp> expires_at;
};

// --- tokens ---------------------------------------------------------------------------------

inline constexpr Duration kTokenLifetime = std::chrono::hours(24 * 90);
inline constexpr Duration kLongestTokenLifetime = std::chrono::hours(24 * 366);

struct TokenView {
  TokenId id;
  std::string name;
  std::string user;
  Role role = Role::viewer;
  bool expired = false;
  Timestamp created_at;
  Timestamp expires_at;
};

struct NewToken {
  std::string token;
  TokenView about;
};

struct CreateToken {
  std::string name;
  std::optional<Role> role;
  std::string user;
  Duration lifetime = kTokenLifetime;
};

struct TokenRef {
  std::string token;
};

// --- audit ----------------------------------------------------------------------------------

struct AuditView {
  std::int64_t sequence = 0;
  std::string hash;
  AuditRecord record;
};

struct AuditReport {
  bool intact = false;
  std::string problem;
  std::int64_t records = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string hash;
};

struct VmHistoryItem {
  Timestamp at;
  std::string user;
  std::string method;
  AuditOutcome outcome = AuditOutcome::done;
  std::string text;
  std::vector<AuditChange> changes;
  std::optional<TaskId> task;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UserView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUser>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UserEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UserRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::LogIn>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NewSession>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::SessionView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TokenView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NewToken>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateToken>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TokenRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditView>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditReport>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::VmHistoryItem>();
