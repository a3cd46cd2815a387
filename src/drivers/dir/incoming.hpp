// Uploads and downloads on their way: <root>/incoming/<id>. Blocking functions for a datastore's
// lane.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drivers/dir/place.hpp"

namespace ruche::drivers::dir {

Bytes flush_incoming(const Place& place, const Uuid& id);
void append_incoming(const Place& place, const Uuid& id, Bytes offset, std::string_view bytes);
ports::IncomingFiles::Place open_incoming(const Place& place, const Uuid& id);
void remove_incoming(const Place& place, const Uuid& id);
std::vector<Uuid> list_incoming(const Place& place);

std::string incoming_path(const Place& place, const Uuid& id);
// The folder, empty when nothing ever came in.
Fd open_incoming_folder(const Place& place);

}  // namespace ruche::drivers::dir
