// An initramfs as the kernel reads it: a cpio archive of the "newc" kind
// (Documentation/driver-api/early-userspace/buffer-format.rst). Pure and reproducible: everything
// belongs to root, has the time 0 and numbers in order of adding. No root is needed for devices.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ruche::drivers::mirror {

class CpioArchive {
 public:
  // Paths are relative, without a leading slash; parents are added before what is in them.
  void add_directory(std::string_view path, std::uint32_t permissions);
  void add_file(std::string_view path, std::uint32_t permissions, std::string_view content);
  void add_link(std::string_view path, std::string_view target);
  void add_character_device(std::string_view path, std::uint32_t permissions, std::uint32_t major,
                            std::uint32_t minor);
  void add_fifo(std::string_view path, std::uint32_t permissions);
  // The archive with its end; nothing may be added afterwards.
  std::string finish();

 private:
  struct Entry {
    std::uint32_t mode = 0;
    std::uint32_t links = 1;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
  };
  void add(std::string_view path, const Entry& entry, std::string_view content);

  std::string bytes_;
  std::uint32_t last_number_ = 0;
};

}  // namespace ruche::drivers::mirror
