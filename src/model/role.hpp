// What somebody may do: each role may do what the ones before it may.
#pragma once

#include "base/reflect.hpp"

namespace ruche::model {

enum class Role { viewer, operator_, administrator };

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::Role>();
