// A copy of a file in steps of bounded work, so that a long copy leaves the lane to others between
// its steps. Blocks are shared where the file system can (FICLONE, ioctl_ficlone(2)) and holes stay
// holes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sha256.hpp"
#include "drivers/dir/files.hpp"

namespace ruche::drivers::dir {

class FileCopy {
 public:
  // Both descriptors stay open and unchanged meanwhile; the target is empty.
  FileCopy(Fd source, Fd target, bool with_checksum);
  // Copies nothing: the file is its own copy, and only its checksum is taken.
  explicit FileCopy(Fd file);

  // At most a few MiB of work; true when all is copied (not yet flushed).
  bool step();
  std::uint64_t done() const { return position_; }
  std::uint64_t size() const { return size_; }
  bool shared_blocks() const { return shared_; }
  // sha256:<hex> of what is in the target; once, after the last step.
  std::string checksum();
  const Fd& target() const { return target_; }

 private:
  void copy_data(std::uint64_t until);
  void pass_hole(std::uint64_t until);

  Fd source_;
  Fd target_;
  std::optional<Sha256> hash_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
  bool shared_ = false;
};

}  // namespace ruche::drivers::dir
