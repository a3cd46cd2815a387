// The blocking file work of a build. What the tools' user wrote is opened without following links.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "drivers/mirror/apt_sources.hpp"
#include "drivers/mirror/kernel_modules.hpp"

namespace ruche::drivers::mirror {

// Made with its parents (mode 0700) and given to the user when that is not 0.
void make_folder(const std::string& path, std::uint32_t user, std::uint32_t group);
void remove_folder(const std::string& path);
bool exists(const std::string& path);
// The whole file; io_failed when it is not a regular file of at most `limit`.
std::string read_file(const std::string& path, Bytes limit);
void write_file(const std::string& path, std::string_view content);
void rename_file(const std::string& from, const std::string& to);
void copy_file(const std::string& from, const std::string& to);
void make_sparse_file(const std::string& path, Bytes size);
// Writes in a file that is there already.
void write_at(const std::string& path, std::string_view content, std::int64_t offset);
// The end of a file that may still grow.
std::string read_tail(const std::string& path, Bytes limit);
void give_file(const std::string& path, std::uint32_t user, std::uint32_t group);
// Makes what somebody else wrote ours; io_failed when it is no plain file of at most `limit`.
void take_file(const std::string& path, Bytes limit);
// The same file under a second name where that goes.
void link_or_copy(const std::string& from, const std::string& to);
// Removes the folders whose names begin so.
void remove_folders(const std::string& parent, std::string_view prefix);
// Removes what a daemon that was killed left of its helpers and of a result that was not complete.
void remove_leftovers(const std::string& cache);
// not_enough_space when less is free there.
void require_free(const std::string& directory, Bytes needed);

// The codename of the Debian that this machine runs; empty when it runs something else.
std::string debian_codename();
// The files that apt reads its sources from.
std::vector<AptFile> read_apt_files();

// When the file or directory last changed, for comparison only; 0 when it is not there.
std::int64_t changed_at(const std::string& path);

// The kernel's file and its modules in an unpacked kernel package; modules may be compressed.
struct UnpackedKernel {
  std::string image;                           // path of boot/vmlinuz-…
  std::map<std::string, std::string> modules;  // path by name
};
UnpackedKernel find_kernel(const std::string& folder);
// Where busybox is in its unpacked package: bin/ or, since the merge, usr/bin/.
std::string find_busybox(const std::string& folder);

}  // namespace ruche::drivers::mirror
