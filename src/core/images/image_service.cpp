#include "core/images/image_service.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/images/image_steps.hpp"
#include "core/storage/layers.hpp"
#include "core/storage/placement_rules.hpp"
#include "core/tasks/accept.hpp"
#include "ports/downloads.hpp"

namespace ruche::core {

using model::Facet;
using model::ObjectKind;

namespace {

model::LayerId add_image_layer(Draft& draft, const model::Image& image,
                               model::LayerContent content) {
  model::Layer layer;
  layer.id = draft.new_id<model::LayerId>();
  layer.owner_kind = ObjectKind::image;
  layer.owner = image.id.value;
  layer.datastore = image.datastore;
  layer.content = content;
  layer.format =
      content == model::LayerContent::disk ? model::DiskFormat::qcow2 : model::DiskFormat::raw;
  return add_layer(draft, std::move(layer)).id;
}

// A datastore that is not on its way out, now or by the time of the commit.
model::DatastoreId choose(Draft& draft, const std::string& reference, model::HostId host) {
  const auto& chosen = choose_datastore(draft.inventory(), reference, host);
  const auto& placement = draft.inventory().datastores().at(chosen.id.value)->placement;
  if (!placement) return chosen.id;
  draft.depend(keys::placement(placement->value.host, placement->value.object));
  for (const auto& claim : placement->value.claims) {
    throw Error(Reason::claimed,
                fmt::format("the datastore {} is busy: task {}", chosen.name, to_text(claim.task)))
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(claim.task)));
  }
  return chosen.id;
}

model::Image new_image(Draft& draft, const std::string& name, model::DatastoreId datastore) {
  model::Image image;
  image.id = draft.new_id<model::ImageId>();
  image.name = name;
  image.datastore = datastore;
  image.created_at = draft.now();
  draft.take_name("image", name, image.id.value);
  image.disk = add_image_layer(draft, image, model::LayerContent::disk);
  return image;
}

// Writes the documents and proposes the task.
Proposal propose(Draft& draft, model::Image image, model::HostId self, std::string method,
                 std::string summary, std::vector<model::Step> plan) {
  draft.create(keys::placement(self, image.id.value),
               model::Placement{.kind = ObjectKind::image, .object = image.id.value, .host = self});
  const model::ObjectRef object{ObjectKind::image, image.id.value, image.name};
  const std::string key = keys::image(image.id);
  draft.create(key, std::move(image));
  return Proposal{std::move(method), std::move(summary), object, {Facet::existence}, self,
                  std::move(plan)};
}

bool is_checksum(std::string_view text) {
  constexpr std::string_view kSha256 = "sha256:";
  if (!text.starts_with(kSha256) || text.size() != kSha256.size() + 64) return false;
  return text.find_first_not_of("0123456789abcdef", kSha256.size()) == std::string_view::npos;
}

// Exactly one place to take it from.
void check_source(const model::ImportImageRequest& request) {
  const int sources = !request.path.empty() + !request.url.empty() + !request.upload.empty();
  if (sources != 1) {
    throw Error(sources == 0 ? Reason::missing_field : Reason::bad_spec,
                "an image comes from a path, a URL or an upload: give exactly one")
        .at("/path")
        .remedy("for example: ruche image import debian https://example.org/debian.qcow2");
  }
  if (!request.url.empty()) ports::check_url(request.url);
  if (!request.checksum.empty()) check_checksum(request.checksum);
}

// The upload is there, whole as far as the document can say, and nobody else uses it.
model::Upload& take_upload(Draft& draft, const std::string& reference) {
  const auto id = parse_uuid(reference);
  const auto& uploads = draft.inventory().uploads();
  const auto found = id ? uploads.find(*id) : uploads.end();
  if (found == uploads.end()) {
    throw Error(Reason::no_such_object, fmt::format("no upload {}", reference))
        .at("/upload")
        .remedy("see them: ruche upload list");
  }
  auto& upload = draft.upload({*id});
  if (upload.task) {
    throw Error(Reason::claimed,
                fmt::format("the upload is being imported: task {}", to_text(*upload.task)))
        .at("/upload")
        .remedy(fmt::format("wait for it: ruche task show {}", to_text(*upload.task)));
  }
  return upload;
}

// A file that was uploaded is imported on the datastore where it is.
std::string datastore_for(const model::Upload& upload, const std::string& wanted,
                          const Inventory& inventory) {
  const auto chosen = wanted.empty() ? nullptr : inventory.find_datastore(wanted);
  if (chosen && chosen->spec->value.id != upload.datastore) {
    throw Error(Reason::bad_spec, "the upload lies on another datastore")
        .at("/datastore")
        .remedy("leave the datastore out, or upload the file to that one");
  }
  return to_text(upload.datastore);
}

}  // namespace

void check_checksum(const std::string& checksum) {
  if (is_checksum(checksum)) return;
  throw Error(Reason::bad_format, "a checksum is sha256: and 64 lower-case hexadecimal digits")
      .at("/checksum")
      .remedy("sha256sum prints the digits");
}

Async<Accepted> ImageService::import(Caller caller, model::ImportImageRequest request) {
  check_source(request);
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    model::Upload* upload = nullptr;
    std::string place = request.datastore;
    if (!request.upload.empty()) {
      upload = &take_upload(draft, request.upload);
      place = datastore_for(*upload, request.datastore, draft.inventory());
    }
    const auto datastore = choose(draft, place, parts_.self);
    auto image = new_image(draft, request.name, datastore);
    image.description = request.description;
    image.source = request.path;
    model::ImportImage step{image.id, request.path, std::nullopt, request.format, request.checksum};
    std::vector<model::Step> plan;
    if (!request.url.empty()) {
      image.source = ports::shown_url(request.url);
      plan.push_back(model::DownloadImage{image.id, request.url});
    }
    if (upload) {
      image.source = upload->name.empty() ? "an upload" : upload->name;
      step.upload = upload->id;
      if (!request.checksum.empty() && request.checksum != upload->checksum) {
        throw Error(Reason::checksum_mismatch, "the upload was announced with another checksum")
            .at("/checksum");
      }
      step.checksum = upload->checksum;
    }
    plan.push_back(step);
    auto proposal = propose(draft, std::move(image), parts_.self, "image.import",
                            "Import image " + request.name, std::move(plan));
    if (upload) {
      proposal.id = draft.new_id<model::TaskId>();
      upload->task = proposal.id;
    }
    return proposal;
  });
}

Async<Accepted> ImageService::build(Caller caller, model::BuildImageRequest request) {
  const auto recipe = std::ranges::find(parts_.recipes, request.recipe, &ports::ImageRecipe::name);
  if (recipe == parts_.recipes.end()) {
    std::vector<std::string> known;
    for (const auto& each : parts_.recipes) known.push_back(each.name);
    throw Error(Reason::unknown_value, fmt::format("no recipe {}", request.recipe))
        .at("/recipe")
        .remedy(fmt::format("known recipes: {}", fmt::join(known, ", ")));
  }
  const bool direct_kernel = recipe->direct_kernel;
  const std::string name = request.name.empty() ? request.recipe : request.name;
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    const auto datastore = choose(draft, request.datastore, parts_.self);
    auto image = new_image(draft, name, datastore);
    if (direct_kernel) {
      image.boot.kind = model::BootKind::direct_kernel;
      image.boot.kernel = add_image_layer(draft, image, model::LayerContent::kernel);
      image.boot.initrd = add_image_layer(draft, image, model::LayerContent::initrd);
    }
    const model::BuildImage step{image.id, request.recipe};
    return propose(draft, std::move(image), parts_.self, "image.build", "Build image " + name,
                   {step});
  });
}

Async<Accepted> ImageService::remove(Caller caller, model::ImageRef request) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    const auto record = draft.inventory().find_image(request.image);
    if (!record) {
      throw Error(Reason::no_such_object, fmt::format("no image {}", request.image))
          .at("/image")
          .remedy("see them: ruche image list");
    }
    const model::Image& image = record->spec->value;
    for (const auto id : layers_of(image)) {
      const auto* layer = draft.find_layer(id);
      draft.depend(keys::layer(id));
      if (layer && layer->references > 0) {
        throw Error(Reason::in_use,
                    fmt::format("{} guests stand on the image {}", layer->references, image.name))
            .remedy("purge them first: ruche vm delete NAME --purge");
      }
    }
    return Proposal{"image.delete",
                    "Delete image " + image.name,
                    {ObjectKind::image, image.id.value, image.name},
                    {Facet::existence},
                    parts_.self,
                    {model::ForgetImage{image.id}}};
  });
}

}  // namespace ruche::core
