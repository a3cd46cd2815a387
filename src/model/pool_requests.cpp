#include "model/pool_requests.hpp"

namespace ruche::model {

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

constexpr auto describe(Type<PoolRef>) {
  return structure<PoolRef>(
      "PoolRef", "A resource pool.",
      field<&PoolRef::pool>(
          "pool", "Name or id.",
          {.required = true, .format = "reference", .positional = true, .example = "dev"}));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::CreatePool>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolEdit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolRef>();
