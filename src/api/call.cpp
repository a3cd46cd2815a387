#include "api/call.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/sha256.hpp"

namespace ruche::api {

Call::Call(const methods::Method& method, PathParameters parameters, net::HttpExchange& exchange,
           Identity identity, std::string request_id)
    : method_(method),
      parameters_(std::move(parameters)),
      exchange_(exchange),
      identity_(std::move(identity)),
      request_id_(std::move(request_id)),
      query_(exchange.request().query),
      common_(take_common_query(method, query_)) {}

const std::string& Call::parameter(std::string_view name) const {
  for (const auto& [held, value] : parameters_) {
    if (held == name) return value;
  }
  broken_invariant("a handler asks for a path parameter that its record does not have");
}

Async<void> Call::read_body() {
  // Also where none belongs: the decoder then says so.
  const auto length = exchange_.body_length();
  if (length && *length == 0) co_return;
  // Those who have not said who they are get little of our memory.
  constexpr std::size_t kAnonymousBody = 8 << 10;
  body_ = co_await exchange_.read_body(method_.anonymous ? kAnonymousBody : 0);
}

namespace {

// An object of any described type.
class AnyRequest {
 public:
  explicit AnyRequest(const TypeInfo& type)
      : type_(type), storage_(type.bytes / sizeof(std::max_align_t) + 1) {
    type_.construct(storage_.data());
  }
  ~AnyRequest() { type_.destroy(storage_.data()); }
  AnyRequest(const AnyRequest&) = delete;
  AnyRequest& operator=(const AnyRequest&) = delete;
  void* get() { return storage_.data(); }

 private:
  const TypeInfo& type_;
  std::vector<std::max_align_t> storage_;
};

bool holds_secrets(const TypeInfo& type) {
  if (type.secret) return true;
  if (type.shape == Shape::list || type.shape == Shape::optional || type.shape == Shape::map) {
    return holds_secrets(type.element());
  }
  return std::ranges::any_of(type.fields,
                             [](const auto& field) { return holds_secrets(field.type()); });
}

// Text that people write for a guest may hold its secrets, although it is none of ours.
void leave_out_private(const TypeInfo& type, void* object) {
  constexpr std::array<std::string_view, 4> kPrivate = {"user_data", "vendor_data", "environment",
                                                        "input_base64"};
  for (const auto& field : type.fields) {
    if (std::ranges::find(kPrivate, field.name) == kPrivate.end()) continue;
    const TypeInfo& held = field.type();
    void* value = field.get(object);
    if (held.clear != nullptr) held.clear(value);
    if (held.plain_text == nullptr || held.plain_text(value).empty()) continue;
    if (!held.set_text(value, kRedacted)) broken_invariant("a text refuses a text");
  }
}

}  // namespace

std::string Call::redacted_request() const {
  std::string path;
  for (const auto& [name, value] : parameters_) {
    path += fmt::format("{}{}:{}", path.empty() ? "" : ",", json::quote(name), json::quote(value));
  }
  path = '{' + path + '}';
  if (method_.request == nullptr) return path;
  const TypeInfo& type = method_.request();
  // A patch says only what changes, and the record's changes say that anyway.
  if (method_.patch) return holds_secrets(type) ? path : std::string(patch_text(query_, body_));
  AnyRequest object(type);
  decode_request(method_, parameters_, query_, body_, object.get());
  leave_out_private(type, object.get());
  std::string text;
  json::encode_to(text, type, object.get(), {});
  return text;
}

model::AuditOrigin Call::origin() const {
  constexpr std::size_t kLongestRequest = 16 << 10;
  model::AuditOrigin origin;
  origin.via = identity_.via;
  origin.role = identity_.role;
  if (!identity_.credential.is_nil()) origin.credential = to_text(identity_.credential);
  origin.address = source_of(exchange_.request().peer);
  origin.request_id = request_id_;
  if (method_.verb == methods::Verb::get) return origin;
  auto text = redacted_request();
  // Only what is JSON goes on, and not at any length.
  if (text.size() <= kLongestRequest && json::try_decode<RawJson>(text)) {
    origin.request.text = std::move(text);
  }
  return origin;
}

std::string Call::fingerprint() const {
  const auto text = fmt::format("{}\n{}\n{}", method_.id,
                                net::make_target(exchange_.request().path, query_), body_);
  Sha256 sum;
  sum.add(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return sum.hex();
}

core::Caller Call::caller(const core::Inventory& inventory) const {
  const auto& headers = exchange_.request().headers;
  core::Caller caller;
  caller.user = identity_.user;
  caller.dry_run = common_.dry_run;
  caller.origin = origin();
  if (const auto key = headers.get("Idempotency-Key")) {
    if (key->empty() || key->size() > 128) {
      throw Error(Reason::bad_format, "an Idempotency-Key has 1 to 128 characters")
          .remedy("send a fresh UUID per change");
    }
    caller.idempotency_key = *key;
    caller.request_fingerprint = fingerprint();
  }
  if (const auto etag = headers.get("If-Match")) caller.if_match = parse_etag(inventory, *etag);
  return caller;
}

Async<void> Call::respond(net::HttpResponse response) {
  response.headers.set("Request-Id", request_id_);
  if (stale_) response.headers.set("Ruche-Stale", "true");
  return exchange_.respond(std::move(response));
}

net::Headers Call::stream_headers() const {
  net::Headers headers;
  headers.set("Request-Id", request_id_);
  headers.set("Cache-Control", "no-store");
  return headers;
}

void Registry::add(std::string_view method, Handler handler) {
  if (methods::find(method) == nullptr) {
    broken_invariant(fmt::format("a handler for {}, which has no record", method));
  }
  if (!handlers_.emplace(method, std::move(handler)).second) {
    broken_invariant(fmt::format("two handlers for {}", method));
  }
}

const Handler& Registry::at(std::string_view method) const {
  const auto found = handlers_.find(method);
  if (found == handlers_.end()) broken_invariant(fmt::format("no handler for {}", method));
  return found->second;
}

std::vector<std::string> Registry::missing() const {
  std::vector<std::string> ids;
  for (const auto& method : methods::all()) {
    if (!handlers_.contains(method.id)) ids.emplace_back(method.id);
  }
  return ids;
}

void Registry::check() const {
  const auto ids = missing();
  if (!ids.empty()) broken_invariant(fmt::format("no handler for {}", fmt::join(ids, ", ")));
}

void refuse_missing(std::string_view kind, std::string_view reference,
                    std::string_view list_command) {
  throw Error(Reason::no_such_object, fmt::format("there is no {} \"{}\"", kind, reference))
      .at(fmt::format("/{}", kind))
      .remedy(fmt::format("`ruche {}` shows those that exist", list_command));
}

}  // namespace ruche::api
