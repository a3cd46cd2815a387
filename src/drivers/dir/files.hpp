// Blocking file operations with errors in our words. Everything here runs on a datastore's lane.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "model/image_format/sample.hpp"

namespace ruche::drivers::dir {

// An open descriptor, closed with this object.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  ~Fd() { reset(); }
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  void reset();

 private:
  int number_ = -1;
};

// What errno means here: a full disk is not_enough_space, a file system that went away is
// datastore_unavailable, all else io_failed.
Error os_error(std::string what, int error);

// Throws os_error; a name that does not exist gives an empty Fd.
Fd open_existing(int directory, const std::string& name, int flags);
Fd create_new(int directory, const std::string& name);
Fd open_directory(int parent, const std::string& name);  // empty when absent
// Opened, or made (mode 0700) and recorded durably in its parent first.
Fd make_directory(int parent, const std::string& name);

std::optional<struct stat> status_of(int directory, const std::string& name);
struct stat status_of_open(int file);
std::vector<std::string> names_in(int directory);  // sorted, without . and ..

void write_all(int file, std::span<const std::uint8_t> bytes, std::uint64_t offset);
// Returns how much there was.
std::size_t read_up_to(int file, std::span<std::uint8_t> bytes, std::uint64_t offset);
std::string read_text(int file, std::size_t limit);
void set_size(int file, std::uint64_t size);
void sync(int file, std::string_view what);
void rename_in(int directory, const std::string& from, const std::string& to);
void remove_file(int directory, const std::string& name);  // absent is fine
// With all that is in it, at most so many levels of directories; absent is fine. Links are not
// followed.
void remove_tree(int parent, const std::string& name, int levels = 4);
// Temporary (`name`.partial), fsync, rename, fsync of the directory.
void replace_durably(int directory, const std::string& name, std::string_view content);

// QEMU guards an image by read locks on single bytes (block/file-posix.c): 100 + n while it uses
// permission n, 200 + n while it refuses permission n to others.
enum class ImageUse { any, writer };
// The image is open elsewhere with QEMU's locks; our own descriptors hold none.
bool in_use_elsewhere(int file, ImageUse use);

// What the parsers of model/image_format judge a file by.
struct SampleBytes {
  std::vector<std::uint8_t> head;
  std::vector<std::uint8_t> tail;
  std::uint64_t file_size = 0;
  model::image_format::Sample view() const { return {head, tail, file_size}; }
};
SampleBytes read_sample(int file);

}  // namespace ruche::drivers::dir
