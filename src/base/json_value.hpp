// Raw JSON values, for the rooms that may look at them: net, core/documents and drivers that speak
// JSON with a foreign program. Everyone else decodes into described types (base/json.hpp).
#pragma once

#include <boost/json.hpp>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"

namespace ruche::json {

using Value = boost::json::value;
using Object = boost::json::object;
using Array = boost::json::array;

// Refuses (malformed_json, too_long) what exceeds the limits; the message says line and column.
Value parse(std::string_view text, const DecodeOptions& options = {},
            boost::json::storage_ptr storage = {});

}  // namespace ruche::json
