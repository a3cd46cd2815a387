#include "core/storage/storage_steps.hpp"

#include <fmt/format.h>

#include "core/storage/layers.hpp"

namespace ruche::core {

using model::AttachDatastore;
using model::CopyVolume;
using model::CreateTpmState;
using model::CreateUefiVariables;
using model::CreateVolume;
using model::DeleteVolume;
using model::DetachDatastore;

namespace {

void forget_datastore(Draft& draft, model::DatastoreId id) {
  const auto found = draft.inventory().datastores().find(id.value);
  if (found == draft.inventory().datastores().end()) return;
  if (found->second->spec) draft.free_name("datastore", found->second->spec->value.name);
  draft.erase(keys::datastore_spec(id));
  draft.erase(keys::datastore_status(id));
  if (const auto* placement = draft.find_placement(id.value)) {
    draft.erase(keys::placement(placement->host, id.value));
  }
}

template <class... Kinds>
bool is_any(const model::Step& step) {
  return (std::holds_alternative<Kinds>(step) || ...);
}

// The layer that a step makes.
std::optional<model::LayerId> made_by(const model::Step& step) {
  if (const auto* volume = std::get_if<CreateVolume>(&step)) return volume->layer;
  if (const auto* copy = std::get_if<CopyVolume>(&step)) return copy->layer;
  if (const auto* variables = std::get_if<CreateUefiVariables>(&step)) return variables->layer;
  if (const auto* state = std::get_if<CreateTpmState>(&step)) return state->layer;
  return std::nullopt;
}
}  // namespace

bool StorageSteps::handles(const model::Step& step) const {
  return is_any<CreateVolume, CopyVolume, CreateUefiVariables, CreateTpmState, DeleteVolume,
                AttachDatastore, DetachDatastore>(step);
}
bool StorageSteps::is_pivot(const model::Step& step) const { return is_any<DeleteVolume>(step); }
bool StorageSteps::can_be_cancelled(const model::Step& step) const {
  return is_any<model::CopyVolume>(step);
}
bool StorageSteps::found_by_name(const model::Step&) const { return true; }

const model::Layer* StorageSteps::find(model::LayerId id) const {
  const auto found = inventory_.layers().find(id.value);
  return found == inventory_.layers().end() ? nullptr : &found->second->value;
}

Async<Observation> StorageSteps::observe(const model::Step& step, const StepContext&) {
  const auto made = made_by(step);
  const bool creates = made.has_value();
  if (!creates && !is_any<DeleteVolume>(step)) {
    co_return Observation::absent;  // looking at a datastore is done by doing it
  }
  const auto id = creates ? *made : std::get<DeleteVolume>(step).layer;
  const auto* layer = find(id);
  if (!layer) co_return creates ? Observation::absent : Observation::done;
  const auto driver = pool_.driver(layer->datastore);
  const auto state = co_await driver->find(volume_ref(*layer));
  if (state == ports::VolumeState::partial) co_return Observation::partial;
  const bool there = state == ports::VolumeState::ready;
  co_return there == creates ? Observation::done : Observation::absent;
}

namespace {

// What stands on the same layer is the same file; else what the chain shows is written anew.
Async<void> copy_volume(ports::VolumeDriver& driver, model::Layer layer, model::Layer source,
                        std::optional<model::Layer> parent, const StepContext& context) {
  const auto report = [&context](Bytes done, Bytes total) {
    context.progress(done, total, "copying a volume");
  };
  const auto to = volume_ref(layer);
  const auto from = volume_ref(source);
  if (layer.parent == source.parent && layer.format == source.format) {
    co_return co_await driver.copy(to, from, report);
  }
  std::optional<ports::VolumeRef> below;
  if (parent) below = volume_ref(*parent);
  co_await driver.clone(to, from, below, report);
}

}  // namespace

Async<void> StorageSteps::apply(const model::Step& step, const StepContext& context) {
  if (const auto* copy = std::get_if<CopyVolume>(&step)) {
    const auto* layer = find(copy->layer);
    const auto* source = find(copy->source);
    const auto* parent = copy->parent ? find(*copy->parent) : nullptr;
    const bool complete = layer && source && (parent != nullptr) == copy->parent.has_value();
    if (!complete || source->state != model::LayerState::ready) {
      throw Error(Reason::no_such_object, "what is copied is gone or not complete");
    }
    const auto driver = pool_.driver(layer->datastore);
    co_await copy_volume(*driver, *layer, *source, parent ? std::optional(*parent) : std::nullopt,
                         context);
  } else if (const auto* create = std::get_if<CreateVolume>(&step)) {
    const auto* layer = find(create->layer);
    if (!layer) throw Error(Reason::no_such_object, "the layer's document is gone");
    ports::CreateVolume request{volume_ref(*layer), create->size, std::nullopt};
    if (create->parent) {
      const auto* parent = find(*create->parent);
      if (!parent || parent->state != model::LayerState::ready) {
        throw Error(Reason::no_such_object, "the layer below is gone or not complete");
      }
      request.parent = volume_ref(*parent);
    }
    const auto driver = pool_.driver(layer->datastore);
    co_await driver->create(std::move(request));
  } else if (const auto* variables = std::get_if<CreateUefiVariables>(&step)) {
    const auto* layer = find(variables->layer);
    if (!layer) throw Error(Reason::no_such_object, "the layer's document is gone");
    ports::ImportSource source;
    source.path = variables->path;
    const auto ref = volume_ref(*layer);
    const auto driver = pool_.driver(layer->datastore);
    co_await driver->import(ref, std::move(source), {});
  } else if (const auto* state = std::get_if<CreateTpmState>(&step)) {
    const auto* layer = find(state->layer);
    if (!layer) throw Error(Reason::no_such_object, "the layer's document is gone");
    ports::CreateVolume request{volume_ref(*layer), layer->size, std::nullopt};
    const auto driver = pool_.driver(layer->datastore);
    co_await driver->create(std::move(request));
  } else if (const auto* remove = std::get_if<DeleteVolume>(&step)) {
    const auto* layer = find(remove->layer);
    if (!layer) co_return;
    const auto driver = pool_.driver(layer->datastore);
    co_await driver->remove(volume_ref(*layer));
  } else if (const auto* attach = std::get_if<AttachDatastore>(&step)) {
    const auto driver = pool_.driver(attach->datastore);
    co_await driver->prepare(attach->adopt);
    const auto status = co_await driver->probe();
    if (status.state == model::DatastoreState::unavailable) {
      throw Error(Reason::datastore_unavailable, status.last_error);
    }
  } else if (const auto* detach = std::get_if<DetachDatastore>(&step)) {
    // Whatever was accepted on it before the claim is in the inventory by now; nothing is any more.
    for (const auto& [id, layer] : inventory_.layers()) {
      if (layer->value.datastore != detach->datastore) continue;
      throw Error(Reason::in_use, "something was put on the datastore meanwhile");
    }
  }
}

Async<void> StorageSteps::revert(const model::Step& step, const StepContext&) {
  if (const auto made = made_by(step)) {
    const auto* found = find(*made);
    if (!found) co_return;
    const model::Layer layer = *found;  // the inventory goes on meanwhile
    const auto driver = pool_.driver(layer.datastore);
    co_await driver->remove(volume_ref(layer));
    co_await driver->remove_owner(layer.owner_kind, layer.owner);
  }
}

void StorageSteps::settle(const model::Step& step, Outcome outcome, const Error*, Draft& draft) {
  const bool done = outcome == Outcome::done;
  if (const auto made = made_by(step)) {
    if (!done) return remove_layer(draft, *made);
    if (draft.find_layer(*made)) {
      draft.layer(*made).state = model::LayerState::ready;
    }
  } else if (const auto* remove = std::get_if<DeleteVolume>(&step)) {
    if (done) remove_layer(draft, remove->layer);
  } else if (const auto* attach = std::get_if<AttachDatastore>(&step)) {
    if (!done) forget_datastore(draft, attach->datastore);
  } else if (const auto* detach = std::get_if<DetachDatastore>(&step)) {
    if (!done) return;
    forget_datastore(draft, detach->datastore);
    pool_.forget(detach->datastore);
  }
}

}  // namespace ruche::core
