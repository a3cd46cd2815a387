#include "copy_requests.hpp"

#include "core/snapshots/copy_plans.hpp"

namespace ruche::sim::requests {

using core::HostControl;

Request copy(model::CloneVm request) {
  return [=](HostControl& c) { return c.snapshots().clone({}, request); };
}
Request copy(std::string vm, std::string name, bool linked) {
  model::CloneVm request;
  request.vm = std::move(vm);
  request.name = std::move(name);
  request.linked = linked;
  return copy(request);
}
Request from_template(model::CreateVm request) {
  return copy(core::plans::copy_of_template(request));
}
Request make_template(std::string vm, bool undo) {
  return [=](HostControl& c) { return c.snapshots().make_template({}, {vm, undo}); };
}
Request set_schedule(model::SetSchedule request) {
  return [=](HostControl& c) { return c.snapshots().set_schedule({}, request); };
}
Request remove_schedule(std::string vm, std::string schedule) {
  return [=](HostControl& c) { return c.snapshots().remove_schedule({}, {vm, schedule}); };
}

}  // namespace ruche::sim::requests
