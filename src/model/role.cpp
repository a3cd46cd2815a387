#include "model/role.hpp"

namespace ruche::model {

constexpr auto describe(Type<Role>) {
  return enumeration<Role>(
      "Role", "What somebody may do.", value(Role::viewer, "viewer", "Look at everything."),
      value(Role::operator_, "operator", "Work with virtual machines and images, too."),
      value(Role::administrator, "administrator", "Everything."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::Role>();
