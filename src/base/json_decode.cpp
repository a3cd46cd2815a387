#include "base/json_decode.hpp"

#include <fmt/format.h>

#include <cmath>

namespace ruche::json {
namespace {

// The name of a JSON type with its article, for sentences.
std::string_view kind_of(const Value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "a boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_:
      return "a number";
    case boost::json::kind::string:
      return "a text";
    case boost::json::kind::array:
      return "a list";
    case boost::json::kind::object:
      return "an object";
  }
  return "something else";
}

Error wrong_type(const Path& path, std::string_view wanted, const Value& value) {
  return path.error(Reason::wrong_type, fmt::format("must be {}, not {}", wanted, kind_of(value)));
}

FieldOptions element_rules(FieldOptions rules) {
  rules.max_length = 0;  // that was the container's
  return rules;
}

constexpr std::string_view kTag = "kind";

std::string position_of(std::string_view text, std::size_t offset) {
  std::size_t line = 1, column = 1;
  for (const char c : text.substr(0, offset)) {
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  return fmt::format("line {}, column {}", line, column);
}

}  // namespace

Value parse(std::string_view text, const DecodeOptions& options, boost::json::storage_ptr storage) {
  if (text.size() > options.max_bytes) {
    throw Error(Reason::too_long, fmt::format("the JSON text has {} bytes, at most {} are allowed",
                                              text.size(), options.max_bytes));
  }
  boost::json::parse_options limits;
  limits.max_depth = static_cast<std::size_t>(options.max_depth);
  boost::json::parser parser({}, limits);
  parser.reset(std::move(storage));
  boost::system::error_code failed;
  const std::size_t read = parser.write(text.data(), text.size(), failed);
  if (failed == boost::json::error::too_deep) {
    throw Error(Reason::malformed_json,
                fmt::format("the JSON text is nested more than {} deep", options.max_depth));
  }
  if (failed) {
    throw Error(Reason::malformed_json,
                fmt::format("not valid JSON at {}: {}", position_of(text, read), failed.message()));
  }
  return parser.release();
}

void Decoder::decode(const TypeInfo& type, const FieldOptions& rules, void* object,
                     const Value& value) {
  switch (type.shape) {
    case Shape::boolean:
      if (!value.is_bool()) throw wrong_type(path_, "true or false", value);
      return type.set_integer(object, value.get_bool() ? 1 : 0);
    case Shape::integer:
      return decode_integer(type, rules, object, value);
    case Shape::number:
      return decode_number(type, rules, object, value);
    case Shape::text:
      return decode_text(type, rules, object, value);
    case Shape::enumeration:
      return decode_enumeration(type, object, value);
    case Shape::structure:
      return decode_members(type, object, expect_object(type, value), false);
    case Shape::list:
      return decode_list(type, rules, object, value);
    case Shape::map:
      return decode_map(type, rules, object, value);
    case Shape::optional:
      if (value.is_null()) return type.clear(object);
      return decode(type.element(), rules, type.emplace(object), value);
    case Shape::variant: {
      const Object& members = expect_object(type, value);
      const std::size_t index = find_alternative(type, members);
      return decode_members(type.alternatives[index](), type.emplace_alternative(object, index),
                            members, true);
    }
    case Shape::raw: {
      const std::string text = value.is_null() ? std::string() : boost::json::serialize(value);
      const auto stored = type.set_text(object, text);
      if (!stored) throw path_.error(Reason::bad_format, stored.error());
      return;
    }
  }
}

const Object& Decoder::expect_object(const TypeInfo& type, const Value& value) const {
  if (!value.is_object()) {
    const auto wanted = type.name.empty() ? "an object" : fmt::format("an object ({})", type.name);
    throw wrong_type(path_, wanted, value);
  }
  return value.get_object();
}

// Null: unknown, and to be ignored.
const FieldInfo* Decoder::find_member(const TypeInfo& type, std::string_view name) const {
  const FieldInfo* const field = type.find_field(name);
  if (field == nullptr) {
    if (options_.unknown_fields == UnknownFields::ignore) return nullptr;
    std::vector<std::string_view> known;
    for (const FieldInfo& candidate : type.fields) {
      if (options_.allow_read_only || !candidate.options.read_only) known.push_back(candidate.name);
    }
    throw path_.error(Reason::unknown_field, "is not a field we know")
        .remedy(suggestion(name, known));
  }
  if (field->options.read_only && !options_.allow_read_only) {
    throw path_.error(Reason::read_only_field, "is filled by the server only")
        .remedy("Leave the field out.");
  }
  return field;
}

std::size_t Decoder::find_alternative(const TypeInfo& type, const Object& members) {
  const Path::Step step(path_, kTag);
  const Value* const tag = members.if_contains(kTag);
  std::vector<std::string> names;
  for (const auto& alternative : type.alternatives) names.push_back(kebab(alternative().name));
  const std::vector<std::string_view> views(names.begin(), names.end());
  if (tag == nullptr) {
    throw path_.error(Reason::missing_field, "is missing: it says which kind this is")
        .remedy(suggestion("", views));
  }
  if (!tag->is_string()) throw wrong_type(path_, "a text", *tag);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == tag->get_string()) return i;
  }
  throw path_
      .error(Reason::unknown_value,
             fmt::format("is {}, which is not a kind we know", quote(tag->get_string())))
      .remedy(suggestion(tag->get_string(), views));
}

void Decoder::check_required(const TypeInfo& type, const Object& members) const {
  for (const FieldInfo& field : type.fields) {
    if (!field.options.required) continue;
    const Value* const given = members.if_contains(field.name);
    if (given != nullptr && !given->is_null()) continue;
    if (given != nullptr && !patching_) continue;  // the member's own type refuses the null
    Path at = path_;
    const Path::Step step(at, field.name);
    throw at.error(Reason::missing_field, "is missing")
        .remedy(fmt::format("Give \"{}\": {}", field.name, field.doc));
  }
}

void Decoder::decode_members(const TypeInfo& type, void* object, const Object& members,
                             bool tagged) {
  for (const auto& [key, value] : members) {
    const std::string_view name(key.data(), key.size());
    if (tagged && name == kTag) continue;
    const Path::Step step(path_, name);
    const FieldInfo* const field = find_member(type, name);
    if (field == nullptr || (patching_ && value.is_null())) continue;
    decode(field->type(), field->options, field->get(object), value);
  }
  check_required(type, members);
}

void Decoder::decode_integer(const TypeInfo& type, const FieldOptions& rules, void* object,
                             const Value& value) const {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_uint64()) {
    throw path_.error(Reason::out_of_range,
                      fmt::format("is out of range: {} is too large", value.get_uint64()));
  } else if (value.is_double()) {
    // 1e3 and 2.0 are integers too; beyond 2^53 a double is not exact.
    const double wide = value.get_double();
    if (!(std::abs(wide) <= 0x1p53)) {
      throw path_.error(Reason::out_of_range, fmt::format("is out of range: {}", wide));
    }
    if (std::trunc(wide) != wide) {
      throw path_.error(Reason::wrong_type, "must be a whole number");
    }
    number = static_cast<std::int64_t>(wide);
  } else if (value.is_string() && type.format == "bytes") {
    throw path_.error(Reason::wrong_type, "must be a number of bytes, not a text");
  } else {
    throw wrong_type(path_, "a whole number", value);
  }
  check_integer(path_, type, rules, number);
  type.set_integer(object, number);
}

void Decoder::decode_number(const TypeInfo& type, const FieldOptions& rules, void* object,
                            const Value& value) const {
  double number = 0;
  if (value.is_double()) {
    number = value.get_double();
  } else if (value.is_int64()) {
    number = static_cast<double>(value.get_int64());
  } else if (value.is_uint64()) {
    number = static_cast<double>(value.get_uint64());
  } else {
    throw wrong_type(path_, "a number", value);
  }
  check_number(path_, rules, number);
  type.set_number(object, number);
}

void Decoder::decode_text(const TypeInfo& type, const FieldOptions& rules, void* object,
                          const Value& value) const {
  if (!value.is_string()) throw wrong_type(path_, "a text", value);
  const std::string_view text(value.get_string().data(), value.get_string().size());
  if (type.secret && text == kRedacted && !options_.allow_read_only) {
    throw path_.error(Reason::bad_format, "holds the mark that stands for a secret, not a secret")
        .remedy("Give the secret itself, or leave the field out to keep the old one.");
  }
  check_text(path_, rules, text);
  if (const auto stored = type.set_text(object, text); !stored) {
    throw path_.error(Reason::bad_format, stored.error());
  }
}

void Decoder::decode_enumeration(const TypeInfo& type, void* object, const Value& value) const {
  if (!value.is_string()) throw wrong_type(path_, "a text", value);
  const std::string_view name(value.get_string().data(), value.get_string().size());
  if (const auto found = enum_value(type, name)) return type.set_integer(object, *found);
  std::vector<std::string_view> names;
  for (const EnumValue& candidate : type.values) names.push_back(candidate.name);
  throw path_
      .error(Reason::unknown_value, fmt::format("is {}, which is not one of the allowed values",
                                                quote(name.substr(0, 100))))
      .remedy(suggestion(name, names));
}

void Decoder::decode_list(const TypeInfo& type, const FieldOptions& rules, void* object,
                          const Value& value) {
  if (!value.is_array()) throw wrong_type(path_, "a list", value);
  check_size(path_, rules, value.get_array().size());
  type.clear(object);
  const FieldOptions inner = element_rules(rules);
  std::size_t index = 0;
  for (const Value& item : value.get_array()) {
    const Path::Step step(path_, index++);
    decode(type.element(), inner, type.append(object), item);
  }
}

void Decoder::decode_map(const TypeInfo& type, const FieldOptions& rules, void* object,
                         const Value& value) {
  const Object& entries = expect_object(type, value);
  check_size(path_, rules, entries.size());
  type.clear(object);
  const FieldOptions inner = element_rules(rules);
  for (const auto& [key, item] : entries) {
    const std::string_view name(key.data(), key.size());
    const Path::Step step(path_, name);
    if (patching_ && item.is_null()) continue;
    decode(type.element(), inner, type.insert(object, std::string(name)), item);
  }
}

std::expected<void, Error> decode_into(const TypeInfo& type, void* object, std::string_view text,
                                       DecodeOptions options) {
  try {
    boost::json::monotonic_resource memory;
    const Value value = parse(text, options, &memory);
    Decoder(options).decode(type, no_options(), object, value);
    return {};
  } catch (Error& error) {
    return std::unexpected(std::move(error));
  }
}

}  // namespace ruche::json
