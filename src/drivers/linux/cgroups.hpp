// Control groups of one instance, on cgroup v1 (a hierarchy per controller) and v2 (one for all).
// A confined process's group is <mount>[/<controller>]/ruche-<instance>/<name>. Where no hierarchy
// can be written (an ordinary user) nothing is limited and usable() says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ports/processes.hpp"

namespace ruche::drivers::linux {

// 2 with the memory controller on the unified hierarchy, 1 with it on its own, 0 without.
std::uint32_t cgroup_version(const std::string& mount);

class Cgroups {
 public:
  struct Options {
    std::string instance;                  // [a-z0-9-]+
    std::string mount = "/sys/fs/cgroup";  // or, on v2, a delegated subtree
  };
  explicit Cgroups(Options options);

  bool usable() const { return version_ != 0; }
  std::uint32_t version() const { return version_; }
  // Makes the group with its limits; returns the directories to join. Idempotent. Throws io_failed.
  std::vector<std::string> make(const std::string& name, const ports::Confinement& confinement);
  // The directory with the memory controller; empty when nothing is usable.
  std::string path(const std::string& name) const;
  // Removes it everywhere, and the instance's directories with the last one. Throws in_use when a
  // process is still inside.
  void remove(const std::string& name);
  // Removes the instance's own directories when no group is left in them.
  void remove_instance();

 private:
  std::string directory(const std::string& controller, const std::string& name) const;
  void set(const std::string& controller, const std::string& name, const std::string& file,
           const std::string& value) const;
  void make_v2_root() const;

  Options options_;
  std::uint32_t version_ = 0;
  std::vector<std::string> controllers_;  // v1: hierarchies; v2: one empty name
};

}  // namespace ruche::drivers::linux
