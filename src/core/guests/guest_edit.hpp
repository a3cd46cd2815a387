// The editable part of a guest, taken out of its document and put back; pure.
#pragma once

#include "model/guest.hpp"
#include "model/requests.hpp"

namespace ruche::core {

model::VmEdit editable(const model::Guest& guest);
void apply_edit(model::Guest& guest, const model::VmEdit& edit);

}  // namespace ruche::core
