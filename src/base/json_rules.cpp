#include "base/json_rules.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.hpp"

namespace ruche::json {

Path::Step::Step(Path& path, std::string_view name) : path_(path), length_(path.text_.size()) {
  path.text_ += '/';
  for (const char c : name) {
    if (c == '~') {
      path.text_ += "~0";
    } else if (c == '/') {
      path.text_ += "~1";
    } else {
      path.text_ += c;
    }
  }
}

Path::Step::Step(Path& path, std::size_t index) : Step(path, fmt::format("{}", index)) {}

Error Path::error(Reason reason, std::string_view predicate) const {
  const std::string_view subject = text_.empty() ? std::string_view("the value") : text_;
  return Error(reason, fmt::format("{} {}", subject, predicate)).at(text_);
}

const FieldOptions& no_options() {
  static const FieldOptions none;
  return none;
}

// --- formats -------------------------------------------------------------------------------------

namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_reference(std::string_view text) { return is_valid_name(text) || parse_uuid(text); }

bool is_path(std::string_view text) {
  return text.starts_with('/') && text.size() < 4096 && text.find('\0') == std::string_view::npos;
}

// RFC 1123 section 2.1.
bool is_hostname(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const auto label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !std::ranges::all_of(label, [](char c) { return is_alphanumeric(c) || c == '-'; })) {
      return false;
    }
    if (label.size() == text.size()) return true;
    text.remove_prefix(label.size() + 1);
  }
}

// RFC 3986: a scheme, "://" and visible ASCII.
bool is_url(std::string_view text) {
  const auto colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || colon + 3 == text.size()) return false;
  return std::ranges::all_of(
             text.substr(0, colon),
             [](char c) { return is_alphanumeric(c) || c == '+' || c == '-' || c == '.'; }) &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != ':' : !is_hex(text[i])) return false;
  }
  return true;
}

bool is_address(int family, std::string_view text) {
  unsigned char buffer[16];
  return text.find('\0') == std::string_view::npos &&
         ::inet_pton(family, std::string(text).c_str(), buffer) == 1;
}
bool is_ipv4(std::string_view text) { return is_address(AF_INET, text); }
bool is_ipv6(std::string_view text) { return is_address(AF_INET6, text); }
bool is_ip(std::string_view text) { return is_ipv4(text) || is_ipv6(text); }

bool is_cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto address = text.substr(0, slash), length = text.substr(slash + 1);
  if (length.empty() || length.size() > 3 ||
      !std::ranges::all_of(length, [](char c) { return c >= '0' && c <= '9'; })) {
    return false;
  }
  const int bits = std::atoi(std::string(length).c_str());
  return (is_ipv4(address) && bits <= 32) || (is_ipv6(address) && bits <= 128);
}

bool is_uuid(std::string_view text) { return parse_uuid(text).has_value(); }
bool is_time(std::string_view text) { return parse_rfc3339(text).has_value(); }

struct Format {
  std::string_view name;
  bool (*matches)(std::string_view);
  std::string_view wanted;  // completes "must be …"
  std::string_view pattern;  // ECMA 262, as in JSON Schema
  std::string_view standard;  // its name in JSON Schema
};

constexpr Format kFormats[] = {
    {"name", is_valid_name, "a name: 1 to 63 of a-z, 0-9 and -, not beginning with -",
     "^[a-z0-9][a-z0-9-]{0,62}$", ""},
    {"reference", is_reference, "a name or an id", "", ""},
    {"path", is_path, "an absolute path", "^/", ""},
    {"hostname", is_hostname, "a host name", "", "hostname"},
    {"url", is_url, "a URL such as https://example.org/file", "", "uri"},
    {"mac", is_mac, "a MAC address such as 52:54:00:12:34:56",
     "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", ""},
    {"ipv4", is_ipv4, "an IPv4 address", "", "ipv4"},
    {"ipv6", is_ipv6, "an IPv6 address", "", "ipv6"},
    {"ip", is_ip, "an IP address", "", ""},
    {"cidr", is_cidr, "a network such as 192.0.2.0/24", "", ""},
    {"uuid", is_uuid, "a UUID", "", "uuid"},
    {"date-time", is_time, "a time such as 2026-01-02T03:04:05Z", "", "date-time"},
};

const Format* find_format(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &Format::name);
  return found == std::end(kFormats) ? nullptr : &*found;
}

}  // namespace

std::string_view format_pattern(std::string_view format) {
  const Format* const found = find_format(format);
  return found == nullptr ? std::string_view() : found->pattern;
}

std::string_view standard_format(std::string_view format) {
  const Format* const found = find_format(format);
  return found == nullptr ? std::string_view() : found->standard;
}

// --- rules of one value --------------------------------------------------------------------------

namespace {

// "4096 (4 KiB)" where the plain number says little.
std::string number_text(std::int64_t value, std::string_view format) {
  if (format == "bytes" && value >= 1024) {
    return fmt::format("{} ({})", value, to_text(Bytes{value}));
  }
  if (format == "duration-ms" && value >= 1000) {
    return fmt::format("{} ({})", value, to_text(Duration(value)));
  }
  return fmt::format("{}", value);
}

}  // namespace

void check_integer(const Path& path, const TypeInfo& type, const FieldOptions& options,
                   std::int64_t value) {
  const std::int64_t least = std::max(type.min, options.min.value_or(type.min));
  const std::int64_t most = std::min(type.max, options.max.value_or(type.max));
  if (value < least) {
    throw path.error(Reason::out_of_range,
                     fmt::format("is out of range: {} is less than {}",
                                 number_text(value, type.format), number_text(least, type.format)));
  }
  if (value > most) {
    throw path.error(Reason::out_of_range,
                     fmt::format("is out of range: {} is more than {}",
                                 number_text(value, type.format), number_text(most, type.format)));
  }
}

void check_number(const Path& path, const FieldOptions& options, double value) {
  if (!std::isfinite(value)) {
    throw path.error(Reason::out_of_range, "is out of range: it is not a finite number");
  }
  if (options.min && value < static_cast<double>(*options.min)) {
    throw path.error(Reason::out_of_range,
                     fmt::format("is out of range: {} is less than {}", value, *options.min));
  }
  if (options.max && value > static_cast<double>(*options.max)) {
    throw path.error(Reason::out_of_range,
                     fmt::format("is out of range: {} is more than {}", value, *options.max));
  }
}

void check_text(const Path& path, const FieldOptions& options, std::string_view text) {
  const std::size_t limit = options.max_length == 0 ? kDefaultTextLimit : options.max_length;
  if (text.size() > limit) {
    throw path.error(Reason::too_long, fmt::format("is too long: {} bytes, at most {} are allowed",
                                                   text.size(), limit));
  }
  const Format* const format = find_format(options.format);
  if (format == nullptr || (text.empty() && !options.required)) return;
  if (format->matches(text)) return;
  const Reason reason = options.format == "name" ? Reason::bad_name : Reason::bad_format;
  throw path.error(reason,
                   fmt::format("must be {}, not {}", format->wanted, quote(text.substr(0, 100))));
}

void check_size(const Path& path, const FieldOptions& options, std::size_t items) {
  const std::size_t limit = options.max_length == 0 ? kDefaultItemLimit : options.max_length;
  if (items <= limit) return;
  throw path.error(Reason::too_long,
                   fmt::format("is too long: {} items, at most {} are allowed", items, limit));
}

// --- suggestions ---------------------------------------------------------------------------------

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string suggestion(std::string_view wrong, const std::vector<std::string_view>& right) {
  std::string_view nearest;
  std::size_t least = SIZE_MAX;
  for (const std::string_view candidate : right) {
    if (wrong.size() > 64) break;
    // "memory" is meant as "memory_bytes", whatever the distance.
    const bool prefix = wrong.size() >= 3 && candidate.starts_with(wrong);
    const std::size_t distance = prefix ? 1 : edit_distance(wrong, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  const std::size_t tolerated = std::max<std::size_t>(1, wrong.size() / 3);
  if (least <= tolerated) return fmt::format("Did you mean \"{}\"?", nearest);
  if (right.empty()) return "Nothing is allowed here.";
  std::string list;
  for (const std::string_view candidate : right) {
    if (!list.empty()) list += ", ";
    list += candidate;
  }
  return fmt::format("Use one of: {}.", list);
}

// --- validate ------------------------------------------------------------------------------------

namespace {

void check_members(Path& path, const TypeInfo& type, const void* object) {
  for (const FieldInfo& field : type.fields) {
    const Path::Step step(path, field.name);
    check_value(path, field.type(), field.options, field.get(const_cast<void*>(object)));
  }
}

struct MapCheck {
  Path& path;
  const TypeInfo& element;
  FieldOptions options;
  static void visit(void* context, const std::string& key, const void* value) {
    auto& self = *static_cast<MapCheck*>(context);
    const Path::Step step(self.path, key);
    check_value(self.path, self.element, self.options, value);
  }
};

}  // namespace

void check_value(Path& path, const TypeInfo& type, const FieldOptions& options,
                 const void* object) {
  FieldOptions inner = options;  // of the elements: the length is the container's
  inner.max_length = 0;
  switch (type.shape) {
    case Shape::boolean:
    case Shape::raw:
      return;
    case Shape::integer:
      return check_integer(path, type, options, type.get_integer(object));
    case Shape::number:
      return check_number(path, options, type.get_number(object));
    case Shape::text:
      return check_text(path, options,
                        type.secret ? type.reveal_text(object) : type.get_text(object));
    case Shape::enumeration:
      if (enum_name(type, type.get_integer(object)).empty()) {
        throw path.error(Reason::unknown_value, "has a value that has no name");
      }
      return;
    case Shape::structure:
      return check_members(path, type, object);
    case Shape::optional:
      if (const void* held = type.held(object)) check_value(path, type.element(), options, held);
      return;
    case Shape::variant:
      return check_value(path, type.alternatives[type.index(object)](), no_options(),
                         type.alternative(object));
    case Shape::list: {
      check_size(path, options, type.size(object));
      for (std::size_t i = 0; i < type.size(object); ++i) {
        const Path::Step step(path, i);
        check_value(path, type.element(), inner, type.at(object, i));
      }
      return;
    }
    case Shape::map: {
      check_size(path, options, type.size(object));
      MapCheck check{path, type.element(), inner};
      type.each(object, &check, &MapCheck::visit);
      return;
    }
  }
}

std::expected<void, Error> validate(const TypeInfo& type, const void* object) {
  try {
    Path path;
    check_value(path, type, no_options(), object);
    return {};
  } catch (Error& error) {
    return std::unexpected(std::move(error));
  }
}

}  // namespace ruche::json
