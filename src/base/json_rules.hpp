// What decode, merge patch, validate and schema share: paths, and the rules that field options set
// for values. Internal to base.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/reflect.hpp"

namespace ruche::json {

inline constexpr std::size_t kDefaultTextLimit = 64 * 1024;
inline constexpr std::size_t kDefaultItemLimit = 100'000;

// Where a walk stands, as a JSON pointer (RFC 6901).
class Path {
 public:
  class Step {
   public:
    Step(Path& path, std::string_view name);
    Step(Path& path, std::size_t index);
    ~Step() { path_.text_.resize(length_); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

   private:
    Path& path_;
    std::size_t length_;
  };
  const std::string& text() const { return text_; }
  // An Error at this place: "/disks/0 is …"; at the root the sentence stands for "the value".
  Error error(Reason reason, std::string_view predicate) const;

 private:
  std::string text_;
};

const FieldOptions& no_options();

// Rules of one value; they throw an Error at the path.
void check_integer(const Path& path, const TypeInfo& type, const FieldOptions& options,
                   std::int64_t value);
void check_number(const Path& path, const FieldOptions& options, double value);
void check_text(const Path& path, const FieldOptions& options, std::string_view text);
void check_size(const Path& path, const FieldOptions& options, std::size_t items);

// The pattern of a format for JSON Schema, and its name there; empty where it has none.
std::string_view format_pattern(std::string_view format);
std::string_view standard_format(std::string_view format);

// "Did you mean …?", else the list of what would have been right.
std::string suggestion(std::string_view wrong, const std::vector<std::string_view>& right);

// Throws Error at the first value that breaks a rule.
void check_value(Path& path, const TypeInfo& type, const FieldOptions& options, const void* object);

}  // namespace ruche::json
