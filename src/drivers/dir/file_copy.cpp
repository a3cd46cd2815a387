#include "drivers/dir/file_copy.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace ruche::drivers::dir {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::uint64_t kStep = std::uint64_t{4} << 20;
// Hashing zeros that nobody reads is quicker than reading data.
constexpr std::uint64_t kHoleStep = std::uint64_t{16} << 20;

// Where the next data begins and ends; a file system that knows no holes has data everywhere.
std::pair<std::uint64_t, std::uint64_t> next_data(int file, std::uint64_t from,
                                                  std::uint64_t size) {
  const off_t data = ::lseek(file, static_cast<off_t>(from), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? std::pair{size, size} : std::pair{from, size};
  const off_t hole = ::lseek(file, data, SEEK_HOLE);
  const auto end = hole < 0 ? size : static_cast<std::uint64_t>(hole);
  return {static_cast<std::uint64_t>(data), std::min(end, size)};
}

}  // namespace

FileCopy::FileCopy(Fd source, Fd target, bool with_checksum)
    : source_(std::move(source)), target_(std::move(target)) {
  size_ = static_cast<std::uint64_t>(status_of_open(source_.get()).st_size);
  if (with_checksum) hash_.emplace();
  shared_ = ::ioctl(target_.get(), FICLONE, source_.get()) == 0;
  if (!shared_) {
    set_size(target_.get(), size_);
    return;
  }
  // What was cloned is what is hashed: the source may go on changing. It has one size only.
  size_ = static_cast<std::uint64_t>(status_of_open(target_.get()).st_size);
  source_ = Fd(::dup(target_.get()));
  if (!source_) throw os_error("cannot duplicate a descriptor", errno);
  if (!hash_) position_ = size_;
}

FileCopy::FileCopy(Fd file) : source_(::dup(file.get())), target_(std::move(file)) {
  if (!source_) throw os_error("cannot duplicate a descriptor", errno);
  size_ = static_cast<std::uint64_t>(status_of_open(target_.get()).st_size);
  hash_.emplace();
  shared_ = true;
}

bool FileCopy::step() {
  if (position_ >= size_) return true;
  const auto [data, end] = next_data(source_.get(), position_, size_);
  if (data > position_) {
    pass_hole(std::min(data, position_ + kHoleStep));
  } else {
    copy_data(std::min({end, size_, position_ + kStep}));
  }
  return position_ >= size_;
}

void FileCopy::copy_data(std::uint64_t until) {
  buffer_.resize(kPiece);
  while (position_ < until) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, until - position_));
    const auto have = read_up_to(source_.get(), {buffer_.data(), wanted}, position_);
    if (have < wanted) {
      throw Error(Reason::image_refused, "the source became shorter while it was read")
          .remedy("Try again when nobody writes to it.");
    }
    const std::span<const std::uint8_t> piece(buffer_.data(), have);
    if (!shared_) write_all(target_.get(), piece, position_);
    if (hash_) hash_->add(piece);
    position_ += have;
  }
}

void FileCopy::pass_hole(std::uint64_t until) {
  if (hash_) {
    buffer_.assign(kPiece, 0);
    for (auto at = position_; at < until;) {
      const auto length = std::min<std::uint64_t>(kPiece, until - at);
      hash_->add({buffer_.data(), static_cast<std::size_t>(length)});
      at += length;
    }
  }
  position_ = until;
}

std::string FileCopy::checksum() { return "sha256:" + hash_->hex(); }

}  // namespace ruche::drivers::dir
