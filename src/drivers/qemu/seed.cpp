#include "drivers/qemu/seed.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace ruche::drivers::qemu {

namespace {

struct Free {
  void operator()(archive* a) const { archive_write_free(a); }
  void operator()(archive_entry* e) const { archive_entry_free(e); }
};
using Archive = std::unique_ptr<archive, Free>;
using Entry = std::unique_ptr<archive_entry, Free>;

[[noreturn]] void fail(const char* what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

void check(archive* a, int result) {
  if (result >= ARCHIVE_WARN) return;
  const char* why = archive_error_string(a);
  throw Error(Reason::io_failed,
              fmt::format("making the guest's seed: {}", why != nullptr ? why : "unknown"));
}

la_ssize_t collect(archive*, void* image, const void* bytes, size_t count) {
  static_cast<std::string*>(image)->append(static_cast<const char*>(bytes), count);
  return static_cast<la_ssize_t>(count);
}

void add_file(archive* a, const ports::SeedFile& file) {
  const Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), file.name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(file.content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0400);
  archive_entry_set_mtime(entry.get(), 0, 0);
  check(a, archive_write_header(a, entry.get()));
  const auto written = archive_write_data(a, file.content.data(), file.content.size());
  if (written < 0) check(a, ARCHIVE_FATAL);
}

}  // namespace

// Rock Ridge and Joliet, which are libarchive's standard, keep the names as they are. The label
// comes out as "CIDATA"; cloud-init takes both.
std::string make_seed_image(const std::vector<ports::SeedFile>& files) {
  std::string image;
  const Archive writer(archive_write_new());
  archive* a = writer.get();
  check(a, archive_write_set_format_iso9660(a));
  check(a, archive_write_set_options(a, "iso9660:volume-id=cidata"));
  check(a, archive_write_set_bytes_in_last_block(a, 1));
  check(a, archive_write_open(a, &image, nullptr, collect, nullptr));
  for (const auto& file : files) add_file(a, file);
  check(a, archive_write_close(a));
  return image;
}

Descriptor make_seed(const std::vector<ports::SeedFile>& files) {
  auto image = make_seed_image(files);
  const Descriptor memory(::memfd_create("seed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.open() || ::fchmod(memory.get(), 0600) != 0) fail("memfd_create");
  for (std::size_t at = 0; at < image.size();) {
    const auto written = ::write(memory.get(), image.data() + at, image.size() - at);
    if (written < 0 && errno != EINTR) fail("writing the guest's seed");
    if (written > 0) at += static_cast<std::size_t>(written);
  }
  wipe(image);
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) fail("sealing the guest's seed");
  Descriptor readable(
      ::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.open()) fail("opening the guest's seed");
  return readable;
}

}  // namespace ruche::drivers::qemu
