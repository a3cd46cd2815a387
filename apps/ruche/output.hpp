// What people see: tables, details of one object, colours on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "methods/method.hpp"
#include "values.hpp"

namespace ruche::cli {

struct Look {
  bool colours = false;
  Timestamp now;
};

// "running" green, "crashed" red, …; other words as they are.
std::string coloured_state(std::string_view state, const Look& look);

// `page` is a decoded Page<Item> of the method.
std::string table_text(const methods::Method& method, const AnyObject& page, const Look& look);
// Any object as indented lines.
std::string details_text(const TypeInfo& type, const void* object, const Look& look);

// JSON with line ends and two spaces, its members as they came.
std::string pretty_json(std::string_view json);

// Columns that a text takes on a terminal: code points, for what Ruche prints.
std::size_t display_width(std::string_view text);
std::string padded(std::string_view text, std::size_t width, bool right = false);

}  // namespace ruche::cli
