#include "drivers/dir/incoming.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

namespace ruche::drivers::dir {

namespace {

constexpr const char* kFolder = "incoming";

Fd make_file(int folder, const std::string& name) {
  if (auto there = open_existing(folder, name, O_RDWR)) return there;
  auto made = create_new(folder, name);
  sync(folder, "the directory of incoming files");
  return made;
}

Fd make_folder(const Place& place) {
  const auto root = place.open_marked_root();
  return make_directory(root.get(), kFolder);
}

}  // namespace

std::string incoming_path(const Place& place, const Uuid& id) {
  return fmt::format("{}/{}/{}", place.root(), kFolder, to_text(id));
}

Fd open_incoming_folder(const Place& place) {
  const auto root = place.open_marked_root();
  return open_directory(root.get(), kFolder);
}

Bytes flush_incoming(const Place& place, const Uuid& id) {
  const auto folder = open_incoming_folder(place);
  const auto file = folder ? open_existing(folder.get(), to_text(id), O_RDWR) : Fd();
  if (!file) return {};
  sync(file.get(), "an incoming file");
  return Bytes{status_of_open(file.get()).st_size};
}

void append_incoming(const Place& place, const Uuid& id, Bytes offset, std::string_view bytes) {
  const auto folder = make_folder(place);
  const auto file = make_file(folder.get(), to_text(id));
  const Bytes end{status_of_open(file.get()).st_size};
  if (end != offset) {
    throw Error(Reason::wrong_offset,
                fmt::format("{} bytes are there, the piece begins at {}", end.count, offset.count))
        .at("/offset_bytes")
        .remedy(fmt::format("Go on from {}.", end.count));
  }
  place.require_space(folder.get(), Bytes{static_cast<std::int64_t>(bytes.size())});
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  write_all(file.get(), {data, bytes.size()}, static_cast<std::uint64_t>(offset.count));
}

ports::IncomingFiles::Place open_incoming(const Place& place, const Uuid& id) {
  const auto folder = make_folder(place);
  make_file(folder.get(), to_text(id));
  return {incoming_path(place, id), place.room(folder.get())};
}

void remove_incoming(const Place& place, const Uuid& id) {
  const auto folder = open_incoming_folder(place);
  if (!folder) return;
  bool removed = false;
  for (const auto& name : names_in(folder.get())) {
    if (!name.starts_with(to_text(id))) continue;
    remove_file(folder.get(), name);
    removed = true;
  }
  if (removed) sync(folder.get(), "the directory of incoming files");
}

std::vector<Uuid> list_incoming(const Place& place) {
  std::vector<Uuid> ids;
  const auto folder = open_incoming_folder(place);
  if (!folder) return ids;
  for (const auto& name : names_in(folder.get())) {
    const auto id = parse_uuid(std::string_view(name).substr(0, 36));
    if (id && (ids.empty() || ids.back() != *id)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace ruche::drivers::dir
