// The recipe `debian`: a whole Debian for clouds, of the host's own release. What is in it, and the
// script that makes the disk; how it is run is in debian_build.hpp. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/units.hpp"
#include "drivers/mirror/disk_table.hpp"

namespace ruche::drivers::mirror {

// What is asked of the package mirror, beside the essential packages and apt.
const std::vector<std::string>& debian_packages();

// The disk: GRUB's place for BIOS, a system partition for UEFI, the root file system last, so that
// it can grow.
constexpr Bytes kDebianDisk = gib(4);
DiskTable make_debian_table();

// Runs with sh in the directory that holds `sources.sources` and `disk.raw` with its table; leaves
// `disk.qcow2`. Needs to be root where it runs. $1 is the release's codename, $2 the packages,
// joined by commas.
std::string debian_script();

// What `apt-get -s install` would install: "name version" of each package, sorted.
std::vector<std::string> parse_simulation(std::string_view text);

// How far the script is, for people, from what it printed so far. `packages`: how many there are.
std::string debian_progress(std::string_view log, std::size_t packages);

// Why it failed: the last lines that say so.
std::string debian_failure(std::string_view log);

}  // namespace ruche::drivers::mirror
