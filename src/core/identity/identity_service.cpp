#include "core/identity/identity_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/tasks/accept.hpp"

namespace ruche::core {

using model::AuditVia;
using model::ObjectKind;
using model::Role;

namespace {

model::ObjectRef ref(const model::User& user) {
  return {ObjectKind::user, user.id.value, user.name};
}

void check_name(const std::string& name) {
  // These names stand for the local socket and for Ruche itself in tasks and in the audit log.
  if (name != "root" && name != "ruche" && !name.starts_with("uid-")) return;
  throw Error(Reason::bad_name, fmt::format("the name {} is reserved", name))
      .at("/name")
      .remedy("choose another name");
}

void check_strength(const std::string& name, const Secret<std::string>& password) {
  const auto& text = password.reveal();
  if (text.size() < IdentityService::kShortestPassword) {
    throw Error(Reason::weak_password, fmt::format("the password is shorter than {} characters",
                                                   IdentityService::kShortestPassword))
        .at("/password")
        .remedy("choose a longer one; several words are easy to remember");
  }
  if (text.find(name) != text.npos && text.size() < name.size() + 6) {
    throw Error(Reason::weak_password, "the password is little more than the user's name")
        .at("/password")
        .remedy("choose another one");
  }
}

template <class T>
std::vector<const T*> of_user(const StoredById<T>& records, model::UserId user) {
  std::vector<const T*> found;
  for (const auto& [id, record] : records) {
    if (record->value.user == user) found.push_back(&record->value);
  }
  return found;
}

void end_sessions(Draft& draft, model::UserId user) {
  for (const auto* session : of_user(draft.inventory().sessions(), user)) {
    draft.erase(keys::session(session->id));
  }
}

}  // namespace

// --- who asks -----------------------------------------------------------------------------------

std::optional<Authenticated> IdentityService::still(AuditVia via, Uuid credential) const {
  const auto& inventory = parts_.writer.inventory();
  const auto now = parts_.writer.clock().wall();
  Authenticated found;
  found.via = via;
  found.credential = credential;
  found.role = Role::administrator;
  if (via == AuditVia::session) {
    const auto session = inventory.sessions().find(credential);
    if (session == inventory.sessions().end()) return std::nullopt;
    found.user = session->second->value.user;
    found.expires_at = session->second->value.expires_at;
  } else {
    const auto token = inventory.tokens().find(credential);
    if (token == inventory.tokens().end()) return std::nullopt;
    found.user = token->second->value.user;
    found.role = token->second->value.role;
    found.expires_at = token->second->value.expires_at;
  }
  if (found.expires_at <= now) return std::nullopt;
  const auto user = inventory.users().find(found.user.value);
  if (user == inventory.users().end() || user->second->value.disabled) return std::nullopt;
  found.name = user->second->value.name;
  // A token never grows with its user, and always shrinks with it.
  found.role = std::min(found.role, user->second->value.role);
  return found;
}

std::optional<Authenticated> IdentityService::who(std::string_view text) const {
  const auto bearer = parse_bearer(text);
  if (!bearer) return std::nullopt;
  const bool session = bearer->kind == BearerKind::session;
  auto found = still(session ? AuditVia::session : AuditVia::token, bearer->id);
  if (!found) return std::nullopt;
  const auto& inventory = parts_.writer.inventory();
  const auto& hash = session ? inventory.sessions().at(bearer->id)->value.hash
                             : inventory.tokens().at(bearer->id)->value.hash;
  if (!same_hash(hash, hash_of(bearer->secret))) return std::nullopt;
  return found;
}

// --- users --------------------------------------------------------------------------------------

model::User IdentityService::user_named(const Inventory& inventory,
                                        const std::string& reference) const {
  const auto found = inventory.find_user(reference);
  if (found) return found->value;
  throw Error(Reason::no_such_object, fmt::format("there is no user \"{}\"", reference))
      .at("/user")
      .remedy("`ruche user list` shows those that exist");
}

// Root and the instance's owner on the local socket need no user document, so they can always make
// another administrator; everybody else could lock the door from outside.
void IdentityService::check_last_administrator(const Caller& caller, const Inventory& inventory,
                                               const model::User& user,
                                               const model::User* after) const {
  const auto administers = [](const model::User& u) {
    return u.role == Role::administrator && !u.disabled;
  };
  if (!administers(user) || (after && administers(*after))) return;
  if (caller.origin.via == AuditVia::socket) return;
  for (const auto& [id, record] : inventory.users()) {
    if (id != user.id.value && administers(record->value)) return;
  }
  throw Error(Reason::last_administrator,
              fmt::format("{} is the last administrator who can log in", user.name))
      .remedy("make another administrator first, or do it as root over the socket");
}

Async<model::UserId> IdentityService::create_user(Caller caller, model::CreateUser request) {
  check_name(request.name);
  check_strength(request.name, request.password);
  auto hash = co_await parts_.passwords.hash(request.password);
  model::UserId made;
  co_await parts_.writer.transact([&](Draft& draft) {
    model::User user;
    user.id = made = draft.new_id<model::UserId>();
    user.name = request.name;
    user.role = request.role;
    user.password_hash = hash;
    user.password_changed_at = user.created_at = draft.now();
    draft.take_name("user", user.name, user.id.value);
    draft.record(parts_.self, audit_record(caller, "user.create", ref(user)));
    draft.create(keys::user(user.id), user);
  });
  co_return made;
}

Async<void> IdentityService::edit_user(Caller caller, std::string reference,
                                       std::function<void(model::UserEdit&)> change) {
  co_await parts_.writer.inventory().ready();
  const auto edited = [&](const model::User& user) {
    model::UserEdit edit{user.role, user.disabled, {}};
    change(edit);
    return edit;
  };
  const auto seen = user_named(parts_.writer.inventory(), reference);
  const auto wish = edited(seen);
  std::optional<Secret<std::string>> hash;
  if (!wish.password.reveal().empty()) {
    check_strength(seen.name, wish.password);
    hash = co_await parts_.passwords.hash(wish.password);
  }
  co_await parts_.writer.transact([&](Draft& draft) {
    const auto before = user_named(draft.inventory(), reference);
    const auto edit = edited(before);
    auto& user = draft.user(before.id);
    user.role = edit.role;
    user.disabled = edit.disabled;
    if (hash) {
      user.password_hash = *hash;
      user.password_changed_at = draft.now();
    }
    check_last_administrator(caller, draft.inventory(), before, &user);
    if (hash || user.disabled) end_sessions(draft, user.id);
    draft.record(parts_.self, audit_record(caller, "user.set", ref(before)));
  });
  if (hash) lockout_.unlock(seen.name);
}

Async<void> IdentityService::change(const Caller& caller, std::function<void(Draft&)> write) {
  if (caller.dry_run) {
    co_await parts_.writer.rehearse(std::move(write));
  } else {
    co_await parts_.writer.transact(std::move(write));
  }
}

Async<void> IdentityService::remove_user(Caller caller, model::UserRef request) {
  co_await change(caller, [&](Draft& draft) {
    const auto user = user_named(draft.inventory(), request.user);
    check_last_administrator(caller, draft.inventory(), user, nullptr);
    end_sessions(draft, user.id);
    for (const auto* token : of_user(draft.inventory().tokens(), user.id)) {
      draft.erase(keys::token(token->id));
    }
    draft.free_name("user", user.name);
    draft.erase(keys::user(user.id));
    draft.record(parts_.self, audit_record(caller, "user.delete", ref(user)));
  });
}

Async<void> IdentityService::unlock_user(Caller caller, model::UserRef request) {
  co_await parts_.writer.inventory().ready();
  const auto user = user_named(parts_.writer.inventory(), request.user);
  lockout_.unlock(user.name);
  co_await parts_.writer.transact([&](Draft& draft) {
    draft.user(user.id);  // written as it is: the record rides with it
    draft.record(parts_.self, audit_record(caller, "user.unlock", ref(user)));
  });
}

// --- sessions -----------------------------------------------------------------------------------

namespace {

Error wrong_credentials() {
  return Error(Reason::bad_credentials, "user and password do not match")
      .remedy("an administrator can set a new password: ruche user set NAME --password");
}

}  // namespace

Async<void> IdentityService::check_password(const model::LogIn& request, const std::string& address,
                                            std::shared_ptr<const Stored<model::User>> user) {
  lockout_.begin(request.user, address);
  const auto hash = user ? user->value.password_hash : parts_.passwords.decoy();
  bool fits = false;
  std::optional<Error> unchecked;
  try {
    fits = co_await parts_.passwords.verify(hash, request.password);
  } catch (const Error& error) {
    unchecked = error;
  }
  if (unchecked) {
    lockout_.abandoned(request.user, address);
    throw std::move(*unchecked);
  }
  if (!fits || !user || user->value.disabled) throw wrong_credentials();
}

Async<model::NewSession> IdentityService::log_in(Caller caller, model::LogIn request) {
  auto& inventory = parts_.writer.inventory();
  co_await inventory.ready();
  const auto user = inventory.find_user(request.user);
  co_await check_password(request, caller.origin.address, user);

  const Bearer secret{BearerKind::session, {}, new_secret(parts_.writer.random())};
  model::Session made;
  Role role = Role::viewer;
  co_await parts_.writer.transact([&](Draft& draft) {
    // What was true while the password was checked must still be.
    const auto now = draft.inventory().users().find(user->value.id.value);
    if (now == draft.inventory().users().end() || now->second->revision != user->revision) {
      throw wrong_credentials();
    }
    draft.depend(keys::user(user->value.id));
    role = now->second->value.role;
    const auto open = of_user(draft.inventory().sessions(), user->value.id);
    if (open.size() >= kMostSessions) draft.erase(keys::session(open.front()->id));
    made.id = draft.new_id<model::SessionId>();
    made.user = user->value.id;
    made.hash = hash_of(secret.secret);
    made.address = caller.origin.address;
    made.created_at = draft.now();
    made.expires_at = {draft.now().unix_ms + kSessionLifetime.count()};
    caller.user = user->value.name;
    caller.origin.role = role;
    draft.record(parts_.self, audit_record(caller, "session.create", ref(user->value)));
    draft.create(keys::session(made.id), made);
  });
  lockout_.succeeded(request.user, caller.origin.address);
  co_return model::NewSession{bearer_text({secret.kind, made.id.value, secret.secret}),
                              user->value.name, role, made.expires_at};
}

Async<void> IdentityService::log_out(Caller caller, model::SessionId session) {
  co_await parts_.writer.transact([&](Draft& draft) {
    draft.erase(keys::session(session));
    draft.record(parts_.self, audit_record(caller, "session.delete"));
  });
}

// --- tokens -------------------------------------------------------------------------------------

namespace {

void check_token_request(const Caller& caller, const model::User& user,
                         const model::CreateToken& request, const Inventory& inventory) {
  const Role highest = std::min(user.role, caller.origin.role);
  if (request.role && *request.role > highest) {
    throw Error(Reason::not_permitted,
                fmt::format("a token of {} is at most {} here", user.name, enum_name(highest)))
        .at("/role");
  }
  const auto held = of_user(inventory.tokens(), user.id);
  if (held.size() >= IdentityService::kMostTokens) {
    throw Error(Reason::too_many_connections,
                fmt::format("{} has {} tokens already", user.name, held.size()))
        .remedy("delete those that are not needed: ruche token list");
  }
  for (const auto* token : held) {
    if (token->name != request.name) continue;
    throw Error(Reason::name_in_use,
                fmt::format("{} has a token {} already", user.name, request.name))
        .at("/name")
        .remedy("choose another name");
  }
}

}  // namespace

Async<std::pair<model::TokenId, std::string>> IdentityService::create_token(
    Caller caller, model::CreateToken request, std::optional<model::UserId> asker) {
  const Bearer secret{BearerKind::token, {}, new_secret(parts_.writer.random())};
  model::ApiToken token;
  co_await parts_.writer.transact([&](Draft& draft) {
    const auto& inventory = draft.inventory();
    if (!asker && request.user.empty()) {
      throw Error(Reason::missing_field, "over the socket you have no user; whose is the token?")
          .at("/user")
          .remedy("name a user");
    }
    const auto user = user_named(inventory, request.user.empty() ? to_text(*asker) : request.user);
    if (asker && user.id != *asker && caller.origin.role != Role::administrator) {
      throw Error(Reason::not_permitted, "only administrators make tokens for others").at("/user");
    }
    check_token_request(caller, user, request, inventory);
    draft.depend(keys::user(user.id));
    token.id = draft.new_id<model::TokenId>();
    token.user = user.id;
    token.name = request.name;
    token.role = request.role.value_or(std::min(user.role, caller.origin.role));
    token.hash = hash_of(secret.secret);
    token.created_at = draft.now();
    token.expires_at = {draft.now().unix_ms + request.lifetime.count()};
    draft.record(parts_.self, audit_record(caller, "token.create",
                                           model::ObjectRef{ObjectKind::token, token.id.value,
                                                            user.name + "/" + token.name}));
    draft.create(keys::token(token.id), token);
  });
  co_return std::pair{token.id, bearer_text({secret.kind, token.id.value, secret.secret})};
}

const model::ApiToken& IdentityService::find_token(const Caller& caller, const Inventory& inventory,
                                                   const std::string& reference,
                                                   std::optional<model::UserId> asker) const {
  std::vector<const model::ApiToken*> found;
  for (const auto& [id, record] : inventory.tokens()) {
    const auto& token = record->value;
    const bool visible = caller.origin.role == Role::administrator || token.user == asker;
    if (visible && (token.name == reference || to_text(token.id) == reference)) {
      found.push_back(&token);
    }
  }
  if (found.size() == 1) return *found.front();
  if (found.empty()) {
    throw Error(Reason::no_such_object, fmt::format("there is no token \"{}\"", reference))
        .at("/token")
        .remedy("`ruche token list` shows those that exist");
  }
  throw Error(Reason::bad_request, fmt::format("several users have a token {}", reference))
      .at("/token")
      .remedy("name its id: `ruche token list` shows it");
}

Async<model::ApiToken> IdentityService::remove_token(Caller caller, model::TokenRef request,
                                                     std::optional<model::UserId> asker) {
  model::ApiToken token;
  co_await change(caller, [&](Draft& draft) {
    token = find_token(caller, draft.inventory(), request.token, asker);
    draft.record(parts_.self,
                 audit_record(caller, "token.delete",
                              model::ObjectRef{ObjectKind::token, token.id.value, token.name}));
    draft.erase(keys::token(token.id));
  });
  co_return token;
}

Async<void> IdentityService::clean() {
  constexpr std::size_t kMostAtOnce = 50;
  constexpr std::int64_t kKeepTokens = 7LL * 24 * 3600 * 1000;  // so that a list shows why it fails
  const auto& inventory = parts_.writer.inventory();
  const auto now = parts_.writer.clock().wall();
  std::vector<std::string> old;
  for (const auto& [id, record] : inventory.sessions()) {
    if (record->value.expires_at <= now) old.push_back(keys::session(record->value.id));
  }
  for (const auto& [id, record] : inventory.tokens()) {
    if (record->value.expires_at.unix_ms + kKeepTokens > now.unix_ms) continue;
    old.push_back(keys::token(record->value.id));
  }
  if (old.empty()) co_return;
  old.resize(std::min(old.size(), kMostAtOnce));
  co_await parts_.writer.transact([&](Draft& draft) {
    for (const auto& key : old) draft.erase(key);
  });
}

}  // namespace ruche::core
