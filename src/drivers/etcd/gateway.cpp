#include "drivers/etcd/gateway.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/base64.hpp"

namespace ruche::drivers::etcd {

namespace {

constexpr std::size_t kMaxAnswer = 96 << 20;
constexpr Duration kElectionPause{100};

[[noreturn]] void throw_nonsense(std::string_view what) {
  throw Error(Reason::protocol_violation, fmt::format("etcd's answer has a strange {}", what));
}

json::Value parse(std::string_view text) {
  json::DecodeOptions options;
  options.max_bytes = kMaxAnswer;
  try {
    return json::parse(text, options);
  } catch (const Error& error) {
    throw Error(Reason::protocol_violation, "etcd's answer is not JSON").caused_by(error);
  }
}

// {"error": "...", "message": "...", "code": 5}; something between us and etcd may answer
// otherwise.
Refusal refusal_of(int status, std::string_view body) {
  std::string message;
  auto code = status >= 500 ? Code::unavailable : Code::invalid_argument;
  try {
    const json::Value parsed = parse(body);
    const json::Object& object = as_object(parsed);
    if (const auto* text = object.if_contains("message"); text != nullptr && text->is_string()) {
      message = std::string(text->get_string());
    }
    if (const auto* number = object.if_contains("code"); number != nullptr && number->is_int64()) {
      code = static_cast<Code>(number->get_int64());
    }
  } catch (const Error&) {
    message = std::string(body.substr(0, 200));
  }
  const bool compacted = message.find("compacted") != std::string::npos;
  const std::string text = fmt::format("etcd refused (HTTP {}): {}", status, message);
  switch (code) {
    case Code::not_found:
      return {Error(Reason::no_such_object, text), code, false};
    case Code::out_of_range:
      if (!compacted) return {Error(Reason::bad_request, text), code, false};
      return {Error(Reason::history_compacted, text).remedy("list again from the start"), code,
              true};
    case Code::resource_exhausted:
      return {Error(Reason::store_unavailable, text)
                  .remedy("etcd is out of space: etcdctl compact, defrag, alarm disarm"),
              code, false};
    case Code::unavailable:
    case Code::deadline_exceeded:
      return {Error(Reason::store_unavailable, text), code, false};
    default:
      return {Error(Reason::store_unavailable, text)
                  .remedy("check the user, password and certificate for etcd"),
              code, false};
  }
}

}  // namespace

Endpoint tcp_endpoint(net::TcpAddress address) {
  const bool numeric6 = address.host.find(':') != std::string::npos;
  const std::string host = numeric6 ? "[" + address.host + "]" : address.host;
  auto name = fmt::format("{}:{}", host, address.port);
  return {std::move(name), net::tcp_connector(std::move(address))};
}

// What one member said, or why it said nothing.
struct Gateway::Attempt {
  std::optional<json::Value> answer;
  std::optional<Error> failure;
  bool may_have_happened = false;
  bool answered = false;
};

Gateway::Gateway(EtcdOptions options, Clock& clock, Random& random, Log& log)
    : options_(std::move(options)), clock_(clock), log_(log) {
  for (const auto& endpoint : options_.endpoints) {
    net::HttpClientOptions client;
    client.authority = endpoint.name;
    client.max_body = kMaxAnswer;
    members_.push_back(
        std::make_unique<net::HttpClient>(clock, random, endpoint.connector, client));
  }
}
Gateway::~Gateway() = default;

net::HttpRequest Gateway::request(std::string path, std::string body) const {
  net::HttpRequest request;
  request.method = "POST";
  request.target = std::move(path);
  request.headers.add("Content-Type", "application/json");
  request.body = std::move(body);
  return request;
}

Async<Gateway::Attempt> Gateway::attempt(std::size_t member, std::string path, std::string body) {
  Attempt attempt;
  net::HttpRequest wanted = request(std::move(path), std::move(body));
  std::optional<net::HttpResponse> response;
  try {
    response = co_await members_[member]->request(std::move(wanted), options_.timeout);
  } catch (const net::RequestFailed& failed) {
    attempt.failure = failed;
    attempt.may_have_happened = failed.request_was_sent();
    co_return attempt;
  }
  // Also true of an answer that makes no sense.
  attempt.may_have_happened = true;
  if (response->status == 200) {
    try {
      attempt.answer = parse(response->body);
    } catch (const Error& error) {
      attempt.failure = error;
    }
    co_return attempt;
  }
  Refusal refusal = refusal_of(response->status, response->body);
  if (!refusal.try_elsewhere()) throw Refusal(refusal);
  // "request timed out" and "leader changed": it may be in the log of a new leader.
  attempt.answered = true;
  attempt.failure = refusal;
  co_return attempt;
}

Async<json::Value> Gateway::call(std::string path, MakeBody make_body, bool& may_have_happened) {
  const Instant give_up = clock_.now() + options_.timeout;
  std::optional<Error> last;
  bool electing = true;
  while (electing) {
    electing = false;
    // Once more than there are members: the first may have closed a connection that we kept.
    for (std::size_t i = 0; i <= members_.size(); ++i) {
      const std::size_t member = current_;
      std::string text = boost::json::serialize(make_body(may_have_happened));
      Attempt attempt = co_await this->attempt(member, path, std::move(text));
      if (attempt.answer) co_return std::move(*attempt.answer);
      may_have_happened = may_have_happened || attempt.may_have_happened;
      electing = electing || attempt.answered;
      fail_over(member, *attempt.failure);
      last = attempt.failure;
    }
    // Members that answer but have no leader will have one soon.
    if (electing) co_await sleep_for(clock_, kElectionPause);
    electing = electing && clock_.now() < give_up;
  }
  throw Error(Reason::store_unavailable, "no member of etcd answers")
      .remedy("check that etcd runs and that its members reach each other")
      .caused_by(*last);
}

Async<json::Value> Gateway::call(std::string path, json::Object body) {
  bool ignored = false;
  MakeBody same = [body = std::move(body)](bool) { return body; };
  co_return co_await call(std::move(path), std::move(same), ignored);
}

void Gateway::fail_over(std::size_t from, const Error& why) {
  if (current_ != from) return;  // another request has moved on already
  current_ = (from + 1) % members_.size();
  log_.info("etcd", "going to another member",
            {{"from", options_.endpoints[from].name}, {"cause", why.full_message()}});
}

Async<Gateway::Streaming> Gateway::open(std::string path, json::Object body) {
  const std::string text = boost::json::serialize(body);
  std::optional<Error> last;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    const std::size_t member = current_;
    std::unique_ptr<net::HttpStream> stream;
    try {
      net::HttpRequest wanted = request(path, text);
      stream = co_await members_[member]->open(std::move(wanted), options_.timeout);
    } catch (const net::RequestFailed& failed) {
      last = failed;
    }
    if (stream && stream->status() == 200) co_return Streaming{member, std::move(stream)};
    if (stream) {
      last = Error(Reason::store_unavailable, fmt::format("HTTP status {}", stream->status()));
    }
    fail_over(member, *last);
  }
  throw Error(Reason::store_unavailable, "no member of etcd lets us watch").caused_by(*last);
}

Async<void> Gateway::check(std::size_t member) {
  // A linearizable read of any key needs a quorum.
  const std::string key = to_base64(options_.prefix + "id");
  json::Object body{{"key", key}, {"count_only", true}};
  Attempt attempt = co_await this->attempt(member, "/v3/kv/range", boost::json::serialize(body));
  if (!attempt.failure) co_return;
  fail_over(member, *attempt.failure);
  throw Error(*attempt.failure);
}

std::int64_t integer_at(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  if (!value->is_string()) throw_nonsense(name);
  const auto& text = value->get_string();
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) throw_nonsense(name);
  return number;
}

bool flag_at(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string bytes_at(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) return {};
  if (!value->is_string()) throw_nonsense(name);
  auto bytes = parse_base64(value->get_string());
  if (!bytes) throw_nonsense(name);
  return std::move(*bytes);
}

const json::Object& as_object(const json::Value& value) {
  if (!value.is_object()) throw_nonsense("type");
  return value.get_object();
}

const json::Object& object_at(const json::Object& object, std::string_view name) {
  static const json::Object empty;
  const auto* value = object.if_contains(name);
  return value == nullptr ? empty : as_object(*value);
}

const json::Array& array_at(const json::Object& object, std::string_view name) {
  static const json::Array empty;
  const auto* value = object.if_contains(name);
  if (value == nullptr) return empty;
  if (!value->is_array()) throw_nonsense(name);
  return value->get_array();
}

}  // namespace ruche::drivers::etcd
