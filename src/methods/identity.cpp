#include "methods/tables.hpp"
#include "model/identity_views.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> users_seen() {
  return {
      list_of<model::UserView>({
          .id = "user.list",
          .path = "/v1/users",
          .role = Role::administrator,
          .request = &type_of<ListRequest>,
          .summary = "List users",
          .description = "Who may log in, and as what.",
          .command = "user list",
          .examples = {{"All of them", "ruche user list"}},
          .columns = {{"NAME", "name"},
                      {"ROLE", "role"},
                      {"DISABLED", "disabled"},
                      {"LOCKED UNTIL", "locked_until"},
                      {"SESSIONS", "sessions"},
                      {"TOKENS", "tokens"}},
          .list_fields = {"id", "name", "role", "disabled", "created_at"},
      }),
      value_of<model::UserRef, model::UserView>({
          .id = "user.show",
          .path = "/v1/users/{user}",
          .role = Role::administrator,
          .summary = "Show a user",
          .description = "Role, sessions and tokens; whether logging in is refused for now.",
          .command = "user show",
          .examples = {{"One of them", "ruche user show alice"}},
      }),
  };
}

std::vector<Method> users_changed() {
  return {
      value_of<model::CreateUser, model::UserView>({
          .id = "user.create",
          .verb = Verb::post,
          .path = "/v1/users",
          .role = Role::administrator,
          .summary = "Add a user",
          .description = "The password has at least 10 characters. It is asked on the terminal, or "
                         "read from standard input; it is never an argument.",
          .command = "user add",
          .examples = {{"Somebody who works with virtual machines",
                        "ruche user add alice --role operator"},
                       {"In a script", "ruche user add bob --password-stdin"}},
      }),
      {
          .id = "user.set",
          .verb = Verb::patch,
          .path = "/v1/users/{user}",
          .role = Role::administrator,
          .answer = Answer::value,
          .request = &type_of<model::UserEdit>,
          .result = &type_of<model::UserView>,
          .patch = true,
          .summary = "Change a user",
          .description = "A new password, or disabling, ends the user's sessions at once. The last "
                         "administrator who can log in is only changed over the socket.",
          .command = "user set",
          .examples = {{"Another role", "ruche user set alice --role viewer",
                        R"({"role": "viewer"})"},
                       {"A new password", "ruche user set alice --password"},
                       {"Not any more", "ruche user set alice --disabled"}},
      },
      value_of<model::UserRef, model::UserView>({
          .id = "user.delete",
          .verb = Verb::delete_,
          .path = "/v1/users/{user}",
          .role = Role::administrator,
          .dry_runs = true,
          .summary = "Remove a user",
          .description = "With all sessions and tokens. The answer is the user as it was.",
          .command = "user delete",
          .examples = {{"Remove one", "ruche user delete alice"}},
      }),
      value_of<model::UserRef, model::UserView>({
          .id = "user.unlock",
          .verb = Verb::post,
          .path = "/v1/users/{user}/unlock",
          .role = Role::administrator,
          .summary = "Forget a user's failed log-ins",
          .description = "After too many of them logging in is refused for a while.",
          .command = "user unlock",
          .examples = {{"Let her try again", "ruche user unlock alice"}},
      }),
  };
}

std::vector<Method> session_methods() {
  auto create = value_of<model::LogIn, model::NewSession>({
      .id = "session.create",
      .verb = Verb::post,
      .path = "/v1/sessions",
      .anonymous = true,
      .summary = "Log in",
      .description = "The token goes into `Authorization: Bearer`. It lives for twelve hours, and "
                     "ends when the password changes or the user is disabled.",
      .command = {},
  });
  return {
      std::move(create),
      {
          .id = "session.show",
          .path = "/v1/sessions/current",
          .answer = Answer::value,
          .result = &type_of<model::SessionView>,
          .summary = "Say who you are",
          .description = "The user and the role that requests are judged by.",
          .command = "whoami",
          .examples = {{"Who am I?", "ruche whoami"}},
      },
      {
          .id = "session.delete",
          .verb = Verb::delete_,
          .path = "/v1/sessions/current",
          .answer = Answer::value,
          .result = &type_of<model::SessionView>,
          .urgent = true,
          .summary = "Log out",
          .description = "Ends the session that asks; it is refused for anything but a session.",
          .command = {},
      },
  };
}

std::vector<Method> token_methods() {
  return {
      list_of<model::TokenView>({
          .id = "token.list",
          .path = "/v1/tokens",
          .request = &type_of<ListRequest>,
          .summary = "List API tokens",
          .description = "Your own; administrators see all of them. Never the secrets.",
          .command = "token list",
          .examples = {{"All of them", "ruche token list"}},
          .columns = {{"NAME", "name"},
                      {"USER", "user"},
                      {"ROLE", "role"},
                      {"EXPIRES", "expires_at"},
                      {"EXPIRED", "expired"},
                      {"ID", "id"}},
          .list_fields = {"id", "name", "user", "role", "created_at", "expires_at"},
      }),
      value_of<model::CreateToken, model::NewToken>({
          .id = "token.create",
          .verb = Verb::post,
          .path = "/v1/tokens",
          .summary = "Make an API token",
          .description = "For programs. It may do no more than its user, ends by itself, and is "
                         "shown once.",
          .command = "token create",
          .examples = {{"For a job that only looks",
                        "ruche token create ci --role viewer --lifetime 30d",
                        R"({"name": "ci", "role": "viewer", "lifetime_ms": 2592000000})"},
                       {"Over the socket, for somebody", "ruche token create ci --user alice"}},
      }),
      value_of<model::TokenRef, model::TokenView>({
          .id = "token.delete",
          .verb = Verb::delete_,
          .path = "/v1/tokens/{token}",
          .dry_runs = true,
          .summary = "Revoke an API token",
          .description = "It ends at once. The answer is the token as it was.",
          .command = "token delete",
          .examples = {{"Revoke one", "ruche token delete ci"}},
      }),
  };
}

}  // namespace

std::vector<Method> identity_methods() {
  std::vector<Method> joined = users_seen();
  for (auto& table : {users_changed(), session_methods(), token_methods()}) {
    joined.insert(joined.end(), table.begin(), table.end());
  }
  return joined;
}

std::vector<Method> audit_methods() {
  return {
      list_of<model::AuditView>({
          .id = "audit.list",
          .path = "/v1/audit",
          .role = Role::administrator,
          .request = &type_of<ListAudit>,
          .summary = "List audit records",
          .description =
              "Every change, refused log-in and refused request of this host, the newest "
              "first: who, from where, what, from which value to which. The filter knows "
              "user, method, outcome, via, address, object, task and at.",
          .command = "audit list",
          .examples = {{"The last ones", "ruche audit list --limit 20"},
                       {"What somebody did", "ruche audit list --filter user=alice"},
                       {"What was refused", "ruche audit list --filter outcome=refused"}},
          .columns = {{"AT", "record.at"},
                      {"USER", "record.user"},
                      {"VIA", "record.origin.via"},
                      {"FROM", "record.origin.address"},
                      {"METHOD", "record.method"},
                      {"OBJECT", "record.object.name"},
                      {"OUTCOME", "record.outcome"}},
          .list_fields = {},
      }),
      {
          .id = "audit.verify",
          .path = "/v1/audit/verify",
          .role = Role::administrator,
          .answer = Answer::value,
          .result = &type_of<model::AuditReport>,
          .summary = "Check the audit log",
          .description = "Recomputes the chain of hashes and compares its end with what the state "
                         "store remembers.",
          .command = "audit verify",
          .examples = {{"Is it as it was written?", "ruche audit verify"}},
      },
      list_of<model::VmHistoryItem>({
          .id = "vm.history",
          .path = "/v1/vms/{vm}/history",
          .request = &type_of<VmHistory>,
          .summary = "Show what was done to a VM",
          .description = "By whom, when, and from which value to which; the newest first.",
          .command = "vm history",
          .examples = {{"All of it", "ruche vm history web1"}},
          .columns = {{"AT", "at"},
                      {"USER", "user"},
                      {"METHOD", "method"},
                      {"OUTCOME", "outcome"},
                      {"WHAT", "text"}},
          .list_fields = {},
      }),
  };
}

}  // namespace ruche::methods
