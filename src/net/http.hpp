// HTTP messages as plain data (RFC 9110, RFC 9112), shared by the server and the client.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "net/stream.hpp"

namespace ruche::net {

// Header fields in their order; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields);

  void add(std::string name, std::string value);
  void set(std::string_view name, std::string value);  // replaces every field of that name
  void remove(std::string_view name);
  std::optional<std::string_view> get(std::string_view name) const;  // the first
  bool has(std::string_view name) const { return get(name).has_value(); }
  std::size_t count(std::string_view name) const;
  // True when a field is a comma-separated list that holds this token ("Connection: upgrade").
  bool has_token(std::string_view name, std::string_view token) const;
  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

using Query = std::vector<std::pair<std::string, std::string>>;  // decoded, in order

// What a request's target names: "/v1/vms?limit=10" → path "/v1/vms", query {limit: 10}.
struct Target {
  std::string path;  // percent-decoded; starts with "/"; no dot segments, NUL or encoded "/"
  Query query;       // percent-decoded, "+" is a space
};
// Origin form only (RFC 9112 section 3.2.1). What could mean two things is refused, not repaired.
std::expected<Target, Error> parse_target(std::string_view target);
// Percent-encodes all but unreserved characters (RFC 3986 section 2.3).
std::string percent_encode(std::string_view text);
// "/v1/vms" and a query → "/v1/vms?limit=10". The path is taken as it is.
std::string make_target(std::string_view path, const Query& query);

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // as on the wire; a client sets only this one
  std::string path;          // server: decoded from the target
  Query query;               // server: decoded from the target
  Headers headers;
  std::string body;  // client only; a server reads it through HttpExchange::read_body
  Peer peer;         // server: who asks

  // The first value of a query parameter.
  std::optional<std::string_view> query_value(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;
};

HttpResponse json_response(int status, std::string body);
std::string_view reason_phrase(int status);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7).
std::string http_date(Timestamp time);

}  // namespace ruche::net
