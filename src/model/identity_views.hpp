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
constexpr auto describe(Type<UserView>) {
  return structure<UserView>(
      "User", "Somebody who may log in.", field<&UserView::id>("id", "Immutable id."),
      field<&UserView::name>("name", "Unique name."),
      field<&UserView::role>("role", "What the user may do."),
      field<&UserView::disabled>("disabled", "Logging in is refused."),
      field<&UserView::locked_until>("locked_until", "Too many attempts failed; until then."),
      field<&UserView::sessions>("sessions", "Sessions that are open."),
      field<&UserView::tokens>("tokens", "API tokens."),
      field<&UserView::password_changed_at>("password_changed_at", "When the password was set."),
      field<&UserView::created_at>("created_at", "When the user was added."));
}

struct CreateUser {
  std::string name;
  Role role = Role::viewer;
  Secret<std::string> password;
};
constexpr auto describe(Type<CreateUser>) {
  return structure<CreateUser>(
      "CreateUser", "A user to add.",
      field<&CreateUser::name>(
          "name", "Unique name.",
          {.required = true, .format = "name", .positional = true, .example = "alice"}),
      field<&CreateUser::role>("role", "What the user may do."),
      field<&CreateUser::password>("password", "Password.",
                                   {.required = true, .max_length = 1024}));
}

// PATCH merges into it.
struct UserEdit {
  Role role = Role::viewer;
  bool disabled = false;
  Secret<std::string> password;  // empty: as it was
};
constexpr auto describe(Type<UserEdit>) {
  return structure<UserEdit>(
      "UserEdit", "What can be changed of a user.",
      field<&UserEdit::role>("role", "What the user may do."),
      field<&UserEdit::disabled>("disabled", "Refuse logging in, end all sessions."),
      field<&UserEdit::password>("password", "A new password; it ends all sessions.",
                                 {.max_length = 1024}));
}

struct UserRef {
  std::string user;
};
constexpr auto describe(Type<UserRef>) {
  return structure<UserRef>(
      "UserRef", "A user.",
      field<&UserRef::user>(
          "user", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "alice"}));
}

// --- sessions -------------------------------------------------------------------------------

struct LogIn {
  std::string user;
  Secret<std::string> password;
};
constexpr auto describe(Type<LogIn>) {
  return structure<LogIn>(
      "LogIn", "Who somebody says to be, and the proof.",
      field<&LogIn::user>("user", "Name of the user.", {.required = true, .max_length = 63}),
      field<&LogIn::password>("password", "Password.", {.required = true, .max_length = 1024}));
}

// The only time that the token is shown.
struct NewSession {
  std::string token;
  std::string user;
  Role role = Role::viewer;
  Timestamp expires_at;
};
constexpr auto describe(Type<NewSession>) {
  return structure<NewSession>(
      "NewSession", "A session that has begun.",
      field<&NewSession::token>("token", "For `Authorization: Bearer`; shown only here."),
      field<&NewSession::user>("user", "Who it belongs to."),
      field<&NewSession::role>("role", "What it may do."),
      field<&NewSession::expires_at>("expires_at", "When it ends."));
}

struct SessionView {
  std::string user;
  Role role = Role::viewer;
  AuditVia via = AuditVia::socket;
  std::string address;
  std::optional<Timestamp> expires_at;
};
constexpr auto describe(Type<SessionView>) {
  return structure<SessionView>(
      "Session", "Who asks.", field<&SessionView::user>("user", "The user."),
      field<&SessionView::role>("role", "What they may do this way."),
      field<&SessionView::via>("via", "How they said who they are."),
      field<&SessionView::address>("address", "Where they ask from."),
      field<&SessionView::expires_at>("expires_at", "When the session or the token ends."));
}

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
constexpr auto describe(Type<TokenView>) {
  return structure<TokenView>("Token", "An API token; never its secret.",
                              field<&TokenView::id>("id", "Immutable id."),
                              field<&TokenView::name>("name", "What it is for."),
                              field<&TokenView::user>("user", "Whose it is."),
                              field<&TokenView::role>("role", "What it may do."),
                              field<&TokenView::expired>("expired", "It has ended."),
                              field<&TokenView::created_at>("created_at", "When it was made."),
                              field<&TokenView::expires_at>("expires_at", "When it ends."));
}

struct NewToken {
  std::string token;
  TokenView about;
};
constexpr auto describe(Type<NewToken>) {
  return structure<NewToken>(
      "NewToken", "An API token that was made.",
      field<&NewToken::token>("token", "For `Authorization: Bearer`; shown only here."),
      field<&NewToken::about>("about", "What it is."));
}

struct CreateToken {
  std::string name;
  std::optional<Role> role;
  std::string user;
  Duration lifetime = kTokenLifetime;
};
constexpr auto describe(Type<CreateToken>) {
  return structure<CreateToken>(
      "CreateToken", "An API token to make.",
      field<&CreateToken::name>(
          "name", "What it is for; unique among the user's.",
          {.required = true, .format = "name", .positional = true, .example = "ci"}),
      field<&CreateToken::role>("role", "What it may do; the user's role when absent."),
      field<&CreateToken::user>("user", "Whose it is; yours when absent.", {.format = "reference"}),
      field<&CreateToken::lifetime>(
          "lifetime_ms", "How long it lives, at most 366 days.",
          {.min = 1000, .max = kLongestTokenLifetime.count(), .example = "90d"}));
}

struct TokenRef {
  std::string token;
};
constexpr auto describe(Type<TokenRef>) {
  return structure<TokenRef>(
      "TokenRef", "An API token.",
      field<&TokenRef::token>("token", "Id, or name when only one has it.",
                              {.required = true, .format = "reference", .positional = true}));
}

// --- audit ----------------------------------------------------------------------------------

struct AuditView {
  std::int64_t sequence = 0;
  std::string hash;
  AuditRecord record;
};
constexpr auto describe(Type<AuditView>) {
  return structure<AuditView>(
      "AuditEntry", "An audit record in its chain.",
      field<&AuditView::sequence>("sequence", "Its number in the host's audit log."),
      field<&AuditView::hash>("hash", "SHA-256 over the record and the hash before."),
      field<&AuditView::record>("record", "Who did what."));
}

struct AuditReport {
  bool intact = false;
  std::string problem;
  std::int64_t records = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::string hash;
};
constexpr auto describe(Type<AuditReport>) {
  return structure<AuditReport>(
      "AuditReport", "Whether the audit log is as it was written.",
      field<&AuditReport::intact>("intact", "Nothing was changed, removed or inserted."),
      field<&AuditReport::problem>("problem", "The first thing that does not fit."),
      field<&AuditReport::records>("records", "Records that were checked."),
      field<&AuditReport::first>("first", "Number of the first one that is kept."),
      field<&AuditReport::last>("last", "Number of the last one."),
      field<&AuditReport::hash>("hash", "Of the last one; note it elsewhere to compare later."));
}

struct VmHistoryItem {
  Timestamp at;
  std::string user;
  std::string method;
  AuditOutcome outcome = AuditOutcome::done;
  std::string text;
  std::vector<AuditChange> changes;
  std::optional<TaskId> task;
};
constexpr auto describe(Type<VmHistoryItem>) {
  return structure<VmHistoryItem>(
      "VmHistoryItem", "What somebody did to a virtual machine.",
      field<&VmHistoryItem::at>("at", "When."), field<&VmHistoryItem::user>("user", "Who."),
      field<&VmHistoryItem::method>("method", "What was asked."),
      field<&VmHistoryItem::outcome>("outcome", "What became of it."),
      field<&VmHistoryItem::text>("text", "What changed, for people."),
      field<&VmHistoryItem::changes>("changes", "What changed, from which value to which."),
      field<&VmHistoryItem::task>("task", "The task that did it."));
}

}  // namespace ruche::model
