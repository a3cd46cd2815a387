#include "drivers/qemu/arguments.hpp"

#include <fmt/format.h>

namespace ruche::drivers::qemu {

Arguments::Arguments(std::string program, int first_free_descriptor)
    : next_descriptor_(first_free_descriptor) {
  words_.push_back(std::move(program));
}

void Arguments::add(std::string option) { words_.push_back(std::move(option)); }

void Arguments::add(std::string option, std::string value) {
  if (option == "-device") devices_.push_back(value);
  words_.push_back(std::move(option));
  words_.push_back(std::move(value));
}

int Arguments::open(OpenFile file) {
  file.number = next_descriptor_++;
  files_.push_back(std::move(file));
  return files_.back().number;
}

// The opaque text is for people, and for a benchmark that wants to run the same line itself.
void Arguments::add_to_set(int set, const OpenFile& file) {
  const int number = open(file);
  add("-add-fd", fmt::format("fd={},set={},opaque={}:{}", number, set, file.writable ? "rw" : "ro",
                             escaped(file.path)));
}

std::string Arguments::fdset(const std::string& path, Access access) {
  const int set = next_set_++;
  if (access != Access::read_only) add_to_set(set, {.path = path, .writable = true});
  if (access != Access::device) add_to_set(set, {.path = path, .writable = false});
  return fmt::format("/dev/fdset/{}", set);
}

std::string Arguments::descriptor_path(const std::string& path) {
  return fmt::format("/proc/self/fd/{}", open({.path = path, .by_path = true}));
}

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    out += c;
    if (c == ',') out += c;
  }
  return out;
}

}  // namespace ruche::drivers::qemu
