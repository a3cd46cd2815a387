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

struct PoolRef {
  std::string pool;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreatePool>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::PoolRef>();
