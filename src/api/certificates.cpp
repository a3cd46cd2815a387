#include "api/call.hpp"
#include "api/https.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

// A certificate belongs to one host, and only that one has the key.
Https& https_of(const Context& context, const std::string& reference) {
  const auto& parts = context.parts;
  const auto record =
      parts.inventory.find_host(reference == "self" ? to_text(parts.self) : reference);
  if (!record || !record->spec) refuse_missing("host", reference, "host list");
  if (record->spec->value.id != parts.self) {
    throw Error(Reason::not_owner, "a host's certificate is kept by that host alone")
        .at("/host")
        .remedy("ask that host itself");
  }
  if (parts.https == nullptr) {
    throw Error(Reason::wrong_state, "this host does not listen for HTTPS")
        .remedy("start ruched with --listen ADDRESS:PORT");
  }
  return *parts.https;
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  const auto view = https_of(context, request.host).certificate();
  co_await respond_value(call, view);
}

Async<void> set(Call& call, Context& context) {
  auto request = call.decode<methods::SetCertificate>();
  Https& https = https_of(context, request.host);
  co_await https.replace(std::move(request.certificate), std::move(request.key));
  const auto view = https.certificate();
  co_await respond_value(call, view);
}

Async<void> renew(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  Https& https = https_of(context, request.host);
  co_await https.renew();
  const auto view = https.certificate();
  co_await respond_value(call, view);
}

}  // namespace

std::optional<model::HttpsView> https_view(const Https* https) {
  if (https == nullptr) return std::nullopt;
  try {
    return model::HttpsView{https->url(), https->certificate().fingerprint};
  } catch (const Error&) {
    return model::HttpsView{https->url(), ""};
  }
}

void add_certificate_handlers(Registry& registry, Context& context) {
  registry.add("certificate.show", [&context](Call& call) { return show(call, context); });
  registry.add("certificate.set", [&context](Call& call) { return set(call, context); });
  registry.add("certificate.renew", [&context](Call& call) { return renew(call, context); });
}

}  // namespace ruche::api
