#include <fmt/format.h>

#include "api/list_answer.hpp"
#include "core/guests/host_devices.hpp"
#include "methods/tables.hpp"
#include "model/host_check.hpp"

namespace ruche::api {

namespace {

using Record = core::HostRecord;

FieldValue of_status(const Record& record, std::string (*get)(const model::HostStatus&)) {
  if (!record.status) return std::monostate();
  return get(record.status->value);
}

std::vector<ListField<Record>> fields() {
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"accelerator", FieldKind::text,
       [](const Record& r) {
         return of_status(r, [](const auto& s) { return std::string(enum_name(s.accelerator)); });
       }},
      {"version", FieldKind::text,
       [](const Record& r) { return of_status(r, [](const auto& s) { return s.version; }); }},
      {"threads", FieldKind::number,
       [](const Record& r) { return r.status ? std::int64_t{r.status->value.threads} : 0; }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.hosts()) {
    if (record->spec) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{
      [&] { return records(context); }, known, "name",
      [&](std::string& out, const Record& record) { encode_view(out, renderer.host(record)); }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

std::shared_ptr<const Record> find(Context& context, const std::string& host) {
  const auto& parts = context.parts;
  const auto reference = host == "self" ? to_text(parts.self) : host;
  auto record = parts.inventory.find_host(reference);
  if (!record || !record->spec) refuse_missing("host", host, "host list");
  return record;
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  const auto record = find(context, request.host);
  std::optional<model::HostFacts> facts;
  if (record->spec->value.id == context.parts.self) {
    facts = co_await context.parts.hosts.inspect();
  }
  auto view = context.renderer().host(*record);
  if (facts) view.reduced = model::reduced_by(*facts);
  view.facts = std::move(facts);
  co_await respond_value(call, view);
}

// Only the host itself can look at itself.
std::shared_ptr<const Record> find_self(Context& context, const std::string& reference,
                                        std::string_view command) {
  auto record = find(context, reference);
  const auto& host = record->spec->value;
  if (host.id == context.parts.self) return record;
  throw Error(Reason::host_unavailable, fmt::format("{} is not the host that answers", host.name))
      .at("/host")
      .remedy(fmt::format("ask it itself: run `ruche {}` on {}", command, host.name));
}

Async<void> devices(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  find_self(context, request.host, "host devices");
  const auto facts = co_await context.parts.hosts.inspect();
  const auto& parts = context.parts;
  const methods::Page<model::HostDeviceView> page{
      core::devices_for_guests(parts.inventory, facts, parts.self), {}};
  co_await respond_value(call, page);
}

Async<void> check(Call& call, Context& context) {
  const auto request = call.decode<model::HostRef>();
  const auto record = find_self(context, request.host, "host check");
  const auto& host = record->spec->value;
  const auto facts = co_await context.parts.hosts.inspect();
  model::HostCheck answer{host.id, host.name};
  answer.findings = model::judge_host(facts);
  answer.level = model::overall(answer.findings);
  answer.reduced = model::reduced_by(facts);
  co_await respond_value(call, answer);
}

}  // namespace

void add_host_handlers(Registry& registry, Context& context) {
  registry.add("host.list",
               [&context, known = fields()](Call& call) { return list(call, context, known); });
  registry.add("host.show", [&context](Call& call) { return show(call, context); });
  registry.add("host.check", [&context](Call& call) { return check(call, context); });
  registry.add("host.devices", [&context](Call& call) { return devices(call, context); });
}

}  // namespace ruche::api
