// From flags to JSON and from values to text for people, both by type tables.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/reflect.hpp"

namespace ruche::cli {

// "memory_bytes" → "memory", "disks" with flag "disk" → "disk".
std::string flag_name(const FieldInfo& field);
// The type under an optional, and the item of a list.
const TypeInfo& plain_type(const TypeInfo& type);
bool is_list(const FieldInfo& field);

// What the help shows for a value: SIZE, DURATION, NAME, {a|b}, "size=SIZE,bus={…}".
std::string value_hint(const TypeInfo& type, std::string_view format);

// What a file holds ("-": standard input), at most 1 MiB. The error says what is wrong with it.
std::expected<std::string, std::string> file_text(const std::string& path);
// One value of a flag as JSON: 256MiB, 30s, sata, size=4GiB,bus=sata, 8080:80. `patch`: "none"
// takes an optional value away. The error says what was expected.
std::expected<std::string, std::string> json_of(const TypeInfo& type, std::string_view text,
                                                bool patch = false);
// The same for a query parameter.
std::expected<std::string, std::string> query_text_of(const TypeInfo& type, std::string_view text);

// An object of any described type.
class AnyObject {
 public:
  explicit AnyObject(const TypeInfo& type);
  ~AnyObject();
  AnyObject(const AnyObject&) = delete;
  AnyObject& operator=(const AnyObject&) = delete;
  const TypeInfo& type() const { return type_; }
  void* get() { return storage_.get(); }
  const void* get() const { return storage_.get(); }

 private:
  const TypeInfo& type_;
  std::unique_ptr<std::max_align_t[]> storage_;
};

// A value inside an object; null value: absent.
struct ValueRef {
  const TypeInfo* type = nullptr;
  const void* value = nullptr;
  explicit operator bool() const { return value != nullptr; }
};
// "status.state"; looks through optionals.
ValueRef find_value(const TypeInfo& type, const void* object, std::string_view path);

// For people: "256 MiB", "running", "yes", "a, b"; a structure on one line.
std::string human_text(ValueRef value);
// "3 s", "5 min", "2 h", "12 d"; "soon" for the future.
std::string age_text(Timestamp then, Timestamp now);
// "3 min ago", "in 12 d".
std::string distance_text(Timestamp then, Timestamp now);

}  // namespace ruche::cli
