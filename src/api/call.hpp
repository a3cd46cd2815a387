// One request on its way through the API, and what handlers have at hand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/authenticator.hpp"
#include "api/decode.hpp"
#include "api/listing.hpp"
#include "api/parts.hpp"
#include "api/render.hpp"
#include "api/router.hpp"
#include "base/json.hpp"
#include "net/http_server.hpp"

namespace ruche::api {

class EventHub;

// What all handlers share; lives as long as the server.
struct Context {
  Parts& parts;
  Snapshots& snapshots;
  EventHub& events;
  const std::string& openapi;

  Renderer renderer() const {
    return Renderer({parts.inventory, parts.progress, parts.self, parts.https});
  }
};

class Call {
 public:
  Call(const methods::Method& method, PathParameters parameters, net::HttpExchange& exchange,
       Identity identity, std::string request_id);

  const methods::Method& method() const { return method_; }
  net::HttpExchange& exchange() { return exchange_; }
  const Identity& identity() const { return identity_; }
  const CommonQuery& common() const { return common_; }
  const std::string& body() const { return body_; }
  const net::Query& query() const { return query_; }
  // Of a method whose path has it.
  const std::string& parameter(std::string_view name) const;
  Async<void> read_body();
  // Where the request came from and what it asks, for the audit.
  model::AuditOrigin origin() const;

  // The request object; throws what is wrong with it. R must be the type of the method's record.
  template <class R>
  R decode() const {
    if (method_.request == nullptr || &method_.request() != &type_of<R>()) {
      broken_invariant("a handler decodes another type than its method's");
    }
    R object{};
    decode_request(method_, parameters_, query_, body_, &object);
    return object;
  }
  core::Caller caller(const core::Inventory& inventory) const;

  // The state store is away: what is answered may be old, and says so.
  void mark_stale() { stale_ = true; }
  // Answers; the Request-Id is added here.
  Async<void> respond(net::HttpResponse response);
  net::Headers stream_headers() const;

 private:
  std::string fingerprint() const;
  std::string redacted_request() const;

  const methods::Method& method_;
  PathParameters parameters_;
  net::HttpExchange& exchange_;
  Identity identity_;
  std::string request_id_;
  net::Query query_;
  CommonQuery common_;
  std::string body_;
  bool stale_ = false;
};

// The call outlives the coroutine.
using Handler = std::function<Async<void>(Call& call)>;

// Method id → handler. Every record has exactly one, which check() makes sure of at start.
class Registry {
 public:
  void add(std::string_view method, Handler handler);
  const Handler& at(std::string_view method) const;
  std::vector<std::string> missing() const;  // records without a handler
  void check() const;                        // aborts when any is missing

 private:
  std::map<std::string, Handler, std::less<>> handlers_;
};

void add_vm_handlers(Registry& registry, Context& context);
void add_vm_device_handlers(Registry& registry, Context& context);
void add_snapshot_handlers(Registry& registry, Context& context);
void add_image_handlers(Registry& registry, Context& context);
void add_upload_handlers(Registry& registry, Context& context);
void add_datastore_handlers(Registry& registry, Context& context);
void add_network_handlers(Registry& registry, Context& context);
void add_pool_handlers(Registry& registry, Context& context);
void add_task_handlers(Registry& registry, Context& context);
void add_host_handlers(Registry& registry, Context& context);
void add_certificate_handlers(Registry& registry, Context& context);
void add_setting_handlers(Registry& registry, Context& context);
void add_event_handlers(Registry& registry, Context& context);
void add_guest_agent_handlers(Registry& registry, Context& context);
void add_console_handlers(Registry& registry, Context& context);
void add_identity_handlers(Registry& registry, Context& context);
void add_audit_handlers(Registry& registry, Context& context);
void add_screen_handlers(Registry& registry, Context& context);
void add_meta_handlers(Registry& registry, Context& context);

// Who may touch which uploads.
core::UploadService::Who uploader(const Call& call);

// --- kinds of handler -----------------------------------------------------------------------

// Answers 200 with a described object.
template <class T>
Async<void> respond_value(Call& call, const T& value, std::string etag = {}) {
  net::HttpResponse response = net::json_response(200, json::encode(value));
  if (!etag.empty()) response.headers.set("ETag", '"' + etag + '"');
  return call.respond(std::move(response));
}

// The method's answer from an accepted request: a plan, or the task, after ?wait= if it was asked.
Async<void> respond_accepted(Call& call, Context& context, core::Accepted accepted);

// Waits until the task has ended or the time is over; the task as it is then, null when it is gone.
Async<std::shared_ptr<const TaskRecord>> wait_for_task(Context& context, model::TaskId task,
                                                       Duration limit);

template <class Request>
using Accept = std::function<Async<core::Accepted>(core::Caller caller, Request request)>;

template <class Request>
Async<void> run_task_method(Call& call, Context& context, Accept<Request> accept) {
  Request request = call.decode<Request>();
  core::Caller caller = call.caller(context.parts.inventory);
  core::Accepted accepted = co_await accept(std::move(caller), std::move(request));
  co_await respond_accepted(call, context, std::move(accepted));
}
template <class Request>
Handler task_handler(Context& context, Accept<Request> accept) {
  return [&context, accept = std::move(accept)](Call& call) {
    return run_task_method<Request>(call, context, accept);
  };
}

// From a member of a service, which outlives the handler.
template <class Service, class Request>
Handler service_handler(Context& context, Service& service,
                        Async<core::Accepted> (Service::*accept)(core::Caller, Request)) {
  return task_handler<Request>(context, [&service, accept](core::Caller caller, Request request) {
    return (service.*accept)(std::move(caller), std::move(request));
  });
}

// Throws no_such_object.
std::shared_ptr<const core::GuestRecord> find_vm(const Context& context,
                                                 std::string_view reference);
[[noreturn]] void refuse_missing(std::string_view kind, std::string_view reference,
                                 std::string_view list_command);

}  // namespace ruche::api
