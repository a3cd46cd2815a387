#include "drivers/linux/cgroups.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/descriptor.hpp"
#include "base/error.hpp"

namespace ruche::drivers::linux {

namespace {

constexpr std::int64_t kCpuPeriodMicroseconds = 100'000;
constexpr std::uint32_t kUsualWeight = 100;  // of a group that nobody gave one

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
bool writable(const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }

[[noreturn]] void fail(const std::string& path) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", path, std::strerror(errno)))
      .remedy("check the control groups of this host (`ruche host show`)");
}

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) fail(path);
}

void write_file(const std::string& path, const std::string& value) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.open()) fail(path);
  if (::write(file.get(), value.data(), value.size()) < 0) fail(path);
}

void check_name(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
    throw Error(Reason::bad_request, fmt::format("'{}' cannot name a control group", name));
  }
}

}  // namespace

std::uint32_t cgroup_version(const std::string& mount) {
  std::ifstream file(mount + "/cgroup.controllers");
  std::string controller;
  while (file >> controller) {
    if (controller == "memory") return 2;
  }
  return ::access((mount + "/memory/cgroup.procs").c_str(), F_OK) == 0 ? 1 : 0;
}

Cgroups::Cgroups(Options options) : options_(std::move(options)) {
  // A delegated group that systemd has removed, because it was empty, can be made again.
  const auto parent = options_.mount.substr(0, options_.mount.rfind('/'));
  if (!exists(options_.mount) && cgroup_version(parent) == 2) {
    ::mkdir(options_.mount.c_str(), 0755);
  }
  const auto version = cgroup_version(options_.mount);
  if (version == 2) {
    if (writable(options_.mount + "/cgroup.subtree_control")) controllers_ = {""};
  } else if (version == 1) {
    for (const auto* controller : {"memory", "pids", "cpu"}) {
      if (writable(fmt::format("{}/{}", options_.mount, controller))) {
        controllers_.emplace_back(controller);
      }
    }
    if (controllers_.empty() || controllers_.front() != "memory") controllers_.clear();
  }
  version_ = controllers_.empty() ? 0 : version;
}

std::string Cgroups::directory(const std::string& controller, const std::string& name) const {
  auto path = options_.mount;
  if (!controller.empty()) path += "/" + controller;
  path += "/ruche-" + options_.instance;
  if (!name.empty()) path += "/" + name;
  return path;
}

void Cgroups::set(const std::string& controller, const std::string& name, const std::string& file,
                  const std::string& value) const {
  const auto directory_path = directory(version_ == 2 ? "" : controller, name);
  write_file(directory_path + "/" + file, value);
}

// A group of v2 has only the controllers that every group above it hands down. systemd removes a
// delegated group when it is empty; it is made again.
void Cgroups::make_v2_root() const {
  make_directory(options_.mount);
  write_file(options_.mount + "/cgroup.subtree_control", "+memory +pids +cpu");
  make_directory(directory("", ""));
  write_file(directory("", "") + "/cgroup.subtree_control", "+memory +pids +cpu");
}

namespace {

bool uses_cpu_group(const ports::Confinement& confinement) {
  return confinement.cpu_percent || confinement.cpu_weight != kUsualWeight;
}

// The scale of version 1 has 1024 where that of version 2 has 100.
std::uint64_t shares_of(std::uint32_t weight) {
  return std::clamp<std::uint64_t>(std::uint64_t{weight} * 1024 / kUsualWeight, 2, 262'144);
}

}  // namespace

std::vector<std::string> Cgroups::make(const std::string& name,
                                       const ports::Confinement& confinement) {
  check_name(name);
  std::vector<std::string> joined;
  if (!usable()) return joined;
  if (version_ == 2) make_v2_root();
  for (const auto& controller : controllers_) {
    if (controller == "cpu" && !uses_cpu_group(confinement)) continue;
    make_directory(directory(controller, ""));
    make_directory(directory(controller, name));
    joined.push_back(directory(controller, name));
  }
  const auto has = [&](std::string_view controller) {
    if (version_ == 2) return true;
    return std::find(controllers_.begin(), controllers_.end(), controller) != controllers_.end();
  };
  if (confinement.memory_max) {
    set("memory", name, version_ == 2 ? "memory.max" : "memory.limit_in_bytes",
        std::to_string(confinement.memory_max->count));
  }
  if (confinement.pids_max && has("pids")) {
    set("pids", name, "pids.max", std::to_string(*confinement.pids_max));
  }
  if (confinement.cpu_percent && has("cpu")) {
    const auto quota = kCpuPeriodMicroseconds * *confinement.cpu_percent / 100;
    if (version_ == 2) {
      set("cpu", name, "cpu.max", fmt::format("{} {}", quota, kCpuPeriodMicroseconds));
    } else {
      set("cpu", name, "cpu.cfs_period_us", std::to_string(kCpuPeriodMicroseconds));
      set("cpu", name, "cpu.cfs_quota_us", std::to_string(quota));
    }
  }
  // A wish, not a wall: where this controller is not ours to use the guest runs as all others do.
  if (confinement.cpu_weight != kUsualWeight && has("cpu")) {
    if (version_ == 2) {
      const auto file = directory("", name) + "/cpu.weight";
      if (::access(file.c_str(), F_OK) != 0) return joined;
      set("cpu", name, "cpu.weight", std::to_string(confinement.cpu_weight));
    } else {
      set("cpu", name, "cpu.shares", std::to_string(shares_of(confinement.cpu_weight)));
    }
  }
  return joined;
}

std::string Cgroups::path(const std::string& name) const {
  if (!usable() || name.empty()) return {};
  return directory(controllers_.front(), name);
}

void Cgroups::remove(const std::string& name) {
  check_name(name);
  for (const auto& controller : controllers_) {
    const auto path = directory(controller, name);
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) continue;
    if (errno == EBUSY) throw Error(Reason::in_use, path + " still holds a process");
    fail(path);
  }
  remove_instance();
}

void Cgroups::remove_instance() {
  for (const auto& controller : controllers_) ::rmdir(directory(controller, "").c_str());
}

}  // namespace ruche::drivers::linux
