// The audit log, and what it tells of one virtual machine.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/list_answer.hpp"
#include "methods/tables.hpp"
#include "model/identity_views.hpp"

namespace ruche::api {

namespace {

constexpr std::size_t kMostSearched = 20'000;  // records that one request looks at

model::AuditView view_of(const ports::AuditEntry& entry) {
  model::AuditView view{entry.sequence, entry.hash, {}};
  auto record = json::try_decode<model::AuditRecord>(
      entry.item.json, {.unknown_fields = json::UnknownFields::ignore});
  if (record) {
    view.record = std::move(*record);
  } else {
    view.record.id = entry.item.id;
    view.record.at = entry.item.time;
    view.record.reason = "this record cannot be read";
  }
  return view;
}

const std::vector<ListField<model::AuditView>>& audit_fields() {
  using View = model::AuditView;
  static const std::vector<ListField<View>> fields = {
      {"user", FieldKind::text, [](const View& v) { return v.record.user; }},
      {"method", FieldKind::text, [](const View& v) { return v.record.method; }},
      {"outcome", FieldKind::text,
       [](const View& v) { return std::string(enum_name(v.record.outcome)); }},
      {"via", FieldKind::text,
       [](const View& v) { return std::string(enum_name(v.record.origin.via)); }},
      {"address", FieldKind::text, [](const View& v) { return v.record.origin.address; }},
      {"object", FieldKind::tags,
       [](const View& v) -> FieldValue {
         if (!v.record.object) return std::monostate();
         return std::vector{v.record.object->name, to_text(v.record.object->id)};
       }},
      {"task", FieldKind::text,
       [](const View& v) -> FieldValue {
         if (!v.record.task) return std::monostate();
         return to_text(*v.record.task);
       }},
      {"at", FieldKind::time, [](const View& v) { return v.record.at.unix_ms; }},
  };
  return fields;
}

using Matches = std::function<bool(const model::AuditView&)>;

Matches filter_of(std::string_view text) {
  std::vector<std::pair<const ListField<model::AuditView>*, Test>> tests;
  for (const auto& condition : parse_filter(text)) {
    const auto& field = field_named(audit_fields(), "/filter", condition.field);
    tests.emplace_back(&field, Test(condition, field.kind));
  }
  return [tests = std::move(tests)](const model::AuditView& view) {
    return std::ranges::all_of(
        tests, [&](const auto& test) { return test.second(test.first->get(view)); });
  };
}

// Where a page begins, and the filter that the first one had.
struct Place {
  std::int64_t before = 0;  // 0: from the newest
  std::string filter;
};

std::string cursor_of(const Place& place) {
  return base64url(fmt::format("{}\n{}", place.before, place.filter));
}

Place place_of(const std::string& cursor, const std::string& filter) {
  if (cursor.empty()) return {0, filter};
  const auto text = parse_base64url(cursor);
  const auto line = text ? text->find('\n') : std::string::npos;
  Place place;
  bool good = line != std::string::npos;
  if (good) {
    place.filter = text->substr(line + 1);
    const char* end = text->data() + line;
    good = std::from_chars(text->data(), end, place.before).ptr == end && place.before > 0;
  }
  if (good && (filter.empty() || filter == place.filter)) return place;
  throw Error(Reason::bad_cursor, "that is no cursor of this list")
      .at("/cursor")
      .remedy("list from the beginning");
}

struct Found {
  std::vector<model::AuditView> views;
  std::string next;  // empty: this was the end
};

Async<Found> search(Context& context, std::string object, Place place, std::size_t limit) {
  const Matches matches = filter_of(place.filter);
  Found found;
  ports::AuditQuery query{.object_id = std::move(object), .before = place.before};
  std::size_t searched = 0;
  while (found.views.size() < limit && searched < kMostSearched) {
    const auto entries = co_await context.parts.audit.query(query);
    for (const auto& entry : entries) {
      if (found.views.size() >= limit) break;
      query.before = entry.sequence;
      auto view = view_of(entry);
      if (matches(view)) found.views.push_back(std::move(view));
    }
    searched += entries.size();
    if (entries.size() < query.limit && found.views.size() < limit) co_return found;
  }
  found.next = cursor_of({query.before, std::move(place.filter)});
  co_return found;
}

template <class View>
std::string page_of(const std::vector<View>& views, std::string_view next) {
  std::string out = R"({"items":[)";
  for (const auto& view : views) {
    if (out.back() != '[') out += ',';
    encode_view(out, view);
  }
  return out + R"(],"next":)" + json::quote(next) + '}';
}

Async<void> list(Call& call, Context& context) {
  const auto request = call.decode<methods::ListAudit>();
  auto place = place_of(request.cursor, request.filter);
  auto found =
      co_await search(context, {}, std::move(place), static_cast<std::size_t>(request.limit));
  co_await call.respond(net::json_response(200, page_of(found.views, found.next)));
}

Async<void> verify(Call& call, Context& context) {
  const auto verdict = co_await context.parts.audit.verify();
  const model::AuditReport report{
      verdict.problem.empty(), verdict.problem,
      verdict.records,         verdict.records == 0 ? 0 : verdict.begin.sequence + 1,
      verdict.end.sequence,    verdict.end.hash};
  co_await respond_value(call, report);
}

// "/spec/memory_bytes" 268435456 → "memory 256 MiB".
std::string readable(const model::AuditChange& change) {
  std::string name = change.path.substr(change.path.starts_with("/spec/") ? 6 : 1);
  std::ranges::replace(name, '/', '.');
  const auto value = [&](const std::string& text) -> std::string {
    if (text.empty()) return "nothing";
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const bool is_number = std::from_chars(text.data(), end, number).ptr == end;
    if (is_number && change.path.ends_with("_bytes")) return to_text(Bytes{number});
    if (is_number && change.path.ends_with("_ms")) return to_text(Duration{number});
    return text;
  };
  const auto before = value(change.before), after = value(change.after);
  for (const std::string_view unit : {"_bytes", "_ms"}) {
    if (name.ends_with(unit)) name.resize(name.size() - unit.size());
  }
  return fmt::format("{}: {} → {}", name, before, after);
}

model::VmHistoryItem history_item(model::AuditRecord record) {
  model::VmHistoryItem item;
  item.at = record.at;
  item.user = std::move(record.user);
  item.method = std::move(record.method);
  item.outcome = record.outcome;
  item.text = std::move(record.reason);
  for (const auto& change : record.changes) {
    item.text += (item.text.empty() ? "" : "; ") + readable(change);
  }
  item.changes = std::move(record.changes);
  item.task = record.task;
  return item;
}

// Also of a guest that is gone, by its id.
std::string guest_id(const Context& context, const std::string& reference) {
  const auto record = context.parts.inventory.find_guest(reference, true);
  if (record) return to_text(record->spec->value.id);
  const auto id = parse_uuid(reference);
  if (!id) refuse_missing("vm", reference, "vm list");
  return to_text(*id);
}

Async<void> vm_history(Call& call, Context& context) {
  const auto request = call.decode<methods::VmHistory>();
  auto id = guest_id(context, request.vm);
  auto place = place_of(request.cursor, {});
  auto found = co_await search(context, std::move(id), std::move(place),
                               static_cast<std::size_t>(request.limit));
  std::vector<model::VmHistoryItem> items;
  for (auto& view : found.views) items.push_back(history_item(std::move(view.record)));
  co_await call.respond(net::json_response(200, page_of(items, found.next)));
}

}  // namespace

void add_audit_handlers(Registry& registry, Context& context) {
  registry.add("audit.list", [&context](Call& call) { return list(call, context); });
  registry.add("audit.verify", [&context](Call& call) { return verify(call, context); });
  registry.add("vm.history", [&context](Call& call) { return vm_history(call, context); });
}

}  // namespace ruche::api
