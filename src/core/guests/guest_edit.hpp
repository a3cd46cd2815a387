// The editable part of a guest, taken out of its document and put back; pure.
#pragma once

#include "model/guest.hpp"
#include "model/requests.hpp"

namespace ruche::core {

model::VmEdit editable(const model::Guest& guest);
void apply_edit(model::Guest& guest, const model::VmEdit& edit);
// All that a change of any kind may touch, and back.
model::GuestConfiguration configuration_of(const model::Guest& guest);
// The export beside its volumes: all but what is secret.
std::string configuration_note(model::Guest guest);
void restore_configuration(model::Guest& guest, const model::GuestConfiguration& before);

}  // namespace ruche::core
