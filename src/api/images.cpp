#include "api/list_answer.hpp"
#include "methods/tables.hpp"

namespace ruche::api {

namespace {

using Record = core::ImageRecord;

std::vector<ListField<Record>> fields(const Context& context) {
  const Context* shared = &context;
  return {
      {"id", FieldKind::text, [](const Record& r) { return to_text(r.spec->value.id); }},
      {"name", FieldKind::text, [](const Record& r) { return r.spec->value.name; }},
      {"description", FieldKind::text, [](const Record& r) { return r.spec->value.description; }},
      {"datastore", FieldKind::text,
       [shared](const Record& r) {
         return shared->renderer().datastore_name(r.spec->value.datastore);
       }},
      {"state", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.spec->value.state)); }},
      {"kind", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.spec->value.kind)); }},
      {"size_bytes", FieldKind::size, [](const Record& r) { return r.spec->value.size.count; }},
      {"boot", FieldKind::text,
       [](const Record& r) { return std::string(enum_name(r.spec->value.boot.kind)); }},
      {"created_at", FieldKind::time,
       [](const Record& r) { return r.spec->value.created_at.unix_ms; }},
  };
}

std::vector<std::shared_ptr<const Record>> records(const Context& context) {
  std::vector<std::shared_ptr<const Record>> kept;
  for (const auto& [id, record] : context.parts.inventory.images()) {
    if (record->spec) kept.push_back(record);
  }
  return kept;
}

Async<void> list(Call& call, Context& context, const std::vector<ListField<Record>>& known) {
  const auto page = page_request(call, call.decode<methods::ListRequest>());
  const auto renderer = context.renderer();
  const ListSource<Record> source{
      [&] { return records(context); }, known, "name",
      [&](std::string& out, const Record& record) { encode_view(out, renderer.image(record)); }};
  auto answer = list_answer(context, page, source);
  co_await call.respond(net::json_response(200, std::move(answer)));
}

Async<void> show(Call& call, Context& context) {
  const auto request = call.decode<model::ImageRef>();
  const auto record = context.parts.inventory.find_image(request.image);
  if (!record || !record->spec) refuse_missing("image", request.image, "image list");
  const auto view = context.renderer().image(*record);
  co_await respond_value(call, view, view.etag);
}

// What the host reads by itself, an administrator names; anybody else sends the file.
void check_import(const Call& call, const model::ImportImageRequest& request) {
  if (call.identity().role >= methods::Role::administrator) return;
  if (request.path.empty() && request.url.empty()) return;
  throw Error(Reason::not_permitted,
              "files of the host and URLs are for administrators: the host would read them")
      .at(request.path.empty() ? "/url" : "/path")
      .remedy("send the file: ruche image import NAME FILE --upload");
}

Async<void> import(Call& call, Context& context) {
  const auto request = call.decode<model::ImportImageRequest>();
  check_import(call, request);
  if (!request.upload.empty()) {
    auto& uploads = context.parts.uploads;
    auto upload = uploads.find(uploader(call), request.upload);
    // One that is being imported is refused with its task; a repeated request is answered again.
    if (!upload.task) co_await uploads.require_complete(std::move(upload));
  }
  auto accepted =
      co_await context.parts.images.import(call.caller(context.parts.inventory), request);
  co_await respond_accepted(call, context, std::move(accepted));
}

}  // namespace

void add_image_handlers(Registry& registry, Context& context) {
  core::ImageService& images = context.parts.images;
  registry.add("image.list", [&context, known = fields(context)](Call& call) {
    return list(call, context, known);
  });
  registry.add("image.show", [&context](Call& call) { return show(call, context); });
  registry.add("image.import", [&context](Call& call) { return import(call, context); });
  registry.add("image.build", service_handler(context, images, &core::ImageService::build));
  registry.add("image.delete", service_handler(context, images, &core::ImageService::remove));
}

}  // namespace ruche::api
