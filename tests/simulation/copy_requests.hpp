// Requests of simulated clients about copies, templates and schedules.
#pragma once

#include "sim_client.hpp"

namespace ruche::sim::requests {

Request copy(model::CloneVm request);
Request copy(std::string vm, std::string name, bool linked = false);
// As the API takes a creation that names a template.
Request from_template(model::CreateVm request);
Request make_template(std::string vm, bool undo = false);
Request set_schedule(model::SetSchedule request);
Request remove_schedule(std::string vm, std::string schedule);

}  // namespace ruche::sim::requests
