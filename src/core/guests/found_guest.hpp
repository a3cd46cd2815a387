// Guests that are known from their files alone (`ruche vm register`). Files are foreign: what they
// say is decoded strictly, held to the rules of a request, and believed no further (ADR 15).
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "model/storage.hpp"
#include "ports/volumes.hpp"

namespace ruche::core {

inline constexpr const char* kConfigurationNote = "guest.json";

struct FoundGuest {
  model::Guest guest;  // without what only a store can give: user id, seed, place in the bin
  // Everything it stands on, what is below before what is above: its own layers and those of
  // images. In no datastore yet, and nobody counted on them.
  std::vector<model::Layer> layers;
};

// The guest of an exported configuration; fails with guest_refused and why.
std::expected<model::Guest, Error> read_configuration(std::string_view text, model::GuestId id);

// Reads the configuration and looks at the file of every layer. Throws what FoundGuests throws,
// and guest_refused when the files contradict the configuration.
Async<FoundGuest> find_guest_files(ports::FoundGuests& files, model::GuestId id);

// Looks at a layer's file once more; throws guest_refused when it is not what the document says.
Async<void> verify_layer(ports::FoundGuests& files, model::Layer layer,
                         std::optional<ports::VolumeRef> parent);

}  // namespace ruche::core
