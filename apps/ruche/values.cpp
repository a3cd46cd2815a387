#include "values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>

#include "base/json.hpp"

namespace ruche::cli {

namespace {

std::string without_unit(std::string_view name) {
  for (const std::string_view suffix : {"_bytes", "_ms"}) {
    if (name.ends_with(suffix)) name.remove_suffix(suffix.size());
  }
  std::string flag(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::expected<std::string, std::string> integer_json(const TypeInfo& type, std::string_view text) {
  if (type.format == "bytes") {
    const auto size = parse_bytes(text);
    if (!size) return std::unexpected(size.error());
    return std::to_string(size->count);
  }
  if (type.format == "duration-ms") {
    const auto duration = parse_duration(text);
    if (!duration) return std::unexpected(duration.error());
    return std::to_string(duration->count());
  }
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, number).ptr != end) {
    return std::unexpected(fmt::format("\"{}\" is not a whole number", text));
  }
  return std::to_string(number);
}

std::string names_of(const TypeInfo& enumeration, std::string_view separator) {
  std::string names;
  for (const auto& value : enumeration.values) {
    names += (names.empty() ? "" : std::string(separator)) + std::string(value.name);
  }
  return names;
}

std::vector<std::string_view> cut(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

const FieldInfo* field_called(const TypeInfo& type, std::string_view key) {
  for (const auto& field : type.fields) {
    if (field.name == key || flag_name(field) == key) return &field;
  }
  return nullptr;
}

std::string keys_of(const TypeInfo& type) {
  std::string keys;
  for (const auto& field : type.fields) keys += (keys.empty() ? "" : ", ") + flag_name(field);
  return keys;
}

// "size=4GiB,bus=sata", or the values in the order of the fields: "8080:80".
std::expected<std::string, std::string> structure_json(const TypeInfo& type,
                                                       std::string_view text) {
  const bool by_position = text.find('=') == text.npos;
  std::string members;
  std::size_t position = 0;
  for (const auto part : cut(text, by_position ? ':' : ',')) {
    const FieldInfo* field = nullptr;
    std::string_view value = part;
    if (by_position) {
      field = position < type.fields.size() ? &type.fields[position++] : nullptr;
    } else {
      const auto equals = part.find('=');
      field = field_called(type, part.substr(0, equals));
      value = equals == part.npos ? std::string_view("true") : part.substr(equals + 1);
    }
    if (field == nullptr) {
      return std::unexpected(
          fmt::format("\"{}\" is not known here; write {}", part, keys_of(type)));
    }
    auto json = json_of(field->type(), value);
    if (!json) return std::unexpected(fmt::format("{}: {}", flag_name(*field), json.error()));
    members += fmt::format("{}{}:{}", members.empty() ? "" : ",", json::quote(field->name), *json);
  }
  return '{' + members + '}';
}

// A part of a single name is short for it: `scsi` for virtio-scsi, of which there is no other.
std::optional<std::string> full_name(const TypeInfo& type, std::string_view text) {
  if (enum_value(type, text)) return std::string(text);
  std::optional<std::string> found;
  for (const auto& value : type.values) {
    const auto begins = value.name.starts_with(std::string(text) + '-');
    const auto ends = value.name.ends_with('-' + std::string(text));
    if (!begins && !ends) continue;
    if (found) return std::nullopt;
    found = value.name;
  }
  return found;
}

}  // namespace

std::string flag_name(const FieldInfo& field) {
  if (!field.options.flag.empty()) return std::string(field.options.flag);
  return without_unit(field.name);
}

const TypeInfo& plain_type(const TypeInfo& type) {
  const TypeInfo* plain = &type;
  while (plain->shape == Shape::optional || plain->shape == Shape::list) plain = &plain->element();
  return *plain;
}

bool is_list(const FieldInfo& field) { return field.type().shape == Shape::list; }

std::string value_hint(const TypeInfo& type, std::string_view format) {
  const TypeInfo& plain = plain_type(type);
  switch (plain.shape) {
    case Shape::boolean:
      return "true|false";
    case Shape::integer:
      if (plain.format == "bytes") return "SIZE";
      return plain.format == "duration-ms" ? "DURATION" : "NUMBER";
    case Shape::number:
      return "NUMBER";
    case Shape::enumeration:
      return names_of(plain, "|");
    case Shape::structure: {
      std::string hint;
      for (const auto& field : plain.fields) {
        hint += fmt::format("{}{}={}", hint.empty() ? "" : ",", flag_name(field),
                            value_hint(field.type(), field.options.format));
      }
      return hint;
    }
    default:
      break;
  }
  if (format == "name") return "NAME";
  if (format == "reference") return "NAME|ID";
  if (format == "file") return "FILE";
  if (format == "ssh-key") return "FILE|KEY";
  if (format == "secret-file") return "FILE";
  return format == "path" ? "PATH" : "TEXT";
}

std::expected<std::string, std::string> file_text(const std::string& path) {
  constexpr std::size_t kMostBytes = 1 << 20;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  std::string text(kMostBytes + 1, '\0');
  if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.gcount() == 0 || in.bad()) {
    return std::unexpected(fmt::format("nothing can be read from \"{}\"", path));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMostBytes) return std::unexpected(fmt::format("\"{}\" is too long", path));
  return text;
}

std::expected<std::string, std::string> json_of(const TypeInfo& type, std::string_view text,
                                                bool patch) {
  switch (type.shape) {
    case Shape::optional:
      if (patch && text == "none") return "null";
      return json_of(type.element(), text);
    case Shape::boolean:
      if (text == "true" || text == "yes") return "true";
      if (text == "false" || text == "no") return "false";
      return std::unexpected(fmt::format("\"{}\" is neither true nor false", text));
    case Shape::integer:
      return integer_json(type, text);
    case Shape::enumeration:
      if (const auto name = full_name(type, text)) return json::quote(*name);
      return std::unexpected(fmt::format("\"{}\" is not one of {}", text, names_of(type, ", ")));
    case Shape::structure:
      return structure_json(type, text);
    case Shape::number:
      return std::string(text);
    default:
      return json::quote(text);
  }
}

std::expected<std::string, std::string> query_text_of(const TypeInfo& type, std::string_view text) {
  if (type.shape == Shape::enumeration) {
    if (const auto name = full_name(type, text)) return *name;
  }
  auto json = json_of(type, text);
  if (json && json->starts_with('"')) return std::string(text);
  return json;
}

// --- objects --------------------------------------------------------------------------------

AnyObject::AnyObject(const TypeInfo& type)
    : type_(type),
      storage_(std::make_unique<std::max_align_t[]>(type.bytes / sizeof(std::max_align_t) + 1)) {
  type_.construct(storage_.get());
}
AnyObject::~AnyObject() { type_.destroy(storage_.get()); }

namespace {

ValueRef through_optional(ValueRef ref) {
  while (ref.value != nullptr && ref.type->shape == Shape::optional) {
    ref.value = ref.type->held(ref.value);
    ref.type = &ref.type->element();
  }
  return ref;
}

}  // namespace

ValueRef find_value(const TypeInfo& type, const void* object, std::string_view path) {
  ValueRef ref{&type, object};
  for (const auto name : cut(path, '.')) {
    ref = through_optional(ref);
    if (!ref || ref.type->shape != Shape::structure) return {};
    const FieldInfo* field = ref.type->find_field(name);
    if (field == nullptr) return {};
    ref = {&field->type(), field->get(const_cast<void*>(ref.value))};  // only read
  }
  return through_optional(ref);
}

std::string human_text(ValueRef ref) {
  ref = through_optional(ref);
  if (!ref) return "";
  const TypeInfo& type = *ref.type;
  switch (type.shape) {
    case Shape::boolean:
      return type.get_integer(ref.value) != 0 ? "yes" : "no";
    case Shape::integer: {
      const auto number = type.get_integer(ref.value);
      if (type.format == "bytes") return to_text(Bytes{number});
      if (type.format == "duration-ms") return to_text(Duration{number});
      return std::to_string(number);
    }
    case Shape::number:
      return fmt::format("{:g}", type.get_number(ref.value));
    case Shape::text:
      return type.get_text(ref.value);
    case Shape::enumeration:
      return std::string(enum_name(type, type.get_integer(ref.value)));
    case Shape::list: {
      std::string text;
      for (std::size_t i = 0; i < type.size(ref.value); ++i) {
        const auto item = human_text({&type.element(), type.at(ref.value, i)});
        text += (text.empty() ? "" : ", ") + item;
      }
      return text;
    }
    case Shape::structure: {
      std::string text;
      for (const auto& field : type.fields) {
        const auto item = human_text({&field.type(), field.get(const_cast<void*>(ref.value))});
        if (!item.empty()) text += (text.empty() ? "" : ", ") + flag_name(field) + "=" + item;
      }
      return text;
    }
    default:
      return "";
  }
}

std::string age_text(Timestamp then, Timestamp now) {
  const std::int64_t seconds = (now.unix_ms - then.unix_ms) / 1000;
  if (seconds < -1) return "soon";
  if (seconds < 120) return fmt::format("{} s", std::max<std::int64_t>(seconds, 0));
  if (seconds < 120 * 60) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

std::string distance_text(Timestamp then, Timestamp now) {
  constexpr std::int64_t kSoon = 1000;
  if (then.unix_ms - now.unix_ms > kSoon) return "in " + age_text(now, then);
  return age_text(then, now) + " ago";
}

}  // namespace ruche::cli
