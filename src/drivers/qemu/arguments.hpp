// QEMU's command line under construction, with the descriptors that it refers to. QEMU reaches
// files only through descriptors that the daemon opened: its user may not open them by path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.hpp"

namespace ruche::drivers::qemu {

// A file to open before the start, and its number in QEMU's process.
struct OpenFile {
  std::string path;
  bool writable = false;
  bool by_path = false;  // QEMU opens it again through /proc/self/fd, so the guest's user must be
                         // allowed to read the file itself (kernel, initramfs)
  int number = -1;
  std::shared_ptr<Descriptor> opened;  // handed over as it is; `path` is for people
};

class Arguments {
 public:
  Arguments(std::string program, int first_free_descriptor);
  void add(std::string option);
  void add(std::string option, std::string value);
  // Opens the file as a descriptor set that the QEMU path /dev/fdset/<n> stands for; returns that
  // path. The read-only copy lets the node be reopened read-only when a snapshot covers it.
  enum class Access { read_only, read_write, device };  // device: read-write alone
  std::string fdset(const std::string& path, Access access);
  // A plain descriptor, reachable as /proc/self/fd/<n>; returns that path.
  std::string descriptor_path(const std::string& path);

  // A device that QEMU takes as a descriptor; returns its number in QEMU's process.
  int descriptor(const std::string& path) { return open({.path = path, .writable = true}); }

  // Something that is open already; returns its number in QEMU's process.
  int hand_over(std::string name, std::shared_ptr<Descriptor> opened) {
    return open({.path = std::move(name), .opened = std::move(opened)});
  }

  // What was added as a device.
  const std::vector<std::string>& devices() const { return devices_; }
  std::vector<std::string> take_words() { return std::move(words_); }
  std::vector<OpenFile> take_files() { return std::move(files_); }

 private:
  int open(OpenFile file);
  void add_to_set(int set, const OpenFile& file);

  std::vector<std::string> words_;
  std::vector<std::string> devices_;
  std::vector<OpenFile> files_;
  int next_descriptor_;
  int next_set_ = 1;
};

// In QEMU's "key=value,key=value" words a comma in a value is written twice.
std::string escaped(std::string_view value);

}  // namespace ruche::drivers::qemu
