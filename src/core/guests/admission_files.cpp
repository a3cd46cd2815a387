#include "core/guests/admission_files.hpp"

#include <algorithm>

#include "core/guests/found_guest.hpp"
#include "core/guests/guest_documents.hpp"
#include "core/images/image_steps.hpp"
#include "core/storage/layers.hpp"

namespace ruche::core {

namespace {

// The layers that come into the store with a guest.
std::vector<model::Layer> brought_by(const Inventory& inventory, const model::AdmitGuest& step) {
  std::vector<model::Layer> brought;
  for (const auto& [id, layer] : inventory.layers()) {
    const auto& owner = layer->value.owner;
    const bool own = layer->value.owner_kind == model::ObjectKind::guest;
    const bool of_image =
        std::ranges::any_of(step.images, [&](const auto& image) { return image.value == owner; });
    if (own ? owner == step.guest.value : of_image) brought.push_back(layer->value);
  }
  return brought;
}

}  // namespace

Async<void> verify_admission(const Inventory& inventory, DatastorePool& pool,
                             model::AdmitGuest step) {
  const auto brought = brought_by(inventory, step);
  for (const auto& layer : brought) {
    std::optional<ports::VolumeRef> parent;
    if (layer.parent) {
      const auto below = inventory.layer(*layer.parent);
      if (below) parent = volume_ref(below->value);
    }
    const auto driver = pool.driver(layer.datastore);
    co_await verify_layer(driver->found(), layer, parent);
  }
}

void settle_admission(Draft& draft, const model::AdmitGuest& step, bool done) {
  const auto brought = brought_by(draft.inventory(), step);
  if (!done) {
    forget_guest(draft, step.guest);
    for (const auto& layer : brought) remove_layer(draft, layer.id);
    for (const auto& image : step.images) forget_image(draft, image);
    return;
  }
  draft.guest_status(step.guest).state = model::GuestState::stopped;
  for (const auto& layer : brought) draft.layer(layer.id).state = model::LayerState::ready;
  for (const auto& image : step.images) draft.image(image).state = model::ImageState::ready;
}

}  // namespace ruche::core
