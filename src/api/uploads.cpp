#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

core::UploadService::Who uploader(const Call& call) {
  return {call.identity().user, call.identity().role >= methods::Role::administrator};
}

namespace {

// An upload and where it stands, which only its datastore knows.
struct Record {
  model::Upload upload;
  Bytes offset;
};

model::UploadView view_of(const Context& context, const Record& record) {
  const auto& upload = record.upload;
  model::UploadView view;
  view.id = upload.id;
  view.name = upload.name;
  view.user = upload.user;
  view.datastore = context.renderer().datastore_name(upload.datastore);
  view.offset = record.offset;
  view.size = upload.size;
  view.checksum = upload.checksum;
  view.task = upload.task;
  view.created_at = upload.created_at;
  view.expires_at = upload.expires_at;
  return view;
}

std::vector<ListField<Record>> fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.upload.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.upload.name; }},
      {"user", FieldKind::text, [](const Record& r) { return r.upload.user; }},
      {"datastore", FieldKind::text,
       [shared](const Record& r) { return shared->renderer().datastore_name(r.upload.datastore); }},
      {"size_bytes", FieldKind::size, [](const Record& r) { return r.upload.size.count; }},
      {"checksum", FieldKind::text, [](const Record& r) { return r.upload.checksum; }},
      {"created_at", FieldKind::time, [](const Record& r) { return r.upload.created_at.unix_ms; }},
  };
}

// Each caller sees a list of their own, and offsets move without a revision: nothing is kept of it.
Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto request = call.decode<methods::ListRequest>();
  if (!request.cursor.empty()) {
    throw Error(Reason::bad_cursor, "all uploads are in the first page").at("/cursor");
  }
  std::vector<std::shared_ptr<const Record>> records;
  for (auto& upload : context.parts.uploads.all(uploader(call))) {
    Record record{upload, {}};
    try {
      record.offset = co_await context.parts.uploads.offset(std::move(upload));
    } catch (const Error&) {
      // Its datastore is away: nothing of it can be used now.
      record.offset = Bytes{};
    }
    records.push_back(std::make_shared<const Record>(std::move(record)));
  }
  const auto sort = request.sort.empty() ? std::string_view("created_at") : request.sort;
  methods::Page<model::UploadView> page;
  for (const auto& record :
       select<Record>(std::move(records), known, request.filter, std::string(sort))) {
    if (page.items.size() < static_cast<std::size_t>(request.limit)) {
      page.items.push_back(view_of(context, *record));
    }
  }
  co_await respond_value(call, page);
}

Async<void> respond_upload(Call& call, Context& context, model::Upload upload) {
  const auto offset = co_await context.parts.uploads.offset(upload);
  const auto view = view_of(context, {std::move(upload), offset});
  co_await respond_value(call, view);
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::UploadRef>();
  auto upload = context.parts.uploads.find(uploader(call), request.upload);
  co_await respond_upload(call, context, std::move(upload));
}

Async<void> create(Call& call, Context& context) {
  auto request = call.decode<model::CreateUpload>();
  auto upload = co_await context.parts.uploads.create(uploader(call), std::move(request));
  co_await respond_upload(call, context, std::move(upload));
}

Async<void> write(Call& call, Context& context) {
  const auto request = call.decode<model::WriteUpload>();
  auto& uploads = context.parts.uploads;
  auto upload = uploads.find(uploader(call), request.upload);
  net::HttpExchange& exchange = call.exchange();
  const auto next = [&exchange] { return exchange.read_body_piece(); };
  const auto offset = co_await uploads.write(upload, request.offset, next);
  const auto view = view_of(context, {std::move(upload), offset});
  co_await respond_value(call, view);
}

Async<void> remove(Call& call, Context& context) {
  const auto request = call.decode<model::UploadRef>();
  auto& uploads = context.parts.uploads;
  auto upload = uploads.find(uploader(call), request.upload);
  const auto offset = co_await uploads.offset(upload);
  const auto view = view_of(context, {upload, offset});
  co_await uploads.remove(std::move(upload), call.common().dry_run);
  co_await respond_value(call, view);
}

}  // namespace

void add_upload_handlers(Registry& registry, Context& context) {
  registry.add("upload.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("upload.show", [&context](Call& call) { return show(call, context); });
  registry.add("upload.create", [&context](Call& call) { return create(call, context); });
  registry.add("upload.write", [&context](Call& call) { return write(call, context); });
  registry.add("upload.delete", [&context](Call& call) { return remove(call, context); });
}

}  // namespace ruche::api
