// Users, sessions and API tokens.
#include <algorithm>

#include "api/list_answer.hpp"
#include "methods/tables.hpp"
#include "model/identity_views.hpp"

namespace ruche::api {

namespace {

using UserRecord = core::Stored<model::User>;
using TokenRecord = core::Stored<model::ApiToken>;

template <class T>
std::uint32_t count_of(const core::StoredById<T>& records, model::UserId user) {
  return static_cast<std::uint32_t>(std::ranges::count_if(
      records, [&](const auto& entry) { return entry.second->value.user == user; }));
}

model::UserView view_of(const Context& context, const model::User& user) {
  const auto& inventory = context.parts.inventory;
  model::UserView view;
  view.id = user.id;
  view.name = user.name;
  view.role = user.role;
  view.disabled = user.disabled;
  view.locked_until = context.parts.identity.locked_until(user.name);
  view.sessions = count_of(inventory.sessions(), user.id);
  view.tokens = count_of(inventory.tokens(), user.id);
  view.password_changed_at = user.password_changed_at;
  view.created_at = user.created_at;
  return view;
}

std::string user_name(const Context& context, model::UserId id) {
  const auto& users = context.parts.inventory.users();
  const auto found = users.find(id.value);
  return found == users.end() ? to_text(id) : found->second->value.name;
}

model::TokenView view_of(const Context& context, const model::ApiToken& token) {
  model::TokenView view;
  view.id = token.id;
  view.name = token.name;
  view.user = user_name(context, token.user);
  view.role = token.role;
  view.expired = token.expires_at <= context.parts.clock.wall();
  view.created_at = token.created_at;
  view.expires_at = token.expires_at;
  return view;
}

template <class T>
std::vector<std::shared_ptr<const core::Stored<T>>> all_of(const core::StoredById<T>& records) {
  std::vector<std::shared_ptr<const core::Stored<T>>> all;
  for (const auto& [id, record] : records) all.push_back(record);
  return all;
}

// --- users ----------------------------------------------------------------------------------

std::vector<ListField<UserRecord>> user_fields() {
  return {
      {"id", FieldKind::text, [](const UserRecord& r) { return to_text(r.value.id); }},
      {"name", FieldKind::text, [](const UserRecord& r) { return r.value.name; }},
      {"role", FieldKind::text,
       [](const UserRecord& r) { return std::string(enum_name(r.value.role)); }},
      {"disabled", FieldKind::boolean,
       [](const UserRecord& r) { return std::int64_t{r.value.disabled}; }},
      {"created_at", FieldKind::time,
       [](const UserRecord& r) { return r.value.created_at.unix_ms; }},
  };
}

Async<void> list_users(Call& call, Context& context,
                       const std::vector<ListField<UserRecord>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const ListSource<UserRecord> source{[&] { return all_of(context.parts.inventory.users()); },
                                      known, "name",
                                      [&](std::string& out, const UserRecord& record) {
                                        encode_view(out, view_of(context, record.value));
                                      }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

model::User find_user(const Context& context, const std::string& reference) {
  const auto found = context.parts.inventory.find_user(reference);
  if (!found) refuse_missing("user", reference, "user list");
  return found->value;
}

Async<void> show_user(Call& call, Context& context) {
  const auto request = call.decode<model::UserRef>();
  const auto view = view_of(context, find_user(context, request.user));
  co_await respond_value(call, view);
}

Async<void> create_user(Call& call, Context& context) {
  auto request = call.decode<model::CreateUser>();
  auto caller = call.caller(context.parts.inventory);
  const auto id =
      co_await context.parts.identity.create_user(std::move(caller), std::move(request));
  const auto view = view_of(context, find_user(context, to_text(id)));
  co_await respond_value(call, view);
}

Async<void> set_user(Call& call, Context& context) {
  const std::string reference = call.parameter("user");
  const auto id = to_text(find_user(context, reference).id);
  const std::string patch(patch_text(call.query(), call.body()));
  const auto change = [patch](model::UserEdit& edit) {
    auto ok = json::merge_patch_into(type_of<model::UserEdit>(), &edit, patch,
                                     {.allow_read_only = false});
    if (!ok) throw std::move(ok.error());
  };
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.identity.edit_user(std::move(caller), id, change);
  const auto view = view_of(context, find_user(context, id));
  co_await respond_value(call, view);
}

Async<void> delete_user(Call& call, Context& context) {
  auto request = call.decode<model::UserRef>();
  const auto view = view_of(context, find_user(context, request.user));
  auto caller = call.caller(context.parts.inventory);
  request.user = to_text(view.id);
  co_await context.parts.identity.remove_user(std::move(caller), std::move(request));
  co_await respond_value(call, view);
}

Async<void> unlock_user(Call& call, Context& context) {
  auto request = call.decode<model::UserRef>();
  const auto id = to_text(find_user(context, request.user).id);
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.identity.unlock_user(std::move(caller), std::move(request));
  const auto view = view_of(context, find_user(context, id));
  co_await respond_value(call, view);
}

// --- sessions -------------------------------------------------------------------------------

// Somebody may have typed a password where the name belongs: only names that exist are recorded.
std::string recorded_name(const Context& context, const std::string& given) {
  return context.parts.inventory.find_user(given) ? given : std::string();
}

Async<void> log_in(Call& call, Context& context) {
  auto request = call.decode<model::LogIn>();
  model::AuditRecord refusal;
  refusal.method = call.method().id;
  refusal.user = recorded_name(context, request.user);
  auto caller = call.caller(context.parts.inventory);
  refusal.origin = caller.origin;
  refusal.origin.request = {};
  model::NewSession session;
  try {
    session = co_await context.parts.identity.log_in(std::move(caller), std::move(request));
  } catch (const Error& error) {
    refusal.reason = error.message();
    context.parts.audit.refused(std::move(refusal));
    throw;
  }
  auto response = net::json_response(200, json::encode(session));
  response.headers.set("Cache-Control", "no-store");
  co_await call.respond(std::move(response));
}

model::SessionView current(Call& call) {
  const auto& identity = call.identity();
  return {identity.user, identity.role, identity.via, source_of(call.exchange().request().peer),
          identity.expires_at};
}

Async<void> show_session(Call& call) {
  const auto view = current(call);
  co_await respond_value(call, view);
}

Async<void> log_out(Call& call, Context& context) {
  if (call.identity().via != model::AuditVia::session) {
    throw Error(Reason::wrong_state, "there is no session that could end")
        .remedy("a token is revoked with `ruche token delete`");
  }
  const auto view = current(call);
  auto caller = call.caller(context.parts.inventory);
  co_await context.parts.identity.log_out(std::move(caller), {call.identity().credential});
  co_await respond_value(call, view);
}

// --- tokens ---------------------------------------------------------------------------------

std::vector<ListField<TokenRecord>> token_fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const TokenRecord& r) { return to_text(r.value.id); }},
      {"name", FieldKind::text, [](const TokenRecord& r) { return r.value.name; }},
      {"user", FieldKind::text,
       [shared](const TokenRecord& r) { return user_name(*shared, r.value.user); }},
      {"role", FieldKind::text,
       [](const TokenRecord& r) { return std::string(enum_name(r.value.role)); }},
      {"created_at", FieldKind::time,
       [](const TokenRecord& r) { return r.value.created_at.unix_ms; }},
      {"expires_at", FieldKind::time,
       [](const TokenRecord& r) { return r.value.expires_at.unix_ms; }},
  };
}

Async<void> list_tokens(Call& call, Context& context,
                        const std::vector<ListField<TokenRecord>>& known) {
  auto page = page_request(call, call.decode<methods::ListRequest>());
  if (call.identity().role != methods::Role::administrator) {
    // As a part of the filter it is also a part of what a kept page and a cursor belong to.
    if (!page.key.filter.empty()) page.key.filter += ',';
    page.key.filter += "user=" + call.identity().user;
  }
  const ListSource<TokenRecord> source{[&] { return all_of(context.parts.inventory.tokens()); },
                                       known, "user,name",
                                       [&](std::string& out, const TokenRecord& record) {
                                         encode_view(out, view_of(context, record.value));
                                       }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> create_token(Call& call, Context& context) {
  auto request = call.decode<model::CreateToken>();
  auto caller = call.caller(context.parts.inventory);
  auto [id, text] = co_await context.parts.identity.create_token(
      std::move(caller), std::move(request), call.identity().user_id);
  const auto& token = context.parts.inventory.tokens().at(id.value)->value;
  const model::NewToken made{std::move(text), view_of(context, token)};
  auto response = net::json_response(200, json::encode(made));
  response.headers.set("Cache-Control", "no-store");
  co_await call.respond(std::move(response));
}

Async<void> delete_token(Call& call, Context& context) {
  auto request = call.decode<model::TokenRef>();
  auto caller = call.caller(context.parts.inventory);
  const auto token = co_await context.parts.identity.remove_token(
      std::move(caller), std::move(request), call.identity().user_id);
  const auto view = view_of(context, token);
  co_await respond_value(call, view);
}

}  // namespace

void add_identity_handlers(Registry& registry, Context& context) {
  registry.add("user.list", [&context, known = user_fields()](Call& call) {
    return list_users(call, context, known);
  });
  registry.add("user.show", [&context](Call& call) { return show_user(call, context); });
  registry.add("user.create", [&context](Call& call) { return create_user(call, context); });
  registry.add("user.set", [&context](Call& call) { return set_user(call, context); });
  registry.add("user.delete", [&context](Call& call) { return delete_user(call, context); });
  registry.add("user.unlock", [&context](Call& call) { return unlock_user(call, context); });
  registry.add("session.create", [&context](Call& call) { return log_in(call, context); });
  registry.add("session.show", [](Call& call) { return show_session(call); });
  registry.add("session.delete", [&context](Call& call) { return log_out(call, context); });
  registry.add("token.list", [&context, known = token_fields(context)](Call& call) {
    return list_tokens(call, context, known);
  });
  registry.add("token.create", [&context](Call& call) { return create_token(call, context); });
  registry.add("token.delete", [&context](Call& call) { return delete_token(call, context); });
}

}  // namespace ruche::api
