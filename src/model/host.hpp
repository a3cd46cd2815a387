// Hosts and their ledgers.
#pragma once

#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class Accelerator { kvm, tcg };

// hosts/<id>/spec
struct Host {
  HostId id;
  std::string name;
  Timestamp created_at;
};

// hosts/<id>/status: written by the host itself.
struct HostStatus {
  std::string version;  // of ruched
  std::string kernel;
  std::string boot_id;
  std::string cpu_model;
  std::uint32_t sockets = 1;
  std::uint32_t cores = 1;
  std::uint32_t threads = 1;  // of the whole host
  std::uint32_t cpu_level = 1;  // x86-64-v<level>, as the processor shows
  Bytes memory;
  Accelerator accelerator = Accelerator::tcg;
  std::string accelerator_reason;
  std::string qemu_version;
  std::uint32_t cgroup_version = 0;  // 1, 2, or 0: none usable
  std::vector<std::string> features;
  friend bool operator==(const HostStatus&, const HostStatus&) = default;
};

// hosts/<id>/ledger: totals, constant in size. Every admission compares its revision.
struct Ledger {
  Bytes memory_total;  // what guests may have: the host's memory less what the host itself needs
  Bytes memory_reserved;
  std::uint32_t cpus_total = 0;  // threads × the overcommit setting
  std::uint32_t cpus_reserved = 0;
  std::uint64_t generation = 0;
};

// settings/cluster
struct Settings {
  std::uint32_t cpu_overcommit = 4;     // virtual CPUs per hardware thread
  Bytes host_memory_reserve = mib(512);  // kept for the host itself
  Duration recycle_bin = std::chrono::hours(24 * 7);
  Bytes datastore_low_space = mib(512);  // below this nothing new is allocated
  Bytes image_size_limit = gib(1024);    // of an image's file and of its disk
  Duration upload_expiry = std::chrono::hours(24);
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Accelerator>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Host>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostStatus>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Ledger>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Settings>();
