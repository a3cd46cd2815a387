// Golden tests: tests/golden/<area>/<case>/{input.json,expected.txt}. What a pure function makes of
// the input must be the expected text, to the letter. UPDATE_GOLDEN=1 rewrites the expected files;
// a missing one fails.
#pragma once

#include <functional>
#include <string>

namespace ruche::golden {

// `render` turns the text of an input.json into the text to compare; it renders errors too. Each
// case of the area is checked (a GoogleTest failure names it); an area without cases fails.
void check_area(const std::string& area,
                const std::function<std::string(const std::string&)>& render);

}  // namespace ruche::golden
