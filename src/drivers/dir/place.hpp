// A datastore's directory, seen by blocking functions that own what they touch:
//
//   <root>/.ruche-datastore                     the mark, with the datastore's id
//   <root>/{guests,images}/<owner>/<layer>.<ext>   qcow2, raw, kernel or initrd
//                                 /<layer>.<ext>.partial   not complete yet
//                                 /<layer>.<ext>.import/   where a helper works on it
//                                 /<layer>.<ext>.checksum  sha256:… of an imported source
//                                 /<note>                  files beside the volumes
//   <root>/incoming/<id>               an upload or a download on its way
//                  /<id>.<word>        what a download remembers of it
//
// The mark is looked at in every operation: where it is missing the file system is not mounted, and
// nothing is ever made in the empty directory below a mount point.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "drivers/dir/files.hpp"
#include "ports/volumes.hpp"

namespace ruche::drivers::dir {

// The files of a volume in its owner's directory.
struct VolumeNames {
  std::string owner_path;  // "guests/<owner>"
  std::string file;  // "<layer>.qcow2"
  std::string folder() const { return owner_path.substr(0, owner_path.find('/')); }
  std::string owner() const { return owner_path.substr(owner_path.find('/') + 1); }
  std::string partial() const { return file + ".partial"; }
  std::string staging() const { return file + ".import"; }
  std::string checksum() const { return file + ".checksum"; }
};
VolumeNames names_of(const ports::VolumeRef& volume);

// One volume to create, and how it went.
struct CreateOrder {
  ports::CreateVolume request;
  std::exception_ptr failure;
};

class Place {
 public:
  Place(std::string root, model::DatastoreId id, Bytes reserve)
      : root_(std::move(root)), id_(id), reserve_(reserve) {}

  const std::string& root() const { return root_; }

  void prepare(bool adopt) const;
  model::DatastoreStatus look() const;
  // Whether files can share blocks here, tried out with two nameless files.
  bool shares_blocks() const;
  ports::VolumeState find(const ports::VolumeRef& volume) const;
  // Creates all of them with two waits for the disk: one for the files, one for their names. The
  // failure of one does not touch the others.
  void create_all(const std::vector<std::shared_ptr<CreateOrder>>& orders) const;
  void remove(const ports::VolumeRef& volume) const;
  void grow(const ports::VolumeRef& volume, Bytes size) const;
  Bytes size(const ports::VolumeRef& volume) const;
  Bytes used(const ports::VolumeRef& volume) const;
  void write_note(model::GuestId guest, const std::string& name, std::string_view content) const;
  void remove_owner(model::ObjectKind kind, const Uuid& owner) const;

  // The parts that long operations are made of.
  Fd open_marked_root() const;  // datastore_unavailable when it is not there or not ours
  Fd open_owner(const VolumeNames& names) const;  // empty when absent
  Fd make_owner(const VolumeNames& names) const;
  // What can be written before the reserve is touched.
  Bytes room(int directory) const;
  // not_enough_space when less than the reserve would be left.
  void require_space(int directory, Bytes needed) const;

 private:
  struct NewVolume;
  void require_empty(int root) const;
  void require_adoptable(int root) const;
  NewVolume begin_create(const Fd& root, const ports::CreateVolume& request) const;
  void require_possible(const ports::CreateVolume& request) const;
  Bytes require_parent(const ports::VolumeRef& parent) const;

  std::string root_;
  model::DatastoreId id_;
  Bytes reserve_;
};

// Makes an empty file the volume that was asked for.
void write_new_volume(int file, const ports::CreateVolume& request);
// Removes what an interrupted create, copy, clone or import left of a volume.
void clear_leftovers(int owner, const VolumeNames& names);
// The new file becomes the volume, durably.
void publish(int owner, const std::string& from, const VolumeNames& names);

// A parsed layer of ours.
struct LayerFacts {
  Bytes virtual_size;
  std::string backing_file;
};
LayerFacts read_layer(int file, const ports::VolumeRef& volume);

// How a volume names the file of a layer that it stands on: from its own directory, so that a
// datastore can be moved. Whoever the volume belongs to, this is ../../<folder>/<owner>/<file>: the
// last three parts of file(target).path behind "../../". Whoever writes the name of a backing file
// into a header writes exactly this, with "qcow2" or "raw" as its format; layer_named() knows
// nothing else.
std::string path_from_sibling(const ports::VolumeRef& target);

}  // namespace ruche::drivers::dir
