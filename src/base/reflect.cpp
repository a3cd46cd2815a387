#include "base/reflect.hpp"

namespace ruche {

const FieldInfo* TypeInfo::find_field(std::string_view field_name) const {
  for (const FieldInfo& candidate : fields) {
    if (candidate.name == field_name) return &candidate;
  }
  return nullptr;
}

std::string_view enum_name(const TypeInfo& info, std::int64_t v) {
  for (const EnumValue& candidate : info.values) {
    if (candidate.value == v) return candidate.name;
  }
  return {};
}

std::optional<std::int64_t> enum_value(const TypeInfo& info, std::string_view name) {
  for (const EnumValue& candidate : info.values) {
    if (candidate.name == name) return candidate.value;
  }
  return std::nullopt;
}

std::string kebab(std::string_view pascal_case) {
  std::string out;
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  for (std::size_t i = 0; i < pascal_case.size(); ++i) {
    const char c = pascal_case[i];
    if (!is_upper(c)) {
      out += c;
      continue;
    }
    // "VMState" reads vm-state: a run of capitals is one word, its last letter begins the next.
    const bool after_lower = i > 0 && !is_upper(pascal_case[i - 1]);
    const bool before_lower = i > 0 && i + 1 < pascal_case.size() && !is_upper(pascal_case[i + 1]);
    if (after_lower || before_lower) out += '-';
    out += static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

namespace detail {

std::expected<void, std::string> assign_text(std::string& out, std::string_view text) {
  out = text;
  return {};
}

std::expected<void, std::string> assign_text(Uuid& out, std::string_view text) {
  const auto uuid = parse_uuid(text);
  if (!uuid) return std::unexpected("is not a UUID such as 0198c7d2-4f3a-7000-8000-0123456789ab");
  out = *uuid;
  return {};
}

std::expected<void, std::string> assign_text(Timestamp& out, std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time) return std::unexpected("is not a time such as 2026-01-02T03:04:05Z (RFC 3339)");
  out = *time;
  return {};
}

}  // namespace detail
}  // namespace ruche
