// `ruche vm show`, laid out for people.
#pragma once

#include <string>

#include "model/views.hpp"
#include "output.hpp"

namespace ruche::cli {

std::string vm_text(const model::VmView& vm, const Look& look);

}  // namespace ruche::cli
