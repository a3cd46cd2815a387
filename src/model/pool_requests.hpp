// What users ask of resource pools.
#pragma once

#include <string>

#include "base/reflect.hpp"
#include "model/pool.hpp"

namespace ruche::model {

struct CreatePool {
  std::string name;
  std::string description;
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes storage;
  std::uint32_t reserve_cpus = 0;
  Bytes reserve_memory;
  std::uint32_t shares = kUsualShares;
};
constexpr auto describe(Type<CreatePool>) {
  using C = CreatePool;
  return structure<C>(
      "CreatePool", "A resource pool to make.",
      field<&C::name>("name", "Unique name.",
                      {.required = true, .format = "name", .positional = true, .example = "dev"}),
      field<&C::description>("description", "Notes.", {.max_length = 4096}),
      field<&C::cpus>("cpus", "Virtual CPUs that its running VMs may have together; 0: no limit.",
                      {.example = "8"}),
      field<&C::memory>("memory_bytes",
                        "Memory that its running VMs may have together, with overhead; 0: no "
                        "limit.",
                        {.example = "16GiB"}),
      field<&C::storage>("storage_bytes",
                         "Capacity that the disks of all its VMs may have together; 0: no limit.",
                         {.example = "200GiB"}),
      field<&C::reserve_cpus>("reserve_cpus",
                              "Virtual CPUs that the host keeps for it, running or not."),
      field<&C::reserve_memory>("reserve_memory_bytes",
                                "Memory that the host keeps for it, running or not.",
                                {.example = "4GiB"}),
      field<&C::shares>("shares",
                        "Weight of each virtual CPU where VMs compete; without a pool it is 100. "
                        "Counts from a VM's next start.",
                        {.min = 1, .max = kMostShares}));
}

// The editable part of a pool; PATCH merges into it.
struct PoolEdit {
  std::string name;
  std::string description;
  std::uint32_t cpus = 0;
  Bytes memory;
  Bytes storage;
  std::uint32_t reserve_cpus = 0;
  Bytes reserve_memory;
  std::uint32_t shares = kUsualShares;
};
constexpr auto describe(Type<PoolEdit>) {
  using E = PoolEdit;
  return structure<E>(
      "PoolEdit", "What can be changed of a resource pool.",
      field<&E::name>("name", "Unique name.", {.format = "name"}),
      field<&E::description>("description", "Notes.", {.max_length = 4096}),
      field<&E::cpus>("cpus", "Virtual CPUs that its running VMs may have together; 0: no limit."),
      field<&E::memory>("memory_bytes",
                        "Memory that its running VMs may have together, with overhead; 0: no "
                        "limit."),
      field<&E::storage>("storage_bytes",
                         "Capacity that the disks of all its VMs may have together; 0: no limit."),
      field<&E::reserve_cpus>("reserve_cpus",
                              "Virtual CPUs that the host keeps for it, running or not."),
      field<&E::reserve_memory>("reserve_memory_bytes",
                                "Memory that the host keeps for it, running or not."),
      field<&E::shares>("shares",
                        "Weight of each virtual CPU where VMs compete. Counts from a VM's next "
                        "start.",
                        {.min = 1, .max = kMostShares}));
}

struct PoolRef {
  std::string pool;
};
constexpr auto describe(Type<PoolRef>) {
  return structure<PoolRef>(
      "PoolRef", "A resource pool.",
      field<&PoolRef::pool>(
          "pool", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "dev"}));
}

}  // namespace ruche::model
