// The files that a disk consists of, and a look at them that only what was opened can be seen in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/dir/image_tool.hpp"
#include "drivers/dir/place.hpp"

namespace ruche::drivers::dir {

struct ChainLayer {
  ports::VolumeRef volume;
  Fd file;
  LayerFacts facts;
};
// From the top to what stands on nothing, opened for reading. Throws no_such_object, object_broken,
// or guest_refused: a layer stands on a file that is no layer of this datastore.
std::vector<ChainLayer> open_chain(const Place& place, const ports::VolumeRef& top);

// Both name the same file.
bool same_file(const ports::VolumeRef& one, const ports::VolumeRef& other);

// What qemu-img sees of a datastore: a directory in which some layers have their names, each a link
// to a descriptor that it is given. So it follows the names in their headers, but comes to nothing
// else than these very files, whatever a header says and whoever renames a file meanwhile. (It
// takes no descriptors by number, and the directories of the datastore stay closed to it.)
class Mirror {
 public:
  // Made anew in the staging directory of the volume.
  Mirror(const Place& place, const ports::VolumeRef& volume);

  // The descriptors stay open while qemu-img runs. It opens a file by its number, so that its user
  // must be allowed to: reading through the group, writing as the owner of the one that is written.
  void show(const ports::VolumeRef& volume, const Fd& file, HelperUser reader);
  void show_writable(const ports::VolumeRef& volume, const Fd& file, HelperUser writer);

  std::shared_ptr<const Workplace> workplace() const { return workplace_; }
  ImageWork work(std::vector<std::string> argv, Bytes largest_file) const;

 private:
  std::string link(const ports::VolumeRef& volume, const Fd& file);

  std::shared_ptr<const Workplace> workplace_;
  ImageWork work_;
};

// Where a volume is in a mirror.
std::string path_in_mirror(const ports::VolumeRef& volume);

// The file is the daemon's alone again, after it was shown as writable.
void take_back(const Fd& file);

}  // namespace ruche::drivers::dir
