#include "login.hpp"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "net/problem.hpp"

namespace ruche::cli {

namespace {

constexpr Duration kLookLimit{10'000};
constexpr json::DecodeOptions kLenient{.unknown_fields = json::UnknownFields::ignore};

struct Credentials {
  std::string user;
  Secret<std::string> password;
};
constexpr auto describe(Type<Credentials>) {
  return structure<Credentials>("Credentials", "Who logs in.",
                                field<&Credentials::user>("user", "Name."),
                                field<&Credentials::password>("password", "Password."));
}

struct NewSession {
  Secret<std::string> token;
  std::string user;
  std::string role;
  std::optional<Timestamp> expires_at;
};
constexpr auto describe(Type<NewSession>) {
  return structure<NewSession>(
      "NewSession", "A session that has begun.",
      field<&NewSession::token>("token", "What requests show.", {.required = true}),
      field<&NewSession::user>("user", "Who."), field<&NewSession::role>("role", "As what."),
      field<&NewSession::expires_at>("expires_at", "Until when."));
}

// The terminal shows nothing of what is typed while this lives.
class NoEcho {
 public:
  NoEcho() {
    on_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!on_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~NoEcho() {
    if (on_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  termios before_{};
  bool on_ = false;
};

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

bool says_yes(const std::string& question) {
  fmt::print(stderr, "{} [y/N] ", question);
  const auto answer = read_line();
  return answer == "y" || answer == "Y" || answer == "yes";
}

std::string ask_user(const LoginParts& parts, const std::string& given) {
  if (!given.empty()) return given;
  if (!parts.terminal.input || !parts.terminal.errors) {
    throw Error(Reason::missing_field, "nobody says who logs in").remedy("add --user NAME");
  }
  fmt::print(stderr, "User: ");
  return read_line();
}

Secret<std::string> ask_password(const LoginParts& parts, const LoginCommand& command,
                                 const std::string& user) {
  if (command.password_stdin) return Secret<std::string>(read_line());
  if (!parts.terminal.input || !parts.terminal.errors) {
    throw Error(Reason::missing_field, "the password is asked for on a terminal, and there is none")
        .remedy("give it on standard input: --password-stdin <FILE");
  }
  fmt::print(stderr, "Password of {}: ", user);
  const NoEcho quiet;
  return Secret<std::string>(read_line());
}

// What was trusted before is not given up quietly.
void refuse_change(const ServerContext& known, const net::SeenCertificate& seen) {
  throw Error(Reason::untrusted_certificate,
              fmt::format("THE CERTIFICATE OF {} HAS CHANGED: somebody may be reading along. Its "
                          "fingerprint is {}, trusted is {}",
                          known.url, seen.info.fingerprint, known.fingerprint))
      .remedy(fmt::format("ask the server's administrator (`ruche host show` there prints it); if "
                          "that is the new one: ruche login {} --fingerprint {}",
                          known.url, seen.info.fingerprint));
}

// The fingerprint to trust from now on; empty: the authorities'.
Async<std::string> settle_trust(const LoginParts& parts, const LoginCommand& command,
                                const ServerAddress& server, const ContextFile& contexts) {
  if (!command.fingerprint.empty()) co_return net::canonical_fingerprint(command.fingerprint);
  auto looking =
      net::look_at_certificate(net::tcp_connector({server.host, server.port}), server.host);
  const auto seen =
      co_await with_deadline(parts.clock, kLookLimit, "connecting", std::move(looking));
  for (const auto& known : contexts.contexts) {
    if (known.url != server.url() || known.fingerprint.empty()) continue;
    if (known.fingerprint != seen.info.fingerprint) refuse_change(known, seen);
    co_return known.fingerprint;
  }
  if (seen.distrust.empty()) {
    fmt::print(stderr, "An authority that this machine trusts vouches for {}.\n", server.url());
    co_return "";
  }
  fmt::print(stderr, "{} is new here. Its certificate: {}\n  {}\n", server.url(), seen.info.subject,
             seen.info.fingerprint);
  if (command.yes) co_return seen.info.fingerprint;
  if (!parts.terminal.input || !parts.terminal.errors) {
    throw Error(Reason::untrusted_certificate,
                fmt::format("nobody is there to say whether {} is trusted", server.url()))
        .remedy(
            "add --fingerprint SHA256:… as the server's `ruche host show` prints it, or --yes to "
            "trust it unseen");
  }
  if (!says_yes("Is that the fingerprint that `ruche host show` on the server prints?")) {
    throw Error(Reason::untrusted_certificate, "the certificate is not trusted; nothing was sent");
  }
  co_return seen.info.fingerprint;
}

Async<NewSession> begin_session(const LoginParts& parts, const Endpoint& endpoint,
                                Credentials credentials) {
  client::ApiClient client(parts.clock, parts.random, connector_of(endpoint),
                           client_options_of(endpoint));
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/v1/sessions";
  request.headers.set("Content-Type", "application/json");
  request.body = json::encode(credentials, {.reveal_secrets = true});
  std::optional<Error> failure;
  try {
    const auto response = co_await client.send(std::move(request));
    co_return json::decode<NewSession>(response.body, kLenient);
  } catch (const Error& error) {
    failure = Error(error);  // what went wrong, not that it may be repeated
  }
  throw Error(*failure);
}

void remember(ContextFile& contexts, ServerContext fresh) {
  contexts.current = fresh.name;
  ServerContext* known = contexts.find(fresh.name);
  if (known == nullptr) known = &contexts.contexts.emplace_back();
  *known = std::move(fresh);
}

std::string context_name(const LoginCommand& command, const ServerAddress& server,
                         const ContextFile& contexts) {
  auto name = command.name;
  if (name.empty()) {
    name = server.host;
    for (const auto& known : contexts.contexts) {
      if (known.url == server.url()) name = known.name;  // again
    }
  }
  if (name == kLocalContext || name.empty()) {
    throw Error(Reason::bad_name, fmt::format("a context cannot be called \"{}\"", name))
        .remedy("choose another with --name");
  }
  return name;
}

}  // namespace

Async<void> log_in(LoginParts parts, LoginCommand command) {
  const auto server = parse_server(command.url);
  auto contexts = load_contexts(parts.contexts_file);
  ServerContext fresh;
  fresh.name = context_name(command, server, contexts);
  fresh.url = server.url();
  fresh.fingerprint = co_await settle_trust(parts, command, server, contexts);
  Endpoint endpoint;
  endpoint.server = server;
  endpoint.fingerprint = fresh.fingerprint;
  Credentials credentials;
  credentials.user = ask_user(parts, command.user);
  credentials.password = ask_password(parts, command, credentials.user);
  const auto session = co_await begin_session(parts, endpoint, credentials);
  fresh.user = session.user.empty() ? credentials.user : session.user;
  fresh.token = session.token;
  fresh.expires_at = session.expires_at;
  const auto text = fmt::format("Logged in to {} ({}) as {}{}.\n", fresh.name, fresh.url,
                                fresh.user, session.role.empty() ? "" : ", " + session.role);
  remember(contexts, std::move(fresh));
  save_contexts(parts.contexts_file, contexts);
  fmt::print("{}", text);
}

Async<void> log_out(LoginParts parts, client::ApiClient& client, Endpoint endpoint) {
  auto contexts = load_contexts(parts.contexts_file);
  ServerContext* known = contexts.find(endpoint.context);
  if (known == nullptr || known->token.reveal().empty()) {
    throw Error(Reason::wrong_state, "there is no session to end")
        .remedy("`ruche context list` shows where you are logged in");
  }
  net::HttpRequest request;
  request.method = "DELETE";
  request.target = "/v1/sessions/current";
  std::optional<Error> failure;
  try {
    co_await client.send(std::move(request));
  } catch (const Error& error) {
    failure = error;
  }
  known->token = Secret<std::string>();
  known->expires_at.reset();
  save_contexts(parts.contexts_file, contexts);
  if (failure && failure->code() != ErrorCode::unauthenticated) {
    throw Error(
        failure->reason(),
        fmt::format("the token is forgotten here, but {} could not end the session", known->url))
        .caused_by(*failure)
        .remedy("it ends by itself when it expires");
  }
  fmt::print("Logged out of {}.\n", known->name);
}

namespace {

std::string context_line(const ServerContext& context, bool current, const Look& look) {
  std::string session = "logged out";
  if (!context.token.reveal().empty()) session = "logged in";
  if (context.expires_at && context.expires_at->unix_ms < look.now.unix_ms) session = "expired";
  return fmt::format("{} {}  {}  {}  {}\n", current ? '*' : ' ', padded(context.name, 20),
                     padded(context.url, 32), padded(context.user, 12), session);
}

std::string list_text(const ContextFile& contexts, const std::string& in_use, const Look& look) {
  std::string text = fmt::format("  {}  {}  {}  SESSION\n", padded("NAME", 20), padded("URL", 32),
                                 padded("USER", 12));
  text += fmt::format("{} {}  {}\n", in_use.empty() ? '*' : ' ', padded(kLocalContext, 20),
                      "the socket on this machine");
  for (const auto& context : contexts.contexts) {
    text += context_line(context, context.name == in_use, look);
  }
  return text;
}

const ServerContext& known_context(ContextFile& contexts, const std::string& name) {
  const ServerContext* found = contexts.find(name);
  if (found != nullptr) return *found;
  throw Error(Reason::no_such_object, fmt::format("there is no context \"{}\"", name))
      .remedy("`ruche context list` shows those that exist");
}

std::string show_text(const Endpoint& endpoint, ContextFile& contexts,
                      const ContextPrinting& printing) {
  if (!endpoint.is_remote()) return fmt::format("socket  {}\n", endpoint.socket);
  if (endpoint.context.empty()) return fmt::format("url  {}\n", endpoint.server.url());
  const auto& context = known_context(contexts, endpoint.context);
  if (printing.as_json) return pretty_json(json::encode(context));
  return details_text(type_of<ServerContext>(), &context, printing.look);
}

}  // namespace

std::string manage_contexts(const std::string& contexts_file, const ContextCommand& command,
                            const Endpoint& in_use, const ContextPrinting& printing) {
  auto contexts = load_contexts(contexts_file);
  switch (command.action) {
    case ContextAction::list:
      if (printing.as_json) return pretty_json(json::encode(contexts));
      return list_text(contexts, in_use.context, printing.look);
    case ContextAction::show:
      return show_text(in_use, contexts, printing);
    case ContextAction::use:
      contexts.current =
          command.name == kLocalContext ? "" : known_context(contexts, command.name).name;
      save_contexts(contexts_file, contexts);
      return fmt::format("Commands talk to {} from now on.\n", command.name);
    case ContextAction::remove: {
      (void)known_context(contexts, command.name);
      std::erase_if(contexts.contexts, [&](const auto& c) { return c.name == command.name; });
      if (contexts.current == command.name) contexts.current.clear();
      save_contexts(contexts_file, contexts);
      return fmt::format("{} is forgotten.\n", command.name);
    }
  }
  std::unreachable();
}

}  // namespace ruche::cli
