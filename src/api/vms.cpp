#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = core::GuestRecord;

std::int64_t count(std::uint64_t number) { return static_cast<std::int64_t>(number); }

FieldValue state_of(const Record& record) {
  const auto state = record.status ? record.status->value.state : model::GuestState::provisioning;
  return std::string(enum_name(state));
}

std::vector<ListField<Record>> spec_fields() {
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"display_name", FieldKind::text, [](const Record& r) { return r.spec->value.display_name; }},
      {"description", FieldKind::text, [](const Record& r) { return r.spec->value.description; }},
      {"tag", FieldKind::tags, [](const Record& r) { return r.spec->value.tags; }},
      {"cpus", FieldKind::number, [](const Record& r) { return count(r.spec->value.spec.cpus); }},
      {"memory_bytes", FieldKind::size,
       [](const Record& r) { return r.spec->value.spec.memory.count; }},
      {"autostart", FieldKind::boolean,
       [](const Record& r) { return count(r.spec->value.spec.autostart); }},
      {"template", FieldKind::boolean,
       [](const Record& r) { return count(r.spec->value.is_template); }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
      {"deleted_at", FieldKind::time,
       [](const Record& r) -> FieldValue {
         if (!r.spec->value.deleted_at) return std::monostate();
         return r.spec->value.deleted_at->unix_ms;
       }},
  };
}

std::vector<ListField<Record>> fields(const Context& context) {
  auto all = spec_fields();
  const Context* shared = &context;
  all.push_back({"image", FieldKind::text, [shared](const Record& r) -> FieldValue {
                   if (!r.spec->value.image) return std::monostate();
                   return shared->renderer().image_name(*r.spec->value.image);
                 }});
  all.push_back({"datastore", FieldKind::text, [shared](const Record& r) {
                   return shared->renderer().datastore_name(r.spec->value.datastore);
                 }});
  all.push_back({"pool", FieldKind::text, [shared](const Record& r) -> FieldValue {
                   if (!r.spec->value.pool) return std::monostate();
                   return shared->renderer().pool_name(*r.spec->value.pool);
                 }});
  all.push_back({"host", FieldKind::text, [shared](const Record& r) {
                   return shared->renderer().host_name(r.placement->value.host);
                 }});
  all.push_back({"state", FieldKind::text, state_of});
  all.push_back({"address", FieldKind::tags, [](const Record& r) -> FieldValue {
                   if (!r.status) return std::monostate();
                   return r.status->value.addresses;
                 }});
  return all;
}

std::vector<std::shared_ptr<const Record>> records(const Context& context, bool deleted) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.guests()) {
    if (!record->complete() || record->spec->value.kind != model::GuestKind::vm) continue;
    if (record->spec->value.deleted_at.has_value() == deleted) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto request = call.decode<methods::ListVms>();
  auto page = page_request(call, request);
  page.key.deleted = request.deleted;
  const auto renderer = context.renderer();
  const ListSource<Record> source{[&] { return records(context, request.deleted); }, known, "name",
                                  [&](std::string& out, const Record& record) {
                                    encode_view(out, renderer.vm(record, Detail::list));
                                  }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::VmRef>();
  const auto record = find_vm(context, request.vm);
  const auto view = context.renderer().vm(*record);
  co_await respond_value(call, view, view.etag);
}

void apply_patch(const std::string& patch, model::VmEdit& edit) {
  auto ok =
      json::merge_patch_into(type_of<model::VmEdit>(), &edit, patch, {.allow_read_only = false});
  if (!ok) throw std::move(ok.error());
}

Async<void> set(Call& call, Context& context) {
  const std::string patch(patch_text(call.query(), call.body()));
  const auto change = [patch](model::VmEdit& edit) { apply_patch(patch, edit); };
  auto caller = call.caller(context.parts.inventory);
  auto accepted =
      co_await context.parts.guests.edit(std::move(caller), call.parameter("vm"), change);
  co_await respond_accepted(call, context, std::move(accepted));
}

// A filter that holds no condition would find everybody, and nobody means that.
std::vector<model::GuestId> find_all(const Context& context,
                                     const std::vector<ListField<Record>>& known,
                                     const std::string& filter, bool deleted) {
  if (parse_filter(filter).empty()) {
    throw Error(Reason::bad_filter, "the filter is empty")
        .at("/filter")
        .remedy("conditions look like state=running,name~web,tag!=test");
  }
  std::vector<model::GuestId> ids;
  for (const auto& record : select<Record>(records(context, deleted), known, filter, "name")) {
    ids.push_back(record->spec->value.id);
  }
  return ids;
}

Async<void> bulk(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto find = [&](const std::string& filter, bool deleted) {
    return find_all(context, known, filter, deleted);
  };
  auto request = call.decode<model::BulkVms>();
  auto caller = call.caller(context.parts.inventory);
  auto accepted = co_await context.parts.guests.bulk(std::move(caller), std::move(request), find);
  co_await respond_accepted(call, context, std::move(accepted));
}

}  // namespace

std::shared_ptr<const core::GuestRecord> find_vm(const Context& context,
                                                 std::string_view reference) {
  auto record = context.parts.inventory.find_guest(reference);
  if (!record || !record->complete() || record->spec->value.kind != model::GuestKind::vm) {
    refuse_missing("vm", reference, "vm list");
  }
  return record;
}

void add_vm_handlers(Registry& registry, Context& context) {
  core::GuestService& guests = context.parts.guests;
  registry.add("vm.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("vm.bulk", [&context, known = fields(context)](Call& call) {
    return bulk(call, context, known);
  });
  registry.add("vm.show", [&context](Call& call) { return show(call, context); });
  registry.add("vm.set", [&context](Call& call) { return set(call, context); });

  const auto add = [&](std::string_view id, auto accept) {
    registry.add(id, service_handler(context, guests, accept));
  };
  add("vm.register", &core::GuestService::admit);
  add("vm.start", &core::GuestService::start);
  add("vm.shutdown", &core::GuestService::shutdown);
  add("vm.stop", &core::GuestService::stop);
  add("vm.reset", &core::GuestService::reset);
  add("vm.pause", &core::GuestService::pause);
  add("vm.resume", &core::GuestService::resume);
  add("vm.suspend", &core::GuestService::suspend);
  add("vm.discard", &core::GuestService::discard);
  add("vm.freeze", &core::GuestService::freeze);
  add("vm.thaw", &core::GuestService::thaw);
  add("vm.delete", &core::GuestService::remove);
  add("vm.undelete", &core::GuestService::undelete);
  add("vm.move", &core::GuestService::move);
}

}  // namespace ruche::api
