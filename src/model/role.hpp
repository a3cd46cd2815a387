// What somebody may do: each role may do what the ones before it may.
#pragma once

#include "base/reflect.hpp"

namespace ruche::model {

enum class Role { viewer, operator_, administrator };
constexpr auto describe(Type<Role>) {
  return enumeration<Role>(
      "Role", "What somebody may do.", value(Role::viewer, "viewer", "Look at everything."),
      value(Role::operator_, "operator", "Work with virtual machines and images, too."),
      value(Role::administrator, "administrator", "Everything."));
}

}  // namespace ruche::model
