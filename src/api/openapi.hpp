// The OpenAPI 3.1 document, made from the method records and the type tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "methods/method.hpp"

namespace ruche::api {

std::string openapi_document(const std::vector<methods::Method>& methods, std::string_view version);

}  // namespace ruche::api
