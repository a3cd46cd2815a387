#include "sim/fake_volumes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.hpp"

namespace ruche::sim {

namespace {

using ports::VolumeRef;
using ports::VolumeState;

// What a new qcow2 costs.
constexpr Bytes kEmptyVolume = kib(256);
constexpr auto kHangPause = std::chrono::milliseconds(100);

std::string owner_key(model::ObjectKind kind, const Uuid& owner) {
  return fmt::format("{}/{}", kind == model::ObjectKind::image ? "images" : "guests",
                     to_text(owner));
}

std::string volume_key(const VolumeRef& volume) {
  std::string extension = volume.format == model::DiskFormat::raw ? "raw" : "qcow2";
  if (volume.content == model::LayerContent::kernel) extension = "kernel";
  if (volume.content == model::LayerContent::initrd) extension = "initrd";
  if (volume.content == model::LayerContent::uefi_vars) extension = "vars";
  if (volume.content == model::LayerContent::tpm_state) extension = "tpm";
  if (volume.content == model::LayerContent::memory) extension = "memory";
  return fmt::format("{}/{}.{}", owner_key(volume.owner_kind, volume.owner), to_text(volume.layer),
                     extension);
}

Error away(const std::string& path, const std::string& why) {
  return Error(Reason::datastore_unavailable, fmt::format("the datastore at {} {}", path, why));
}

class FakeDriver : public ports::VolumeDriver,
                   private ports::IncomingFiles,
                   private ports::FoundGuests {
 public:
  FakeDriver(FakeVolumeDrivers& handle, model::Datastore datastore)
      : handle_(handle), datastore_(std::move(datastore)) {}

  Async<model::DatastoreStatus> probe() override {
    model::DatastoreStatus status;
    status.state = model::DatastoreState::unavailable;
    try {
      co_await arrive();
      status.state = model::DatastoreState::available;
      status.capacity = place().capacity;
      status.available = place().available();
      status.used = status.capacity - status.available;
      status.reflinks = place().reflinks;
    } catch (const Error& error) {
      status.last_error = error.message();
    }
    co_return status;
  }

  Async<void> prepare(bool adopt) override {
    co_await answer();
    const bool ours = place().mark == datastore_.id;
    if (place().foreign_files || (place().mark && !ours && !adopt)) {
      throw Error(Reason::wrong_state, datastore_.path + " is not empty").at("/path");
    }
    if (ours) co_return;
    handle_.effect("prepare " + datastore_.path, [this] { place().mark = datastore_.id; });
  }

  Async<VolumeState> find(VolumeRef volume) override {
    co_await arrive();
    const auto found = place().volumes.find(volume_key(volume));
    co_return found == place().volumes.end() ? VolumeState::absent : found->second.state;
  }

  Async<void> create(ports::CreateVolume request) override {
    co_await arrive();
    check(request);
    FakeVolume wanted{request.volume, VolumeState::ready, request.size, {}, {}, kEmptyVolume, {}};
    if (request.parent) wanted.parent = request.parent->layer;
    if (const auto* there = ready(request.volume)) {
      if (there->size == wanted.size && there->parent == wanted.parent) co_return;
      throw Error(Reason::wrong_state, "the volume is there already, with another size or parent");
    }
    co_await make(std::move(wanted));
  }

  Async<void> copy(VolumeRef volume, VolumeRef source, ports::ProgressSink progress) override {
    co_await arrive();
    if (ready(volume) != nullptr) co_return;
    const auto* from = ready(source);
    if (from == nullptr) throw Error(Reason::no_such_object, "the source is not on the datastore");
    require_unlocked(source);
    FakeVolume wanted = *from;
    wanted.ref = volume;
    if (place().reflinks) wanted.used = kEmptyVolume;
    co_await make(std::move(wanted));
    if (progress) progress(from->size, from->size);
  }

  Async<void> clone(VolumeRef volume, VolumeRef source, std::optional<VolumeRef> parent,
                    ports::ProgressSink progress) override {
    co_await arrive();
    if (ready(volume) != nullptr) co_return;
    if (parent && volume.format == model::DiskFormat::raw) {
      throw Error(Reason::bad_spec, "only qcow2 volumes stand on a parent");
    }
    const auto* from = ready(source);
    if (from == nullptr) throw Error(Reason::no_such_object, "the source is not on the datastore");
    FakeVolume wanted{volume, VolumeState::ready, from->size, {}, {}, kEmptyVolume, {}};
    if (parent) wanted.parent = parent->layer;
    bool found = false;
    for (const auto* layer : chain_of(*from)) {
      require_unlocked(layer->ref);
      found = found || wanted.parent == layer->ref.layer;
      if (found) continue;
      wanted.writes.insert(wanted.writes.begin(), layer->writes.begin(), layer->writes.end());
      wanted.used = wanted.used + layer->used;
    }
    if (parent && !found) throw Error(Reason::wrong_state, "the source does not stand on it");
    const Bytes size = from->size;
    co_await make(std::move(wanted));
    if (progress) progress(size, size);
  }

  Async<void> merge(VolumeRef volume, VolumeRef below, std::optional<VolumeRef> base,
                    ports::ProgressSink progress) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "the volume is not there");
    const auto stands_on = base ? std::optional(base->layer) : std::nullopt;
    require_unlocked(volume);
    if (there->parent == stands_on) co_return;
    const auto* lower = ready(below);
    if (lower == nullptr) throw Error(Reason::no_such_object, "what is below it is not there");
    if (there->parent != below.layer || !stand_on(*lower, stands_on)) {
      throw Error(Reason::wrong_state, "the volume does not stand on these layers");
    }
    require_unlocked(below);
    require_room(lower->used);
    const auto key = volume_key(volume);
    const Bytes size = there->size;
    handle_.effect("copy into " + key, [] {});
    co_await arrive();
    if (handle_.fails_now()) throw Error(Reason::io_failed, "the disk refused an operation");
    require_unlocked(volume);
    handle_.effect("merge " + key, [&] {
      auto& upper = place().volumes.at(key);
      for (const auto* layer : chain_of(upper)) {
        if (layer != &upper && upper.parent != stands_on) handle_.storage().take_in(upper, *layer);
      }
    });
    if (progress) progress(size, size);
  }

  Async<std::optional<model::LayerId>> parent(VolumeRef volume) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "the volume is not there");
    co_return there->parent;
  }

  Async<Bytes> used(VolumeRef volume) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "the volume is not there");
    co_return there->used;
  }

  Async<void> remove(VolumeRef volume) override {
    co_await arrive();
    const auto key = volume_key(volume);
    if (!place().volumes.contains(key)) co_return;
    require_unlocked(volume);
    if (handle_.storage().hoards) co_return;
    handle_.effect("remove " + key, [this, &key] { place().volumes.erase(key); });
  }

  Async<void> grow(VolumeRef volume, Bytes size) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "the volume is not there");
    if (there->size == size) co_return;
    if (size < there->size || size.count % 512 != 0) {
      throw Error(Reason::out_of_range, "the disk becomes a larger multiple of 512");
    }
    require_unlocked(volume);
    const auto key = volume_key(volume);
    handle_.effect("grow " + key, [&] { place().volumes.at(key).size = size; });
  }
  Async<Bytes> size(VolumeRef volume) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "the volume is not there");
    co_return there->size;
  }

  Async<ports::ImportResult> import(VolumeRef volume, ports::ImportSource wanted,
                                    ports::ProgressSink progress) override {
    co_await arrive();
    if (const auto* there = ready(volume))
      co_return ports::ImportResult{there->size, there->checksum};
    const FakeSource source = source_of(wanted);
    judge(source, wanted, volume);
    if (!wanted.checksum.empty() && wanted.checksum != source.checksum) {
      throw Error(Reason::checksum_mismatch, "the file has another checksum").at("/checksum");
    }
    co_await make({volume,
                   VolumeState::ready,
                   source.virtual_size,
                   {},
                   source.checksum,
                   source.virtual_size,
                   {handle_.storage().next_write()}});
    if (progress) progress(source.virtual_size, source.virtual_size);
    co_return ports::ImportResult{source.virtual_size, source.checksum};
  }

  Async<model::ImageFormat> inspect(ports::ImportSource wanted) override {
    co_await arrive();
    const FakeSource source = source_of(wanted);
    judge(source, wanted, {});
    co_return source.format;
  }

  ports::IncomingFiles& incoming() override { return *this; }
  ports::FoundGuests& found() override { return *this; }

  ports::ImageFile file(const VolumeRef& volume) const override {
    return {datastore_.path + "/" + volume_key(volume), volume.format};
  }

  Async<void> write_note(model::GuestId guest, std::string file_name,
                         std::string content) override {
    co_await arrive();
    const auto key = owner_key(model::ObjectKind::guest, guest.value);
    handle_.effect("note " + key + "/" + file_name,
                   [&] { place().notes[key][file_name] = content; });
  }

  Async<void> remove_owner(model::ObjectKind kind, Uuid owner) override {
    co_await arrive();
    const auto key = owner_key(kind, owner);
    const auto first = place().volumes.lower_bound(key + "/");
    if (first != place().volumes.end() && first->first.starts_with(key + "/")) co_return;
    if (!place().notes.contains(key)) co_return;
    handle_.effect("remove " + key, [&] { place().notes.erase(key); });
  }

 private:
  Async<Bytes> flush(Uuid id) override {
    co_await arrive();
    const auto found = place().incoming.find(id);
    if (found == place().incoming.end()) co_return Bytes{};
    co_return Bytes{static_cast<std::int64_t>(found->second.size())};
  }
  Async<void> append(Uuid id, Bytes offset, std::string bytes) override {
    co_await arrive();
    const auto found = place().incoming.find(id);
    const auto end = found == place().incoming.end() ? 0 : found->second.size();
    if (static_cast<std::int64_t>(end) != offset.count) {
      throw Error(Reason::wrong_offset, "the piece does not begin where the file ends")
          .at("/offset_bytes");
    }
    const Bytes more{static_cast<std::int64_t>(bytes.size())};
    if (place().available() - more < handle_.reserve) {
      throw Error(Reason::not_enough_space, "the datastore is full");
    }
    handle_.effect("append incoming/" + to_text(id), [&] { place().incoming[id] += bytes; });
  }
  Async<ports::IncomingFiles::Place> open(Uuid id) override {
    co_await arrive();
    if (!place().incoming.contains(id)) {
      handle_.effect("open incoming/" + to_text(id), [&] { place().incoming[id] = {}; });
    }
    co_return ports::IncomingFiles::Place{datastore_.path + "/incoming/" + to_text(id),
                                          std::max(place().available() - handle_.reserve, Bytes{})};
  }
  Async<void> remove(Uuid id) override {
    co_await arrive();
    if (!place().incoming.contains(id) || handle_.storage().hoards) co_return;
    handle_.effect("remove incoming/" + to_text(id), [&] { place().incoming.erase(id); });
  }
  Async<std::vector<Uuid>> list() override {
    co_await arrive();
    std::vector<Uuid> ids;
    for (const auto& [id, bytes] : place().incoming) ids.push_back(id);
    co_return ids;
  }

  Async<std::vector<model::GuestId>> guests() override {
    co_await arrive();
    std::set<model::GuestId> guests;
    const auto add = [&](const std::string& key) {
      if (!key.starts_with("guests/")) return;
      if (const auto id = parse_uuid(key.substr(7, 36))) guests.insert({*id});
    };
    for (const auto& [key, volume] : place().volumes) add(key);
    for (const auto& [key, notes] : place().notes) add(key);
    co_return std::vector<model::GuestId>(guests.begin(), guests.end());
  }
  Async<std::string> read_note(model::GuestId guest, std::string file_name) override {
    co_await arrive();
    const auto notes = place().notes.find(owner_key(model::ObjectKind::guest, guest.value));
    if (notes == place().notes.end() || !notes->second.contains(file_name)) {
      throw Error(Reason::no_such_object, file_name + " is not on the datastore");
    }
    co_return notes->second.at(file_name);
  }
  Async<ports::FoundVolume> examine(VolumeRef volume) override {
    co_await arrive();
    const auto* there = ready(volume);
    if (there == nullptr) throw Error(Reason::no_such_object, "it is not on the datastore");
    require_unlocked(volume);
    ports::FoundVolume found{there->size, std::nullopt};
    for (const auto& [key, other] : place().volumes) {
      if (there->parent && other.ref.layer == *there->parent) found.parent = other.ref;
    }
    if (found.parent || !there->parent) co_return found;
    throw Error(Reason::guest_refused, "it stands on no layer of this datastore");
  }

  // What a file is: known under its path, or under its content when it came in.
  FakeSource source_of(const ports::ImportSource& wanted) const {
    if (!wanted.incoming) {
      if (const auto* known = handle_.storage().source(wanted.path)) return *known;
      throw Error(Reason::io_failed, "cannot open " + wanted.path).at("/path");
    }
    const auto found = place().incoming.find(*wanted.incoming);
    if (found == place().incoming.end()) throw Error(Reason::io_failed, "nothing came in");
    FakeSource source;
    if (const auto* known = handle_.storage().source(found->second)) source = *known;
    Sha256 sum;
    const auto* data = reinterpret_cast<const std::uint8_t*>(found->second.data());
    sum.add({data, found->second.size()});
    source.checksum = "sha256:" + sum.hex();
    return source;
  }

  FakePlace& place() const { return handle_.storage().place(datastore_, handle_.host()); }

  // Waits for the datastore to answer, as long as one has patience.
  Async<void> answer() {
    co_await handle_.arrive();
    const auto give_up = handle_.clock().now() + handle_.patience;
    while (place().hangs) {
      if (handle_.clock().now() >= give_up) throw away(datastore_.path, "did not answer");
      co_await sleep_for(handle_.clock(), kHangPause);
    }
  }
  Async<void> arrive() {
    co_await answer();
    if (!place().mounted) throw away(datastore_.path, "has lost its mark");
    if (place().mark != datastore_.id) throw away(datastore_.path, "is not prepared, or not ours");
  }

  const FakeVolume* ready(const VolumeRef& volume) const {
    const auto found = place().volumes.find(volume_key(volume));
    const bool is_ready =
        found != place().volumes.end() && found->second.state == VolumeState::ready;
    return is_ready ? &found->second : nullptr;
  }

  void check(const ports::CreateVolume& request) const {
    const auto content = request.volume.content;
    const bool made_empty =
        content == model::LayerContent::disk || content == model::LayerContent::uefi_vars ||
        content == model::LayerContent::tpm_state || content == model::LayerContent::memory;
    if (!made_empty || (request.parent && request.volume.format == model::DiskFormat::raw)) {
      throw Error(Reason::bad_spec, "only qcow2 volumes stand on a parent");
    }
    if (request.size.count <= 0 || request.size.count % 512 != 0) {
      throw Error(Reason::out_of_range, "the size of a disk is a multiple of 512")
          .at("/size_bytes");
    }
    if (!request.parent) return;
    const auto* parent = ready(*request.parent);
    if (parent == nullptr)
      throw Error(Reason::no_such_object, "the parent is not on the datastore");
    if (request.size < parent->size) {
      throw Error(Reason::out_of_range, "the disk is smaller than its image").at("/size_bytes");
    }
  }

  static void judge(const FakeSource& source, const ports::ImportSource& wanted,
                    const VolumeRef& volume) {
    if (!source.refusal.empty()) throw Error(Reason::image_refused, source.refusal);
    if (volume.content != model::LayerContent::disk) return;
    if (wanted.declared_format && *wanted.declared_format != source.format) {
      throw Error(Reason::format_mismatch, "the image has another format").at("/format");
    }
    if (!wanted.declared_format && source.format == model::ImageFormat::raw) {
      throw Error(Reason::image_refused, "raw images must be declared").at("/format");
    }
    if (source.virtual_size > wanted.size_limit) {
      throw Error(Reason::image_refused, "the image is larger than " + to_text(wanted.size_limit));
    }
  }

  void require_unlocked(const VolumeRef& volume) const {
    if (handle_.storage().locked(file(volume).path)) {
      throw Error(Reason::in_use, "the volume is open in another process");
    }
  }

  // Top first, as far as it is there.
  std::vector<const FakeVolume*> chain_of(const FakeVolume& top) const {
    std::vector<const FakeVolume*> chain{&top};
    for (bool more = true; more;) {
      const auto below = chain.back()->parent;
      more = false;
      for (const auto& [key, volume] : place().volumes) {
        if (!below || volume.ref.layer != *below) continue;
        chain.push_back(&volume);
        more = true;
        break;
      }
    }
    return chain;
  }

  bool stand_on(const FakeVolume& volume, std::optional<model::LayerId> base) const {
    if (!base) return true;
    const auto chain = chain_of(volume);
    return std::any_of(chain.begin() + 1, chain.end(),
                       [&](const auto* layer) { return layer->ref.layer == *base; });
  }

  void require_room(Bytes needed) const {
    const auto free = place().available();
    if (free - needed >= handle_.reserve) return;
    throw Error(Reason::not_enough_space,
                fmt::format("the datastore at {} has {} free; this needs {}", datastore_.path,
                            to_text(free), to_text(needed)));
  }

  // First something partial is there, then time passes, then it is complete: a handle that is
  // severed in between leaves the partial one.
  Async<void> make(FakeVolume wanted) {
    const auto key = volume_key(wanted.ref);
    require_room(wanted.used);
    FakeVolume partial = wanted;
    partial.state = VolumeState::partial;
    handle_.effect("begin " + key, [&] { place().volumes[key] = partial; });
    co_await with_undo(finish(key, std::move(wanted)), [this, key]() -> Async<void> {
      if (!handle_.severed()) place().volumes.erase(key);
      co_return;
    });
  }

  Async<void> finish(std::string key, FakeVolume wanted) {
    co_await arrive();
    if (handle_.fails_now()) throw Error(Reason::io_failed, "the disk refused an operation");
    handle_.effect("complete " + key, [&] { place().volumes[key] = wanted; });
  }

  FakeVolumeDrivers& handle_;
  model::Datastore datastore_;
};

}  // namespace

Bytes FakePlace::available() const {
  Bytes free = capacity - other_use;
  for (const auto& [key, volume] : volumes) free -= volume.used;
  for (const auto& [id, bytes] : incoming) free -= Bytes{static_cast<std::int64_t>(bytes.size())};
  return free;
}

FakePlace& FakeStorage::place(const model::Datastore& datastore, const std::string& host) {
  return places_[(datastore.shared ? std::string("shared") : host) + ":" + datastore.path];
}

std::vector<std::string> FakeStorage::files() const {
  std::vector<std::string> all;
  for (const auto& [place_key, place] : places_) {
    for (const auto& [key, volume] : place.volumes) {
      const char* suffix = volume.state == VolumeState::partial ? " (partial)" : "";
      all.push_back(place_key + "/" + key + suffix);
    }
    for (const auto& [owner, notes] : place.notes) {
      for (const auto& [name, content] : notes) all.push_back(place_key + "/" + owner + "/" + name);
    }
    for (const auto& [id, bytes] : place.incoming) {
      all.push_back(place_key + "/incoming/" + to_text(id));
    }
  }
  return all;
}

const FakeSource* FakeStorage::source(const std::string& path) const {
  const auto found = sources_.find(path);
  return found == sources_.end() ? nullptr : &found->second;
}

std::string* FakeStorage::incoming_at(const std::string& path) {
  for (auto& [key, place] : places_) {
    const auto root = key.substr(key.find(':') + 1);
    for (auto& [id, bytes] : place.incoming) {
      if (path == root + "/incoming/" + to_text(id)) return &bytes;
    }
  }
  return nullptr;
}

void FakeStorage::remove_sources(const std::string& directory) {
  std::erase_if(sources_,
                [&](const auto& entry) { return entry.first.starts_with(directory + "/"); });
}

FakeVolumeDrivers::FakeVolumeDrivers(FakeStorage& storage, Clock& clock, std::string host)
    : storage_(storage), clock_(clock), host_(std::move(host)) {}

std::unique_ptr<ports::VolumeDriver> FakeVolumeDrivers::open(const model::Datastore& datastore) {
  return std::make_unique<FakeDriver>(*this, datastore);
}

void FakeVolumeDrivers::set_faults(VolumeFaults faults, Random& random) {
  faults_ = faults;
  random_ = &random;
}

void FakeVolumeDrivers::sever() {
  severed_ = true;
  changed_.notify();
}

void FakeVolumeDrivers::thaw() {
  frozen_ = false;
  changed_.notify();
}

void FakeVolumeDrivers::require_alive() const {
  if (severed_) throw Error(Reason::datastore_unavailable, "this host is no more");
}

Async<void> FakeVolumeDrivers::arrive() {
  require_alive();
  if (random_ != nullptr && faults_.max_latency.count() > 0) {
    const auto spread = faults_.max_latency - faults_.min_latency;
    const auto extra = spread.count() > 0
                           ? random_->below(static_cast<std::uint64_t>(spread.count()))
                           : std::uint64_t{0};
    co_await sleep_for(
        clock_, faults_.min_latency + std::chrono::microseconds(static_cast<std::int64_t>(extra)));
  }
  while (frozen_ && !severed_) co_await changed_.wait();
  require_alive();
  if (random_ != nullptr && random_->chance(faults_.unavailable)) {
    throw Error(Reason::datastore_unavailable, "the datastore did not answer (injected)");
  }
}

bool FakeVolumeDrivers::fails_now() { return random_ != nullptr && random_->chance(faults_.fails); }

void FakeVolumeDrivers::effect(const std::string& what, const std::function<void()>& happen) {
  require_alive();
  const VolumeEffect event{++storage_.effects_, *this, what};
  if (storage_.before_effect) storage_.before_effect(event);
  require_alive();
  happen();
  if (storage_.after_effect) storage_.after_effect(event);
  require_alive();
}

Async<ports::BuiltImage> FakeImageBuilder::build(std::string recipe, std::string directory,
                                                 std::function<void(std::string)> say) {
  if (recipe != "demo") throw Error(Reason::no_such_object, "there is no recipe " + recipe);
  if (say) say("building " + recipe);
  co_await sleep_for(clock_, std::chrono::seconds(2));
  ports::BuiltImage image;
  image.disk_path = directory + "/disk.raw";
  image.disk_format = model::DiskFormat::raw;
  image.kernel_path = directory + "/vmlinuz";
  image.initrd_path = directory + "/initrd";
  image.command_line = "console=ttyS0";
  image.source = "simulated packages";
  storage_.add_source(image.disk_path, {model::ImageFormat::raw, mib(64), "sha256:disk", {}});
  storage_.add_source(image.kernel_path, {model::ImageFormat::raw, mib(8), "sha256:kernel", {}});
  storage_.add_source(image.initrd_path, {model::ImageFormat::raw, mib(4), "sha256:initrd", {}});
  co_return image;
}

Async<void> FakeImageBuilder::clean(std::string directory) {
  storage_.remove_sources(directory);
  co_return;
}

}  // namespace ruche::sim
