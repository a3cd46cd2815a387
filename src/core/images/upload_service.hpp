// Uploads: files that clients send in pieces. A piece is acknowledged when it is on the disk, so
// that whoever was cut off asks for the offset and goes on from there.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/inventory/writer.hpp"
#include "core/storage/datastore_pool.hpp"
#include "core/tasks/request.hpp"
#include "model/requests.hpp"

namespace ruche::core {

class UploadService {
 public:
  struct Parts {
    Writer& writer;
    DatastorePool& pool;
    Log& log;
    model::HostId self;
  };
  explicit UploadService(Parts parts) : parts_(std::move(parts)) {}

  // Who may touch an upload: whoever began it, and administrators.
  struct Who {
    std::string user;
    bool administrator = false;
  };

  Async<model::Upload> create(Who who, model::CreateUpload request);
  // Throws no_such_object, also for those of others.
  model::Upload find(const Who& who, const std::string& reference) const;
  std::vector<model::Upload> all(const Who& who) const;
  // How much of it is on the disk for good.
  Async<Bytes> offset(model::Upload upload);
  // Appends what `next` gives until it gives nothing; returns the new offset when that is on the
  // disk. What was taken before a failure stays. Throws wrong_offset, too_long, not_enough_space,
  // claimed while it is being imported, and what `next` throws.
  using Pieces = std::function<Async<std::optional<std::string>>()>;
  Async<Bytes> write(model::Upload upload, Bytes offset, Pieces next);
  Async<void> remove(model::Upload upload, bool dry_run = false);
  // Throws wrong_state unless everything is there.
  Async<void> require_complete(model::Upload upload);

  // Gives up what nobody went on with, and removes files that belong to nothing.
  Async<void> clean();

 private:
  void require_room(Draft& draft, const Who& who, const model::Upload& upload) const;
  Async<void> renew(const model::Upload& upload);
  Async<void> clean_datastore(model::DatastoreId id);
  bool is_wanted(const Uuid& id) const;

  Parts parts_;
};

}  // namespace ruche::core
