// A real datastore in a temporary directory, with the real jail and the real qemu-img.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/random.hpp"
#include "drivers/dir/dir_driver.hpp"
#include "drivers/linux/processes.hpp"

namespace ruche::contract {

// Runs a command line of the test's own making; what it printed, or an exception.
inline std::string shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::string output;
  char buffer[4096];
  while (const auto got = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
  const int status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

// Nobody has this user id here.
constexpr std::uint32_t kHelperUser = 912'345;

struct DirPlace {
  DirPlace() {
    const char* base = ::getenv("TMPDIR");
    directory = std::string(base == nullptr ? "/tmp" : base) + "/ruche-volumes-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) throw std::runtime_error("mkdtemp");
    const auto random = system_random();
    datastore.id = {make_uuid7({1'800'000'000'000}, *random)};
    datastore.name = "local";
    datastore.path = directory + "/place";
    if (::geteuid() == 0) options.helper_user = options.helper_group = kHelperUser;
    options.reserve = mib(1);
  }
  ~DirPlace() {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  }
  DirPlace(const DirPlace&) = delete;
  DirPlace& operator=(const DirPlace&) = delete;
  std::string path(const std::string& name) const { return directory + "/" + name; }

  std::string directory;
  model::Datastore datastore;
  drivers::dir::DirOptions options;
};

// What a daemon has of it.
struct DirDaemon {
  explicit DirDaemon(const DirPlace& place)
      : processes(drivers::linux::linux_processes(
            {std::string(RUCHE_BINARY_DIR) + "/bin/jail", "contract", "/sys/fs/cgroup"})),
        drivers(loop.clock(), log, *processes, place.options),
        driver(drivers.open(place.datastore)) {}

  Loop loop;
  MemoryLog log;
  std::unique_ptr<ports::Processes> processes;
  drivers::dir::DirDrivers drivers;
  std::unique_ptr<ports::VolumeDriver> driver;
};

inline ports::VolumeRef numbered_disk(std::uint8_t number,
                                      model::DiskFormat format = model::DiskFormat::qcow2) {
  ports::VolumeRef volume;
  volume.owner.bytes[15] = 1;
  volume.layer.value.bytes[15] = number;
  volume.format = format;
  return volume;
}

// Regular files below owners' directories. A driver may be at work in them: what vanishes
// while it is looked at ends the walk early, and only that.
inline std::vector<std::string> files_in(const std::string& root) {
  std::vector<std::string> found;
  std::error_code vanished;
  const std::filesystem::recursive_directory_iterator end;
  for (std::filesystem::recursive_directory_iterator entry(root, vanished); entry != end;
       entry.increment(vanished)) {
    if (entry->is_directory(vanished) || entry->path().parent_path() == root) continue;
    found.push_back(entry->path().lexically_relative(root));
  }
  return found;
}

}  // namespace ruche::contract
