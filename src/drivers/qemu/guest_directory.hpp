// A guest's own directory below the instance's run directory: its runtime record, the sockets that
// QEMU listens on, QEMU's standard error, and the end of its serial output. Only the daemon's user
// enters it; QEMU gets descriptors. All functions block briefly: they run in a lane, but for reads
// of a few KiB.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.hpp"
#include "base/error.hpp"
#include "model/ids.hpp"

namespace ruche::drivers::qemu {

inline constexpr std::string_view kRecordFile = "record.json";
inline constexpr std::string_view kErrorFile = "stderr.log";
inline constexpr std::string_view kQmpSocket = "qmp";
inline constexpr std::string_view kAgentSocket = "agent";

class GuestDirectory {
 public:
  GuestDirectory(std::string run_directory, model::GuestId guest);

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  bool exists() const;
  // Throws io_failed, also when something is left there.
  void create();
  // Everything in it goes; nothing there is not an error.
  void remove();

  // A listening unix socket in this directory. However long the path is, the address is short
  // enough (sun_path holds 108 bytes), because it goes through /proc/self/fd.
  Descriptor listen(std::string_view name) const;
  // Something to hold open while `path` is used to connect.
  struct Address {
    Descriptor directory;
    std::string path;
  };
  Address address(std::string_view name) const;

  // Replaces a file: temporary, fsync when durable, rename, fsync of the directory when durable.
  enum class Durability { none, full };
  void write(std::string_view name, std::string_view content, Durability durability) const;
  // The whole file if it is a plain file of at most `limit` bytes; nullopt when there is none.
  // Throws document_unreadable for anything else.
  std::optional<std::string> read(std::string_view name, std::size_t limit) const;
  // The last bytes of a file, empty when there is none.
  std::string tail(std::string_view name, std::size_t limit) const;
  // Empties a log that has grown beyond `limit`.
  void trim(std::string_view name, std::size_t limit) const;

 private:
  Descriptor open_directory() const;

  std::string path_;
};

// The guests that have a directory here; other names are left alone.
std::vector<model::GuestId> list_guest_directories(const std::string& run_directory);

}  // namespace ruche::drivers::qemu
