// What lies on a datastore, known to the store or not, read as if an enemy had put it there.
#pragma once

#include <string>
#include <vector>

#include "drivers/dir/place.hpp"

namespace ruche::drivers::dir {

std::vector<model::GuestId> found_guests(const Place& place);
// Throws no_such_object, guest_refused.
std::string read_note_of(const Place& place, model::GuestId guest, const std::string& name);
// Throws no_such_object, in_use, guest_refused.
ports::FoundVolume examine_volume(const Place& place, const ports::VolumeRef& volume);

// Whoever else could write it might change it after it was looked at. Throws guest_refused.
void require_ours(const struct stat& info, const std::string& name);

// The layer that the name of a backing file means: exactly what path_from_sibling() gives for it,
// nullopt for everything else.
std::optional<ports::VolumeRef> layer_named(std::string_view backing_file);
// The layer that `file` stands on, if any. Throws guest_refused when it stands on something else.
std::optional<ports::VolumeRef> parent_in(const LayerFacts& facts, const std::string& file);

}  // namespace ruche::drivers::dir
