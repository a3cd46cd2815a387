#include "core/images/image_service.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/images/image_steps.hpp"
#include "core/storage/layers.hpp"
#include "core/storage/placement_rules.hpp"
#include "core/tasks/accept.hpp"

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
                 std::string summary, model::Step step) {
  draft.create(keys::placement(self, image.id.value),
               model::Placement{.kind = ObjectKind::image, .object = image.id.value, .host = self});
  const model::ObjectRef object{ObjectKind::image, image.id.value, image.name};
  const std::string key = keys::image(image.id);
  draft.create(key, std::move(image));
  return Proposal{std::move(method), std::move(summary), object, {Facet::existence}, self,
                  {std::move(step)}};
}

}  // namespace

Async<Accepted> ImageService::import(Caller caller, model::ImportImageRequest request) {
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    const auto datastore = choose(draft, request.datastore, parts_.self);
    auto image = new_image(draft, request.name, datastore);
    image.description = request.description;
    image.source = request.path;
    const model::ImportImage step{image.id, request.path, request.format};
    return propose(draft, std::move(image), parts_.self, "image.import",
                   "Import image " + request.name, step);
  });
}

Async<Accepted> ImageService::build(Caller caller, model::BuildImageRequest request) {
  if (std::ranges::find(parts_.recipes, request.recipe) == parts_.recipes.end()) {
    throw Error(Reason::unknown_value, fmt::format("no recipe {}", request.recipe))
        .at("/recipe")
        .remedy(fmt::format("known recipes: {}", fmt::join(parts_.recipes, ", ")));
  }
  const std::string name = request.name.empty() ? request.recipe : request.name;
  co_return co_await accept(parts_.writer, std::move(caller), [&](Draft& draft) {
    const auto datastore = choose(draft, request.datastore, parts_.self);
    auto image = new_image(draft, name, datastore);
    image.boot.kind = model::BootKind::direct_kernel;
    image.boot.kernel = add_image_layer(draft, image, model::LayerContent::kernel);
    image.boot.initrd = add_image_layer(draft, image, model::LayerContent::initrd);
    const model::BuildImage step{image.id, request.recipe};
    return propose(draft, std::move(image), parts_.self, "image.build", "Build image " + name,
                   step);
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
