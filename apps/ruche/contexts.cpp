#include "contexts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ruche::cli {

namespace {

constexpr std::uint16_t kDefaultPort = 9443;

[[noreturn]] void fail(const std::string& what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

void make_private_directory(const std::filesystem::path& directory) {
  std::error_code failed;
  const bool made = std::filesystem::create_directories(directory, failed);
  if (failed) {
    throw Error(Reason::io_failed,
                fmt::format("{} cannot be made: {}", directory.string(), failed.message()));
  }
  if (made) (void)::chmod(directory.c_str(), 0700);
}

// The whole text, on the disk.
void write_new_file(const std::string& path, const std::string& text) {
  ::unlink(path.c_str());  // what an interrupted run left
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) fail("creating " + path);
  std::size_t done = 0;
  while (done < text.size()) {
    const auto count = ::write(file, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    done += static_cast<std::size_t>(count);
  }
  const bool good = done == text.size() && ::fsync(file) == 0;
  const int why = errno;
  ::close(file);
  if (good) return;
  ::unlink(path.c_str());
  errno = why;
  fail("writing " + path);
}

Endpoint endpoint_of(const ServerContext& context) {
  Endpoint endpoint;
  endpoint.context = context.name;
  endpoint.server = parse_server(context.url);
  endpoint.fingerprint = context.fingerprint;
  endpoint.token = context.token;
  return endpoint;
}

Endpoint socket_endpoint(std::string socket) {
  Endpoint endpoint;
  endpoint.socket = std::move(socket);
  return endpoint;
}

Endpoint named_endpoint(const std::string& name, const GlobalOptions& global,
                        const Environment& environment) {
  if (name == kLocalContext) return socket_endpoint(global.socket);
  auto contexts = load_contexts(environment.contexts_file);
  const ServerContext* found = contexts.find(name);
  if (found == nullptr) {
    throw Error(Reason::no_such_object, fmt::format("there is no context \"{}\"", name))
        .remedy("`ruche context list` shows those that exist, `ruche login URL` makes one");
  }
  return endpoint_of(*found);
}

}  // namespace

ServerContext* ContextFile::find(const std::string& name) {
  const auto found = std::find_if(contexts.begin(), contexts.end(),
                                  [&](const auto& context) { return context.name == name; });
  return found == contexts.end() ? nullptr : &*found;
}

ContextFile load_contexts(const std::string& path) {
  std::ifstream in(path);
  if (path.empty() || !in) return {};
  std::stringstream text;
  text << in.rdbuf();
  auto decoded = json::try_decode<ContextFile>(text.str());
  if (decoded) return std::move(*decoded);
  throw Error(Reason::document_unreadable, fmt::format("{} makes no sense", path))
      .caused_by(decoded.error())
      .remedy("repair or remove it, then log in again");
}

void save_contexts(const std::string& path, const ContextFile& contexts) {
  if (path.empty()) {
    throw Error(Reason::io_failed, "there is no place to keep contexts")
        .remedy("set HOME or XDG_CONFIG_HOME");
  }
  const auto directory = std::filesystem::path(path).parent_path();
  make_private_directory(directory);
  const auto temporary = fmt::format("{}.{}", path, ::getpid());
  write_new_file(temporary,
                 json::encode(contexts, {.pretty = true, .reveal_secrets = true}) + "\n");
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(temporary.c_str());
    errno = why;
    fail("replacing " + path);
  }
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent < 0) return;
  ::fsync(parent);
  ::close(parent);
}

std::string contexts_path() {
  const auto value = [](const char* name) -> std::string {
    const char* text = std::getenv(name);
    return text == nullptr ? "" : text;
  };
  const auto config = value("XDG_CONFIG_HOME");
  if (config.starts_with('/')) return config + "/ruche/contexts.json";
  const auto home = value("HOME");
  return home.empty() ? "" : home + "/.config/ruche/contexts.json";
}

std::string ServerAddress::authority() const {
  const bool v6 = host.find(':') != host.npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

ServerAddress parse_server(std::string_view url) {
  const auto refuse = [&](std::string_view why) {
    return Error(Reason::bad_format, fmt::format("\"{}\" {}", url.substr(0, 300), why))
        .remedy("write https://HOST:PORT, as `ruche host show` on the server prints it");
  };
  std::string_view rest = url;
  const auto scheme = rest.find("://");
  if (scheme != rest.npos) {
    if (rest.substr(0, scheme) != "https") throw refuse("does not begin with https://");
    rest.remove_prefix(scheme + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  ServerAddress address{.host = {}, .port = kDefaultPort};
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == rest.npos) throw refuse("is not a URL");
    address.host = rest.substr(1, close - 1);
    port = rest.substr(close + 1);
  } else {
    const auto colon = std::min(rest.find(':'), rest.size());
    address.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  const bool plain = std::all_of(address.host.begin(), address.host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == ':' || c == '_';
  });
  if (address.host.empty() || address.host.size() > 253 || !plain) throw refuse("names no host");
  if (port.empty()) return address;
  const bool marked = port.front() == ':';
  port.remove_prefix(1);
  const char* end = port.data() + port.size();
  const auto read = std::from_chars(port.data(), end, address.port);
  if (!marked || read.ec != std::errc() || read.ptr != end || address.port == 0) {
    throw refuse("has no port that makes sense");
  }
  return address;
}

Endpoint choose_endpoint(const GlobalOptions& global, const Environment& environment) {
  if (global.socket_given) return socket_endpoint(global.socket);
  if (!global.context.empty()) return named_endpoint(global.context, global, environment);
  if (!environment.url.empty()) {
    Endpoint endpoint;
    endpoint.server = parse_server(environment.url);
    if (!environment.fingerprint.empty()) {
      endpoint.fingerprint = net::canonical_fingerprint(environment.fingerprint);
    }
    endpoint.token = Secret<std::string>(environment.token);
    return endpoint;
  }
  if (!environment.context.empty()) {
    return named_endpoint(environment.context, global, environment);
  }
  if (environment.socket) return socket_endpoint(global.socket);
  const auto contexts = load_contexts(environment.contexts_file);
  if (contexts.current.empty()) return socket_endpoint(global.socket);
  return named_endpoint(contexts.current, global, environment);
}

net::Connector connector_of(const Endpoint& endpoint) {
  if (!endpoint.is_remote()) return net::unix_connector(endpoint.socket);
  const auto& server = endpoint.server;
  return net::tls_connector(
      net::tcp_connector({server.host, server.port}),
      {.fingerprint = endpoint.fingerprint, .authorities = {}, .server_name = server.host});
}

client::ApiClientOptions client_options_of(const Endpoint& endpoint) {
  client::ApiClientOptions options;
  if (!endpoint.is_remote()) return options;
  options.authority = endpoint.server.authority();
  options.token = endpoint.token;
  return options;
}

}  // namespace ruche::cli
