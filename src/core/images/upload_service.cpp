#include "core/images/upload_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/images/image_service.hpp"
#include "core/storage/placement_rules.hpp"

namespace ruche::core {

namespace {

constexpr std::size_t kMostOfUser = 16;
constexpr std::size_t kMostOfAll = 64;
// Written at once; what a broken connection may cost.
constexpr std::size_t kPiece = std::size_t{256} << 10;

Timestamp expiry(Timestamp now, const model::Settings& settings) {
  return Timestamp{now.unix_ms + settings.upload_expiry.count()};
}

Bytes size_of(const std::string& bytes) { return Bytes{static_cast<std::int64_t>(bytes.size())}; }

}  // namespace

// Everything that is announced on a datastore must fit there together.
void UploadService::require_room(Draft& draft, const Who& who, const model::Upload& upload) const {
  const auto& inventory = draft.inventory();
  std::size_t of_user = 0;
  Bytes announced = upload.size;
  for (const auto& [id, other] : inventory.uploads()) {
    if (other->value.user == who.user) ++of_user;
    if (other->value.datastore == upload.datastore) announced += other->value.size;
  }
  if (of_user >= kMostOfUser || inventory.uploads().size() >= kMostOfAll) {
    throw Error(Reason::too_many_uploads,
                fmt::format("{} uploads of {} are open, {} in all", of_user, who.user,
                            inventory.uploads().size()))
        .remedy("finish or delete some: ruche upload list, ruche upload delete ID");
  }
  const auto& limit = inventory.settings().image_size_limit;
  if (upload.size > limit) {
    throw Error(Reason::out_of_range, fmt::format("an image file has at most {}", to_text(limit)))
        .at("/size_bytes")
        .remedy("raise image_size_limit_bytes: ruche setting set");
  }
  const auto& status = inventory.datastores().at(upload.datastore.value)->status;
  if (status && status->value.state == model::DatastoreState::available &&
      announced > status->value.available) {
    throw Error(Reason::not_enough_space,
                fmt::format("the datastore has {} free; this and the other uploads need {}",
                            to_text(status->value.available), to_text(announced)))
        .at("/size_bytes")
        .remedy("free space on the datastore, or use another one");
  }
}

Async<model::Upload> UploadService::create(Who who, model::CreateUpload request) {
  check_checksum(request.checksum);
  co_await parts_.writer.inventory().ready();
  model::Upload made;
  co_await parts_.writer.transact([&](Draft& draft) {
    model::Upload upload;
    upload.id = draft.new_id<model::UploadId>();
    upload.name = request.name;
    upload.user = who.user;
    upload.host = parts_.self;
    upload.datastore = choose_datastore(draft.inventory(), request.datastore, parts_.self).id;
    upload.size = request.size;
    upload.checksum = request.checksum;
    upload.created_at = draft.now();
    upload.expires_at = expiry(draft.now(), draft.inventory().settings());
    require_room(draft, who, upload);
    made = upload;
    draft.create(keys::upload(upload.id), std::move(upload));
  });
  co_return made;
}

model::Upload UploadService::find(const Who& who, const std::string& reference) const {
  const auto id = parse_uuid(reference);
  const auto& uploads = parts_.writer.inventory().uploads();
  const auto found = id ? uploads.find(*id) : uploads.end();
  const bool theirs = found != uploads.end() && found->second->value.host == parts_.self &&
                      (who.administrator || found->second->value.user == who.user);
  if (theirs) return found->second->value;
  throw Error(Reason::no_such_object, fmt::format("no upload {}", reference))
      .at("/upload")
      .remedy("see them: ruche upload list");
}

std::vector<model::Upload> UploadService::all(const Who& who) const {
  std::vector<model::Upload> kept;
  for (const auto& [id, upload] : parts_.writer.inventory().uploads()) {
    if (upload->value.host != parts_.self) continue;
    if (who.administrator || upload->value.user == who.user) kept.push_back(upload->value);
  }
  return kept;
}

Async<Bytes> UploadService::offset(model::Upload upload) {
  const auto driver = parts_.pool.driver(upload.datastore);
  co_return co_await driver->incoming().flush(upload.id.value);
}

Async<void> UploadService::renew(const model::Upload& upload) {
  // Not at every piece: a commit once in half the time is enough.
  const auto& settings = parts_.writer.inventory().settings();
  const auto now = parts_.writer.clock().wall();
  if (upload.expires_at.unix_ms - now.unix_ms > settings.upload_expiry.count() / 2) co_return;
  const auto id = upload.id;
  co_await parts_.writer.transact([&](Draft& draft) {
    if (!draft.inventory().uploads().contains(id.value)) return;
    draft.upload(id).expires_at = expiry(draft.now(), draft.inventory().settings());
  });
}

Async<Bytes> UploadService::write(model::Upload upload, Bytes offset, Pieces next) {
  if (upload.task) {
    throw Error(Reason::claimed, "the upload is being imported").at("/upload");
  }
  co_await renew(upload);
  const auto driver = parts_.pool.driver(upload.datastore);
  auto& files = driver->incoming();
  const auto there = co_await files.flush(upload.id.value);
  if (there != offset) {
    throw Error(Reason::wrong_offset, fmt::format("{} bytes are there, the piece begins at {}",
                                                  there.count, offset.count))
        .at("/offset_bytes")
        .remedy(fmt::format("go on from {}", there.count));
  }
  std::string pending;
  while (true) {
    auto piece = co_await next();
    if (piece) pending += *piece;
    if (offset + size_of(pending) > upload.size) {
      throw Error(Reason::too_long,
                  fmt::format("the upload was announced with {} bytes", upload.size.count))
          .at("/offset_bytes")
          .remedy("begin a new one with the right size");
    }
    if (pending.size() < kPiece && piece) continue;
    const auto length = size_of(pending);
    if (length.count > 0) {
      co_await files.append(upload.id.value, offset, std::exchange(pending, {}));
      offset += length;
    }
    if (!piece) break;
  }
  co_return co_await files.flush(upload.id.value);
}

Async<void> UploadService::remove(model::Upload upload, bool dry_run) {
  const auto id = upload.id;
  const auto forget = [&](Draft& draft) {
    const auto& uploads = draft.inventory().uploads();
    const auto found = uploads.find(id.value);
    if (found == uploads.end()) return;
    if (found->second->value.task) {
      throw Error(Reason::claimed, "the upload is being imported")
          .at("/upload")
          .remedy(fmt::format("cancel that first: ruche task cancel {}",
                              to_text(*found->second->value.task)));
    }
    draft.upload(id);  // compared: it may be taken for an import just now
    draft.erase(keys::upload(id));
  };
  if (dry_run) co_return co_await parts_.writer.rehearse(forget);
  co_await parts_.writer.transact(forget);
  // Killed before this, the janitor finds a file that belongs to nothing.
  const auto driver = parts_.pool.driver(upload.datastore);
  co_await driver->incoming().remove(id.value);
}

Async<void> UploadService::require_complete(model::Upload upload) {
  const auto size = upload.size;
  const auto there = co_await offset(std::move(upload));
  if (there == size) co_return;
  throw Error(Reason::wrong_state,
              fmt::format("{} of {} bytes of the upload are there", there.count, size.count))
      .at("/upload")
      .remedy(fmt::format("send the rest, from {} on", there.count));
}

bool UploadService::is_wanted(const Uuid& id) const {
  const auto& inventory = parts_.writer.inventory();
  if (inventory.uploads().contains(id)) return true;
  const auto image = inventory.images().find(id);
  return image != inventory.images().end() && image->second->spec &&
         image->second->spec->value.state == model::ImageState::preparing;
}

Async<void> UploadService::clean_datastore(model::DatastoreId id) {
  const auto driver = parts_.pool.driver(id);
  // A document is written before its file, and looked for after the file was seen.
  const auto files = co_await driver->incoming().list();
  for (const auto& file : files) {
    if (is_wanted(file)) continue;
    parts_.log.info("core", "removing an incoming file that belongs to nothing",
                    {{"file", to_text(file)}});
    co_await driver->incoming().remove(file);
  }
}

Async<void> UploadService::clean() {
  const auto& inventory = parts_.writer.inventory();
  const auto now = parts_.writer.clock().wall();
  std::vector<model::Upload> due;
  for (const auto& [id, upload] : inventory.uploads()) {
    const auto& value = upload->value;
    if (value.host == parts_.self && !value.task && value.expires_at < now) due.push_back(value);
  }
  for (auto& upload : due) co_await remove(std::move(upload));
  std::vector<model::DatastoreId> mine;
  for (const auto& [id, record] : inventory.datastores()) {
    const bool answers =
        record->status && record->status->value.state == model::DatastoreState::available;
    // Of a shared one each host would remove what another receives.
    if (record->spec && answers && record->spec->value.host == parts_.self) mine.push_back({id});
  }
  for (const auto id : mine) {
    try {
      co_await clean_datastore(id);
    } catch (const Error& error) {
      parts_.log.warning("core", "incoming files could not be looked at",
                         {{"datastore", to_text(id)}, {"why", error.full_message()}});
    }
  }
}

}  // namespace ruche::core
