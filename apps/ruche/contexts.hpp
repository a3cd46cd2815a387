// The servers that the user logged in to, kept in ~/.config/ruche/contexts.json, and the choice
// among them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "command_line.hpp"
#include "net/tls.hpp"

namespace ruche::cli {

// The name that stands for the socket on this machine.
inline constexpr const char* kLocalContext = "local";

struct ServerContext {
  std::string name;
  std::string url;          // https://host1:9443
  std::string fingerprint;  // of its certificate; empty: an authority vouches for it
  std::string user;
  Secret<std::string> token;  // empty: logged out
  std::optional<Timestamp> expires_at;
};
constexpr auto describe(Type<ServerContext>) {
  return structure<ServerContext>(
      "ServerContext", "A server that was logged in to.",
      field<&ServerContext::name>("name", "Name.", {.required = true}),
      field<&ServerContext::url>("url", "URL.", {.required = true}),
      field<&ServerContext::fingerprint>("fingerprint", "Of the certificate that is trusted."),
      field<&ServerContext::user>("user", "Who the user is there."),
      field<&ServerContext::token>("token", "Of the session."),
      field<&ServerContext::expires_at>("expires_at", "When the session ends."));
}

struct ContextFile {
  std::string current;  // empty: the socket
  std::vector<ServerContext> contexts;

  ServerContext* find(const std::string& name);
};
constexpr auto describe(Type<ContextFile>) {
  return structure<ContextFile>("ContextFile", "The servers that were logged in to.",
                                field<&ContextFile::current>("current", "The one in use."),
                                field<&ContextFile::contexts>("contexts", "All of them."));
}

// An absent file is an empty one. Throws document_unreadable, io_failed.
ContextFile load_contexts(const std::string& path);
// Replaces the file durably, for its owner's eyes only. Throws io_failed.
void save_contexts(const std::string& path, const ContextFile& contexts);
// ${XDG_CONFIG_HOME:-~/.config}/ruche/contexts.json; empty when there is no home.
std::string contexts_path();

// An https:// URL taken apart.
struct ServerAddress {
  std::string host;  // name or numeric address
  std::uint16_t port = 0;
  std::string authority() const;  // "host1:9443", "[::1]:9443"
  std::string url() const { return "https://" + authority(); }
};
// "https://host1:9443", "host1:9443", "host1", "[::1]". Throws bad_format.
ServerAddress parse_server(std::string_view url);

// Where requests go.
struct Endpoint {
  std::string socket;   // not empty: there
  std::string context;  // the name of the context; may be empty
  ServerAddress server;
  std::string fingerprint;
  Secret<std::string> token;

  bool is_remote() const { return socket.empty(); }
  std::string text() const { return is_remote() ? server.url() : socket; }
};

// --socket, --context, RUCHE_URL, RUCHE_CONTEXT, RUCHE_SOCKET, the context in use, the socket of
// the system's daemon: the first that there is. Throws no_such_object for an unknown context.
Endpoint choose_endpoint(const GlobalOptions& global, const Environment& environment);

net::Connector connector_of(const Endpoint& endpoint);
client::ApiClientOptions client_options_of(const Endpoint& endpoint);

}  // namespace ruche::cli
