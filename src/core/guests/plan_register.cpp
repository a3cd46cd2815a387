// A guest that was found on a datastore becomes one of the store's: its layers get documents, and
// images that it stands on come with it. User id and addresses are new, and so is whatever is
// taken.
#include <fmt/format.h>

#include <algorithm>

#include "core/guests/found_guest.hpp"
#include "core/guests/plan_parts.hpp"
#include "core/guests/plans.hpp"
#include "core/storage/layers.hpp"
#include "model/guest_rules.hpp"

namespace ruche::core::plans {

namespace {

using model::Facet;
using model::ImageId;
using model::ObjectKind;

// Files may claim any id; one is one object's.
void require_free_id(const Draft& draft, Uuid id) {
  if (!draft.find_placement(id)) return;
  throw Error(Reason::guest_refused,
              fmt::format("its files claim the id {}, which is another's", to_text(id)));
}

void require_unknown(const Draft& draft, const model::Guest& guest) {
  const auto known = draft.inventory().guests().find(guest.id.value);
  if (known == draft.inventory().guests().end() || !known->second->spec) {
    if (guest.name.empty()) {  // it was known when its files would have been read
      throw Error(Reason::store_conflict, "the guest was removed meanwhile").remedy("try again");
    }
    return require_free_id(draft, guest.id.value);
  }
  const auto& there = known->second->spec->value;
  throw Error(Reason::name_in_use, fmt::format("{} is registered already", there.name))
      .at("/guest")
      .remedy(there.deleted_at
                  ? fmt::format("take it out of the recycle bin: ruche vm undelete {}", there.name)
                  : fmt::format("see it: ruche vm show {}", there.name));
}

// A layer that the store knows must be what its file says, and stay.
void require_same(Draft& draft, const model::Layer& known, const model::Layer& found) {
  const auto& images = draft.inventory().images();
  if (const auto image = images.find(known.owner); image != images.end()) {
    stand_on(draft, image->second->placement, "an image that it stands on");
  }
  if (known.state != model::LayerState::ready) {
    throw Error(Reason::wrong_state, "something that it stands on is still being made")
        .remedy("wait for its task: ruche task list");
  }
  const bool same = known.owner == found.owner && known.datastore == found.datastore &&
                    known.format == found.format && known.content == found.content &&
                    known.owner_kind == found.owner_kind;
  if (same) return;
  throw Error(Reason::guest_refused,
              fmt::format("its files claim the layer {}, which is another's", to_text(found.id)));
}

// Images of the guest that the store does not know, with as much of them as the files tell.
class FoundImages {
 public:
  FoundImages(Draft& draft, const Site& site, const FoundGuest& found)
      : draft_(draft), site_(site), found_(found) {}

  // The image of a layer: known already, or new in this plan.
  void add(const model::Layer& layer) {
    const ImageId id{layer.owner};
    if (draft_.inventory().images().contains(id.value)) {
      throw Error(Reason::guest_refused,
                  fmt::format("the image {} has no layer {}", to_text(id), to_text(layer.id)))
          .remedy("delete that image if nothing stands on it; then it comes along whole");
    }
    if (layer.parent) {
      throw Error(Reason::guest_refused,
                  fmt::format("the image {} stands on another layer", to_text(id)));
    }
    auto& image = images_[id];
    image.id = id;
    image.datastore = layer.datastore;
    if (layer.content == model::LayerContent::kernel) image.boot.kernel = layer.id;
    if (layer.content == model::LayerContent::initrd) image.boot.initrd = layer.id;
    if (layer.content != model::LayerContent::disk) return;
    if (image.size.count > 0) {
      throw Error(Reason::guest_refused, fmt::format("the image {} has two disks", to_text(id)));
    }
    image.disk = layer.id;
    image.size = layer.size;
    if (layer.format == model::DiskFormat::raw) image.kind = model::ImageKind::iso;
  }

  std::vector<ImageId> create() {
    std::vector<ImageId> ids;
    for (auto& [id, image] : images_) {
      require_free_id(draft_, id.value);
      if (id.value == found_.guest.id.value) {
        throw Error(Reason::guest_refused, "its image has its own id");
      }
      if (image.size.count == 0) {
        throw Error(Reason::guest_refused,
                    fmt::format("the disk of the image {} is not there", to_text(id)));
      }
      complete(image);
      draft_.take_name("image", image.name, id.value);
      draft_.create(
          keys::placement(site_.self, id.value),
          model::Placement{.kind = ObjectKind::image, .object = id.value, .host = site_.self});
      draft_.create(keys::image(id), image);
      ids.push_back(id);
    }
    return ids;
  }

 private:
  void complete(model::Image& image) {
    image.name = "found-" + to_text(image.id);
    image.description = fmt::format("Came with {} when it was registered.", found_.guest.name);
    image.source = "found on the datastore";
    image.state = model::ImageState::preparing;
    image.created_at = draft_.now();
    const auto& boot = found_.guest.spec.boot;
    if (!image.boot.kernel) return;
    image.boot.kind = model::BootKind::direct_kernel;
    image.boot.command_line = boot.command_line;
  }

  Draft& draft_;
  const Site& site_;
  const FoundGuest& found_;
  std::map<ImageId, model::Image> images_;
};

std::vector<ImageId> add_layers(Draft& draft, const Site& site, const FoundGuest& found) {
  FoundImages images(draft, site, found);
  for (auto layer : found.layers) {
    layer.datastore = found.guest.datastore;
    if (const auto* known = draft.find_layer(layer.id)) {
      require_same(draft, *known, layer);
      continue;
    }
    if (layer.owner_kind == ObjectKind::image) images.add(layer);
    add_layer(draft, std::move(layer));
  }
  return images.create();
}

void plug_in_all(Draft& draft, const Site& site, const std::string& wished, model::Guest& guest) {
  for (std::size_t i = 0; i < guest.spec.nics.size(); ++i) {
    auto& nic = guest.spec.nics[i];
    check_forwards(draft, nic.forwards, site.self, fmt::format("/nics/{}/forwards", i));
    if (draft.inventory().name_holder("mac", nic.mac)) {
      nic.mac = take_mac(draft, guest.id);
    } else {
      draft.take_name("mac", nic.mac, guest.id.value);
    }
    const bool had_network = nic.kind == model::NicKind::network;
    nic.kind = model::NicKind::user;
    nic.network.reset();
    nic.address.clear();
    if (had_network || !wished.empty()) plug_in(draft, site, wished, guest.id, nic);
  }
}

}  // namespace

Proposal admit(Draft& draft, const Site& site, const model::RegisterVm& request,
               const FoundGuest& found) {
  model::Guest guest = found.guest;
  require_unknown(draft, guest);
  if (!request.name.empty()) guest.name = request.name;
  guest.pool.reset();  // it belonged to the host that the guest was on
  const auto record = draft.inventory().datastores().at(guest.datastore.value);
  stand_on(draft, record->placement, "the datastore " + record->spec->value.name);
  check_host(draft, site, guest);
  draft.take_name("vm", guest.name, guest.id.value);
  guest.uid = take_uid(draft, guest.id);
  // It may be a copy, or older than what its guest remembers.
  guest.spec.generation_id = to_text(draft.new_id<model::GuestId>());
  auto images = add_layers(draft, site, found);
  const bool knows_image =
      guest.image && (draft.inventory().images().contains(guest.image->value) ||
                      std::ranges::find(images, *guest.image) != images.end());
  if (!knows_image) guest.image.reset();
  const auto& boot = guest.spec.boot;
  if (boot.kernel) count_user(draft, *boot.kernel, 1);
  if (boot.initrd) count_user(draft, *boot.initrd, 1);
  for (const auto& cdrom : guest.spec.cdroms) {
    if (cdrom.layer) count_user(draft, *cdrom.layer, 1);
  }
  plug_in_all(draft, site, request.network, guest);

  const model::GuestId id = guest.id;
  const std::string name = guest.name;
  draft.create(keys::placement(site.self, id.value),
               model::Placement{.kind = ObjectKind::guest, .object = id.value, .host = site.self});
  draft.create(keys::guest_status(id), model::GuestStatus{});
  draft.create(keys::guest_spec(id), std::move(guest));
  return Proposal{"vm.register",
                  fmt::format("Register {} from the datastore {}", name, record->spec->value.name),
                  {ObjectKind::guest, id.value, name},
                  {Facet::existence},
                  site.self,
                  {model::AdmitGuest{id, std::move(images)}}};
}

}  // namespace ruche::core::plans
