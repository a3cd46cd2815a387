// Users, sessions and API tokens: who somebody is, and what they may do.
#pragma once

#include <functional>

#include "core/identity/bearer.hpp"
#include "core/identity/lockout.hpp"
#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/identity_views.hpp"
#include "ports/passwords.hpp"

namespace ruche::core {

// Somebody who has shown a session or an API token.
struct Authenticated {
  model::UserId user;
  std::string name;
  model::Role role = model::Role::viewer;
  model::AuditVia via = model::AuditVia::session;
  Uuid credential;
  Timestamp expires_at;
};

class IdentityService {
 public:
  struct Parts {
    Writer& writer;
    ports::Passwords& passwords;
    model::HostId self;
  };
  explicit IdentityService(Parts parts) : parts_(parts), lockout_(parts.writer.clock()) {}

  // --- who asks ---
  // Null when the text is none that we gave, has expired, or its user is gone or disabled.
  std::optional<Authenticated> who(std::string_view bearer) const;
  // The same of one that was let in before: is it still?
  std::optional<Authenticated> still(model::AuditVia via, Uuid credential) const;

  // --- users ---
  Async<model::UserId> create_user(Caller caller, model::CreateUser request);
  // The callback merges into what is there; it throws on a bad patch.
  Async<void> edit_user(Caller caller, std::string user,
                        std::function<void(model::UserEdit&)> change);
  Async<void> remove_user(Caller caller, model::UserRef request);
  Async<void> unlock_user(Caller caller, model::UserRef request);
  std::optional<Timestamp> locked_until(const std::string& user) const {
    return lockout_.locked_until(user);
  }

  // --- sessions ---
  // Throws bad_credentials, LockedOut, too_many_logins. A user who does not exist costs as much.
  Async<model::NewSession> log_in(Caller caller, model::LogIn request);
  Async<void> log_out(Caller caller, model::SessionId session);

  // --- tokens ---
  // `asker`: null for somebody who has no user document (the local socket).
  Async<std::pair<model::TokenId, std::string>> create_token(Caller caller,
                                                             model::CreateToken request,
                                                             std::optional<model::UserId> asker);
  // The token as it was.
  Async<model::ApiToken> remove_token(Caller caller, model::TokenRef request,
                                      std::optional<model::UserId> asker);

  // Removes sessions and tokens that have expired a while ago, a few at a time.
  Async<void> clean();

  static constexpr Duration kSessionLifetime = std::chrono::hours(12);
  static constexpr std::size_t kShortestPassword = 10;
  // With these, everything that belongs to a user fits into one commit.
  static constexpr std::size_t kMostSessions = 50;
  static constexpr std::size_t kMostTokens = 30;

 private:
  Async<void> check_password(const model::LogIn& request, const std::string& address,
                             std::shared_ptr<const Stored<model::User>> user);
  model::User user_named(const Inventory& inventory, const std::string& reference) const;
  void check_last_administrator(const Caller& caller, const Inventory& inventory,
                                const model::User& user, const model::User* after) const;
  const model::ApiToken& find_token(const Caller& caller, const Inventory& inventory,
                                    const std::string& reference,
                                    std::optional<model::UserId> asker) const;

  // As the caller wants it: for good, or as a dry run.
  Async<void> change(const Caller& caller, std::function<void(Draft&)> write);

  Parts parts_;
  Lockout lockout_;
};

}  // namespace ruche::core
