#include "drivers/dir/dir_driver.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <mutex>
#include <set>

#include "base/impatient_lane.hpp"
#include "drivers/dir/file_copy.hpp"
#include "drivers/dir/found.hpp"
#include "drivers/dir/import.hpp"
#include "drivers/dir/incoming.hpp"
#include "drivers/dir/layers.hpp"
#include "drivers/dir/place.hpp"
#include "drivers/dir/staging.hpp"

namespace ruche::drivers::dir {

namespace {

// Volumes to create that wait for the lane: whoever comes to it first takes all of them.
class OrderQueue {
 public:
  void add(std::shared_ptr<CreateOrder> order) {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  void withdraw(const std::shared_ptr<CreateOrder>& order) {
    const std::lock_guard lock(mutex_);
    std::erase(orders_, order);
  }
  std::vector<std::shared_ptr<CreateOrder>> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(orders_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<CreateOrder>> orders_;
};

// An order is withdrawn when its giver leaves, unless it was taken.
class Ordered {
 public:
  Ordered(OrderQueue& queue, std::shared_ptr<CreateOrder> order)
      : queue_(queue), order_(std::move(order)) {
    queue_.add(order_);
  }
  ~Ordered() { queue_.withdraw(order_); }
  Ordered(const Ordered&) = delete;
  Ordered& operator=(const Ordered&) = delete;

 private:
  OrderQueue& queue_;
  std::shared_ptr<CreateOrder> order_;
};

class DirDriver : public ports::VolumeDriver,
                  private ports::IncomingFiles,
                  private ports::FoundGuests {
 public:
  DirDriver(Clock& clock, Log& log, ports::Processes& processes, const DirOptions& options,
            const model::Datastore& datastore)
      : clock_(clock),
        log_(log),
        processes_(processes),
        options_(options),
        name_(datastore.name),
        place_(std::make_shared<const dir::Place>(datastore.path, datastore.id, options.reserve)),
        lane_("store " + datastore.name) {}

  Async<model::DatastoreStatus> probe() override {
    model::DatastoreStatus status;
    status.state = model::DatastoreState::unavailable;
    std::optional<Error> failure;
    try {
      if (!shares_blocks_) {
        shares_blocks_ = co_await on_lane("trying block sharing",
                                          [place = place_] { return place->shares_blocks(); });
      }
      status = co_await on_lane("looking at it", [place = place_] { return place->look(); });
      status.reflinks = *shares_blocks_;
    } catch (const Error& error) {
      failure = error;
    }
    if (failure) status.last_error = failure->full_message();
    note_availability(status);
    co_return status;
  }

  Async<void> prepare(bool adopt) override {
    co_await on_lane("preparing it", [place = place_, adopt] { place->prepare(adopt); });
  }

  Async<ports::VolumeState> find(ports::VolumeRef volume) override {
    return on_lane("looking for a volume",
                   [place = place_, volume] { return place->find(volume); });
  }

  Async<void> create(ports::CreateVolume request) override {
    const auto order = std::make_shared<CreateOrder>();
    order->request = std::move(request);
    const Ordered ordered(*orders_, order);
    co_await on_lane("creating a volume", [place = place_, orders = orders_] {
      const auto all = orders->take();
      if (!all.empty()) place->create_all(all);
    });
    if (order->failure) std::rethrow_exception(order->failure);
  }

  Async<void> copy(ports::VolumeRef volume, ports::VolumeRef source,
                   ports::ProgressSink progress) override;

  Async<void> clone(ports::VolumeRef volume, ports::VolumeRef source,
                    std::optional<ports::VolumeRef> parent, ports::ProgressSink progress) override {
    const Busy busy(busy_, volume.layer);
    co_await answering(clone_volume(tool(), place_, volume, source, parent, std::move(progress)));
  }
  Async<void> merge(ports::VolumeRef volume, ports::VolumeRef below,
                    std::optional<ports::VolumeRef> base, ports::ProgressSink progress) override {
    const Busy busy(busy_, volume.layer);
    co_await answering(merge_volume(tool(), place_, volume, below, base, std::move(progress)));
  }
  Async<std::optional<model::LayerId>> parent(ports::VolumeRef volume) override {
    return on_lane("looking at a volume",
                   [place = place_, volume] { return parent_of(*place, volume); });
  }
  Async<Bytes> used(ports::VolumeRef volume) override {
    return on_lane("looking at a volume", [place = place_, volume] { return place->used(volume); });
  }

  Async<void> remove(ports::VolumeRef volume) override {
    co_await on_lane("removing a volume", [place = place_, volume] { place->remove(volume); });
  }

  Async<void> grow(ports::VolumeRef volume, Bytes size) override {
    co_await on_lane("growing a volume",
                     [place = place_, volume, size] { place->grow(volume, size); });
  }
  Async<Bytes> size(ports::VolumeRef volume) override {
    return on_lane("looking at a volume", [place = place_, volume] { return place->size(volume); });
  }

  Async<ports::ImportResult> import(ports::VolumeRef volume, ports::ImportSource source,
                                    ports::ProgressSink progress) override;

  Async<model::ImageFormat> inspect(ports::ImportSource source) override {
    return on_lane("looking at an image",
                   [place = place_, source] { return inspect_source(*place, source); });
  }

  ports::IncomingFiles& incoming() override { return *this; }
  ports::FoundGuests& found() override { return *this; }

  ports::ImageFile file(const ports::VolumeRef& volume) const override {
    const auto names = names_of(volume);
    return {fmt::format("{}/{}/{}", place_->root(), names.owner_path, names.file), volume.format};
  }

  Async<void> write_note(model::GuestId guest, std::string file_name,
                         std::string content) override {
    auto work = [place = place_, guest, file_name, content] {
      place->write_note(guest, file_name, content);
    };
    co_await on_lane("writing " + file_name, std::move(work));
  }

  Async<void> remove_owner(model::ObjectKind kind, Uuid owner) override {
    co_await on_lane("removing a directory",
                     [place = place_, kind, owner] { place->remove_owner(kind, owner); });
  }

 private:
  Async<Bytes> flush(Uuid id) override {
    return on_lane("flushing an incoming file",
                   [place = place_, id] { return flush_incoming(*place, id); });
  }
  Async<void> append(Uuid id, Bytes offset, std::string bytes) override {
    auto work = [place = place_, id, offset, bytes = std::move(bytes)] {
      append_incoming(*place, id, offset, bytes);
    };
    co_await on_lane("writing an incoming file", std::move(work));
  }
  Async<ports::IncomingFiles::Place> open(Uuid id) override {
    return on_lane("opening an incoming file",
                   [place = place_, id] { return open_incoming(*place, id); });
  }
  Async<void> remove(Uuid id) override {
    co_await on_lane("removing an incoming file",
                     [place = place_, id] { remove_incoming(*place, id); });
  }
  Async<std::vector<Uuid>> list() override {
    return on_lane("listing incoming files", [place = place_] { return list_incoming(*place); });
  }

  Async<std::vector<model::GuestId>> guests() override {
    return on_lane("looking for guests", [place = place_] { return found_guests(*place); });
  }
  Async<std::string> read_note(model::GuestId guest, std::string file_name) override {
    return on_lane("reading " + file_name, [place = place_, guest, file_name] {
      return read_note_of(*place, guest, file_name);
    });
  }
  Async<ports::FoundVolume> examine(ports::VolumeRef volume) override {
    return on_lane("looking at a volume",
                   [place = place_, volume] { return examine_volume(*place, volume); });
  }

  ImageTool tool() {
    return {clock_,
            processes_,
            lane_,
            options_.patience,
            options_.qemu_img,
            {options_.helper_user, options_.helper_group}};
  }

  // Work with qemu-img, whose steps on the lane have deadlines of their own.
  template <class T>
  Async<T> answering(Async<T> work) {
    if (lane_.stuck()) throw away("does not answer; an earlier operation still hangs in it");
    try {
      co_return co_await std::move(work);
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
      throw away(error.message()).caused_by(error);
    }
  }

  // Runs blocking work, which owns what it touches, on the datastore's thread.
  template <class F>
  auto on_lane(std::string what, F work) -> Async<std::invoke_result_t<F>> {
    if (lane_.stuck()) throw away("does not answer; an earlier operation still hangs in it");
    try {
      co_return co_await lane_.run(clock_, options_.patience, what, std::move(work));
    } catch (const Error& error) {
      if (error.reason() != Reason::deadline) throw;
      throw away(fmt::format("did not answer within {} ({})", to_text(options_.patience), what));
    }
  }

  Error away(const std::string& why) const {
    return Error(Reason::datastore_unavailable,
                 fmt::format("the datastore at {} {}", place_->root(), why))
        .remedy("Look at the file system of the datastore, and at the kernel's log.");
  }

  void note_availability(const model::DatastoreStatus& status) {
    const bool available = status.state == model::DatastoreState::available;
    if (available == available_) return;
    available_ = available;
    if (available) {
      log_.info("drivers/dir", "datastore answers again", {{"datastore", name_}});
    } else {
      log_.warning("drivers/dir", "datastore is unavailable: " + status.last_error,
                   {{"datastore", name_}});
    }
  }

  // One import, copy, clone or merge of a volume at a time.
  class Busy {
   public:
    Busy(std::set<model::LayerId>& layers, model::LayerId layer) : layers_(layers), layer_(layer) {
      if (!layers_.insert(layer).second) {
        throw Error(Reason::in_use, "the volume is being made or merged already")
            .remedy("Wait for that task.");
      }
    }
    ~Busy() { layers_.erase(layer_); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    std::set<model::LayerId>& layers_;
    model::LayerId layer_;
  };

  Async<void> copy_steps(ports::VolumeRef volume, ports::VolumeRef source,
                         ports::ProgressSink progress);

  Clock& clock_;
  Log& log_;
  ports::Processes& processes_;
  DirOptions options_;
  std::string name_;
  std::shared_ptr<const dir::Place> place_;
  std::optional<bool> shares_blocks_;
  bool available_ = true;
  std::set<model::LayerId> busy_;
  std::shared_ptr<OrderQueue> orders_ = std::make_shared<OrderQueue>();
  ImpatientLane lane_;
};

// A copy and the directory it is made in.
struct CopyWork {
  Fd owner;
  VolumeNames names;
  std::optional<FileCopy> copy;
};

// Null when the volume is there already.
std::shared_ptr<CopyWork> begin_copy(const Place& place, const ports::VolumeRef& volume,
                                     const ports::VolumeRef& source) {
  if (place.find(volume) == ports::VolumeState::ready) return nullptr;
  const auto from = place.open_owner(names_of(source));
  auto file = from ? open_existing(from.get(), names_of(source).file, O_RDONLY) : Fd();
  if (!file) {
    throw Error(Reason::no_such_object,
                fmt::format("the volume {} is not on the datastore", to_text(source.layer)));
  }
  if (in_use_elsewhere(file.get(), ImageUse::writer)) {
    throw Error(Reason::in_use,
                fmt::format("the volume {} is being written", to_text(source.layer)))
        .remedy("Stop the guest that uses it.");
  }
  auto work = std::make_shared<CopyWork>();
  work->names = names_of(volume);
  work->owner = place.make_owner(work->names);
  clear_leftovers(work->owner.get(), work->names);
  const auto info = status_of_open(file.get());
  work->copy.emplace(std::move(file), create_new(work->owner.get(), work->names.partial()), false);
  if (!work->copy->shared_blocks()) {
    place.require_space(work->owner.get(), Bytes{static_cast<std::int64_t>(info.st_blocks) * 512});
  }
  return work;
}

void end_copy(CopyWork& work) {
  sync(work.copy->target().get(), work.names.file);
  publish(work.owner.get(), work.names.partial(), work.names);
}

Async<void> DirDriver::copy_steps(ports::VolumeRef volume, ports::VolumeRef source,
                                  ports::ProgressSink progress) {
  const auto work = co_await on_lane("opening a volume", [place = place_, volume, source] {
    return begin_copy(*place, volume, source);
  });
  if (!work) co_return;
  bool complete = false;
  while (!complete) {
    complete = co_await on_lane("copying a volume", [work] { return work->copy->step(); });
    const auto bytes = [](std::uint64_t count) { return Bytes{static_cast<std::int64_t>(count)}; };
    if (progress) progress(bytes(work->copy->done()), bytes(work->copy->size()));
    co_await throw_if_cancelled();
  }
  co_await on_lane("keeping a volume", [work] { end_copy(*work); });
}

Async<void> DirDriver::copy(ports::VolumeRef volume, ports::VolumeRef source,
                            ports::ProgressSink progress) {
  const Busy busy(busy_, volume.layer);
  co_await with_undo(copy_steps(volume, source, std::move(progress)), [this, volume] {
    return on_lane("clearing up", [place = place_, volume] { remove_staging(*place, volume); });
  });
}

Async<ports::ImportResult> DirDriver::import(ports::VolumeRef volume, ports::ImportSource source,
                                             ports::ProgressSink progress) {
  const Busy busy(busy_, volume.layer);
  co_return co_await answering(
      import_volume(tool(), place_, volume, std::move(source), std::move(progress)));
}

}  // namespace

DirDrivers::DirDrivers(Clock& clock, Log& log, ports::Processes& processes, DirOptions options)
    : clock_(clock), log_(log), processes_(processes), options_(std::move(options)) {}

std::unique_ptr<ports::VolumeDriver> DirDrivers::open(const model::Datastore& datastore) {
  if (!datastore.path.starts_with('/')) {
    throw Error(Reason::bad_format, "the path of a datastore is absolute").at("/path");
  }
  return std::make_unique<DirDriver>(clock_, log_, processes_, options_, datastore);
}

}  // namespace ruche::drivers::dir
