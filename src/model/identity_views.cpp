#include "model/identity_views.hpp"

namespace ruche::model {

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

constexpr auto describe(Type<UserEdit>) {
  return structure<UserEdit>(
      "UserEdit", "What can be changed of a user.",
      field<&UserEdit::role>("role", "What the user may do."),
      field<&UserEdit::disabled>("disabled", "Refuse logging in, end all sessions."),
      field<&UserEdit::password>("password", "A new password; it ends all sessions.",
                                 {.max_length = 1024}));
}

constexpr auto describe(Type<UserRef>) {
  return structure<UserRef>(
      "UserRef", "A user.",
      field<&UserRef::user>(
          "user", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "alice"}));
}

constexpr auto describe(Type<LogIn>) {
  return structure<LogIn>(
      "LogIn", "Who somebody says to be, and the proof.",
      field<&LogIn::user>("user", "Name of the user.", {.required = true, .max_length = 63}),
      field<&LogIn::password>("password", "Password.", {.required = true, .max_length = 1024}));
}

constexpr auto describe(Type<NewSession>) {
  return structure<NewSession>(
      "NewSession", "A session that has begun.",
      field<&NewSession::token>("token", "For `Authorization: Bearer`; shown only here."),
      field<&NewSession::user>("user", "Who it belongs to."),
      field<&NewSession::role>("role", "What it may do."),
      field<&NewSession::expires_at>("expires_at", "When it ends."));
}

constexpr auto describe(Type<SessionView>) {
  return structure<SessionView>(
      "Session", "Who asks.", field<&SessionView::user>("user", "The user."),
      field<&SessionView::role>("role", "What they may do this way."),
      field<&SessionView::via>("via", "How they said who they are."),
      field<&SessionView::address>("address", "Where they ask from."),
      field<&SessionView::expires_at>("expires_at", "When the session or the token ends."));
}

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

constexpr auto describe(Type<NewToken>) {
  return structure<NewToken>(
      "NewToken", "An API token that was made.",
      field<&NewToken::token>("token", "For `Authorization: Bearer`; shown only here."),
      field<&NewToken::about>("about", "What it is."));
}

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

constexpr auto describe(Type<TokenRef>) {
  return structure<TokenRef>(
      "TokenRef", "An API token.",
      field<&TokenRef::token>("token", "Id, or name when only one has it.",
                              {.required = true, .format = "reference", .positional = true}));
}

constexpr auto describe(Type<AuditView>) {
  return structure<AuditView>(
      "AuditEntry", "An audit record in its chain.",
      field<&AuditView::sequence>("sequence", "Its number in the host's audit log."),
      field<&AuditView::hash>("hash", "SHA-256 over the record and the hash before."),
      field<&AuditView::record>("record", "Who did what."));
}

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::UserView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUser>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UserEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UserRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::LogIn>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NewSession>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SessionView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TokenView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NewToken>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateToken>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::TokenRef>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditView>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::AuditReport>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::VmHistoryItem>();
