#include "model/identity.hpp"

namespace ruche::model {

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

constexpr auto describe(Type<Session>) {
  return structure<Session>("SessionDocument", "A session as the store keeps it.",
                            field<&Session::id>("id", "Immutable id."),
                            field<&Session::user>("user", "Whose it is."),
                            field<&Session::hash>("hash", "Of the secret."),
                            field<&Session::address>("address", "Where the log-in came from."),
                            field<&Session::created_at>("created_at", "When it began."),
                            field<&Session::expires_at>("expires_at", "When it ends."));
}

constexpr auto describe(Type<AuditVia>) {
  return enumeration<AuditVia>("AuditVia", "How somebody said who they are.",
                               value(AuditVia::system, "system", "Ruche itself."),
                               value(AuditVia::socket, "socket", "The unix socket told the user."),
                               value(AuditVia::session, "session", "A session after a log-in."),
                               value(AuditVia::token, "token", "An API token."),
                               value(AuditVia::nobody, "nobody", "Not at all."));
}

constexpr auto describe(Type<AuditOutcome>) {
  return enumeration<AuditOutcome>(
      "AuditOutcome", "What became of a request.",
      value(AuditOutcome::accepted, "accepted", "A task works on it."),
      value(AuditOutcome::done, "done", "It is done."),
      value(AuditOutcome::failed, "failed", "Its task failed; it was taken back."),
      value(AuditOutcome::cancelled, "cancelled", "Its task was cancelled."),
      value(AuditOutcome::refused, "refused", "It was not allowed."));
}

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

constexpr auto describe(Type<AuditChange>) {
  return structure<AuditChange>("AuditChange", "A value that changed.",
                                field<&AuditChange::path>("path", "Which."),
                                field<&AuditChange::before>("before", "What it was."),
                                field<&AuditChange::after>("after", "What it is now."));
}

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

constexpr auto describe(Type<AuditHead>) {
  return structure<AuditHead>("AuditHead", "The end of a host's audit log.",
                              field<&AuditHead::sequence>("sequence", "Of the last record."),
                              field<&AuditHead::hash>("hash", "Of the last record."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::User>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::ApiToken>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Session>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditVia>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditOutcome>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditOrigin>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditChange>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditRecord>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditHead>();
