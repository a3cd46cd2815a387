// The storage of the simulation. One FakeStorage holds the directories of all simulated hosts;
// every host opens its own FakeVolumeDrivers on it, a handle that can be slow, frozen or severed
// without the other hosts noticing. All waiting goes through the Clock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "ports/volumes.hpp"

namespace ruche::sim {

class FakeVolumeDrivers;

// What a disk holds: the numbers of the writes that it took, in order.
using Writes = std::vector<std::uint64_t>;
bool begins_with(const Writes& all, const Writes& first);

// A volume as it is on the fake disk.
struct FakeVolume {
  ports::VolumeRef ref;
  ports::VolumeState state = ports::VolumeState::partial;
  Bytes size;
  std::optional<model::LayerId> parent;
  std::string checksum;
  Bytes used;
  Writes writes;  // its own, over those of its parent
};

// One datastore's directory.
struct FakePlace {
  std::optional<model::DatastoreId> mark;  // absent: never prepared
  bool foreign_files = false;              // somebody else's: prepare refuses
  bool mounted = true;
  bool hangs = false;  // nothing answers until it is false again
  bool reflinks = true;
  Bytes capacity = gib(100);
  Bytes other_use;  // by files that are not ours
  std::map<std::string, FakeVolume> volumes;  // by "guests/<owner>/<file>"
  std::map<std::string, std::map<std::string, std::string>> notes;  // by "guests/<owner>"
  std::map<Uuid, std::string> incoming;
  // Folders of guests and images ("guests/<id>") that no store has to know: found, or left behind
  // by a store that is lost. They count as leaks only when a document names them.
  std::set<std::string> strays;

  Bytes available() const;
};

// What a volume shows; none when something that it stands on is gone.
std::optional<Writes> shown(const FakePlace& place, const FakeVolume& volume);

// A volume by its path.
struct FakeFile {
  FakePlace* place;
  FakeVolume* volume;
};

// What a layer showed when it was first needed or written to. It shows that and what is written to
// it, whatever becomes of the files below; a kept one never changes again.
struct SeenContent {
  Writes writes;
  bool kept = false;
};
// What a guest's disk showed when the guest last wrote to it.
struct LastWritten {
  model::LayerId layer;
  Writes shows;
};

// A file that can be imported.
struct FakeSource {
  model::ImageFormat format = model::ImageFormat::qcow2;
  Bytes virtual_size = mib(64);
  std::string checksum = "sha256:fake";
  std::string refusal;  // not empty: our header parser refuses it with these words
};

// A file on somebody's server.
struct FakeRemote {
  std::string content;
  std::size_t piece = 4;  // bytes that come at once
  int breaks = 0;  // how often the connection breaks half-way
};

// The memory of a machine in a file: what its disks and small files showed at that instant.
struct FakeMemory {
  model::GuestId guest;
  std::map<std::string, Writes> disks;
  std::string hardware;
};

// What happens to the disk, for the kill sweep: numbered from 1 over all handles.
struct VolumeEffect {
  std::uint64_t number;
  const FakeVolumeDrivers& handle;
  std::string
      what;  // "begin guests/…", "complete guests/…", "remove guests/…", "note …", "prepare"
};

// What a handle suffers on average, drawn from the Random it was given.
struct VolumeFaults {
  double unavailable = 0;  // any call: nothing happened
  double fails = 0;  // create, copy, clone, merge, import: fails in the middle, nothing is left
  std::chrono::microseconds min_latency{0};
  std::chrono::microseconds max_latency{0};
};

class FakeStorage {
 public:
  // The directory of a datastore: of one host, or the same for all when it is shared.
  FakePlace& place(const model::Datastore& datastore, const std::string& host);
  // Every directory by its key, for the leak checkers.
  const std::map<std::string, FakePlace>& places() const { return places_; }
  // All files: "<place>/<volume or note>", partial ones with " (partial)".
  std::vector<std::string> files() const;

  void add_source(const std::string& path, FakeSource source) {
    sources_[path] = std::move(source);
  }
  const FakeSource* source(const std::string& path) const;
  void add_remote(const std::string& url, FakeRemote remote) { remotes_[url] = std::move(remote); }
  FakeRemote* remote(const std::string& url) {
    const auto found = remotes_.find(url);
    return found == remotes_.end() ? nullptr : &found->second;
  }
  // A machine made the disk in this file larger.
  void grow(const std::string& path, Bytes size);
  // The incoming file at this path; null when there is none.
  std::string* incoming_at(const std::string& path);
  void remove_sources(const std::string& directory);
  const std::map<std::string, FakeSource>& sources() const { return sources_; }

  // Files with memory, by path; and for the checkers: machines that went on from memory that no
  // longer agreed with their disks or devices, and files that were opened or written to as they
  // must not be.
  std::map<std::string, FakeMemory> memories;
  std::vector<std::string> disagreements;

  // The volume in a file; none when it holds none. A path names at most one: layers have ids.
  std::optional<FakeFile> at(const std::string& path) const;
  // What is left where that file is; none when it holds no volume.
  std::optional<Bytes> room_at(const std::string& path) const;
  Writes shown_at(const std::string& path) const;
  // A machine writes to a file, or to its disk.
  void write(const std::string& path);
  void write_disk(model::GuestId guest, const std::string& disk, const std::string& path);
  // A machine opens a disk. Says why it cannot.
  std::string open(const std::vector<ports::ImageFile>& chain);
  // A machine's disk goes on in another file.
  void cut(const std::string& below, const std::string& overlay);
  void copy_file(const std::string& from, const std::string& to);
  // What is in the lower file moves up into the one that stands on it.
  void merge(const std::string& layer, const std::string& below);
  void take_in(FakeVolume& upper, const FakeVolume& lower);
  // Whatever is there now is needed. Only while no task is open.
  void remember_all();
  const std::map<model::LayerId, SeenContent>& seen() const { return seen_; }
  const std::map<std::pair<model::GuestId, std::string>, LastWritten>& written() const {
    return written_;
  }
  std::uint64_t next_write() { return ++last_write_; }

  // Defects, to see that the checkers notice: what is removed stays; what is merged is lost.
  bool hoards = false;
  bool loses = false;

  // Image locks, held by simulated machines under the path that VolumeDriver::file gave. False: it
  // has a writer already.
  bool lock(const std::string& path) { return writers_.insert(path).second; }
  void unlock(const std::string& path) { writers_.erase(path); }
  bool locked(const std::string& path) const { return writers_.contains(path); }
  const std::set<std::string>& writers() const { return writers_; }

  // Either may sever the handle: severed before, the effect does not happen; severed after, the
  // handle never hears of it.
  std::function<void(const VolumeEffect&)> before_effect;
  std::function<void(const VolumeEffect&)> after_effect;
  std::uint64_t effects() const { return effects_; }

 private:
  friend class FakeVolumeDrivers;
  void remember(const FakePlace& place, const FakeVolume& volume, bool kept);

  std::map<std::string, FakePlace> places_;
  std::map<model::LayerId, SeenContent> seen_;
  std::map<std::pair<model::GuestId, std::string>, LastWritten> written_;
  std::uint64_t last_write_ = 0;
  std::map<std::string, FakeSource> sources_;
  std::map<std::string, FakeRemote> remotes_;
  std::set<std::string> writers_;
  std::uint64_t effects_ = 0;
};

// One host's handle. The storage, the clock and the Random outlive it; it outlives its drivers.
class FakeVolumeDrivers : public ports::VolumeDrivers {
 public:
  FakeVolumeDrivers(FakeStorage& storage, Clock& clock, std::string host);
  std::unique_ptr<ports::VolumeDriver> open(const model::Datastore& datastore) override;

  const std::string& host() const { return host_; }
  void set_faults(VolumeFaults faults, Random& random);
  void clear_faults() { faults_ = {}; }
  // The host was killed: nothing this handle does has an effect any more, every call throws.
  void sever();
  bool severed() const { return severed_; }
  // The host stands still: no call begins until it thaws.
  void freeze() { frozen_ = true; }
  void thaw();

  Bytes reserve = gib(1);
  Duration patience{20'000};

  // For the drivers of this file: waits as long as the handle is slow, then draws its faults.
  Async<void> arrive();
  bool fails_now();
  // Makes an effect happen, or throws when this handle is severed.
  void effect(const std::string& what, const std::function<void()>& happen);
  Clock& clock() { return clock_; }
  FakeStorage& storage() { return storage_; }

 private:
  void require_alive() const;

  FakeStorage& storage_;
  Clock& clock_;
  std::string host_;
  VolumeFaults faults_;
  Random* random_ = nullptr;
  bool severed_ = false;
  bool frozen_ = false;
  Signal changed_;  // of the two flags
};

// Pretends to build: its images are sources of the storage.
class FakeImageBuilder : public ports::ImageBuilder {
 public:
  FakeImageBuilder(FakeStorage& storage, Clock& clock) : storage_(storage), clock_(clock) {}
  std::vector<ports::ImageRecipe> recipes() const override { return {{"demo", true}}; }
  Async<ports::BuiltImage> build(std::string recipe, std::string directory,
                                 std::function<void(std::string)> say) override;
  Async<void> clean(std::string directory) override;

 private:
  FakeStorage& storage_;
  Clock& clock_;
};

}  // namespace ruche::sim
