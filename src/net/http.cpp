#include "net/http.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "net/http_writer.hpp"
#include "net/websocket.hpp"

namespace ruche::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error bad_target(std::string_view why) {
  return Error(Reason::bad_request, fmt::format("the request target {}", why));
}

std::expected<std::string, Error> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::unexpected(bad_target("has a broken percent escape"));
      c = static_cast<char>(high * 16 + low);
      i += 2;
      if (c == '\0') return std::unexpected(bad_target("holds a NUL"));
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    out.push_back(c);
  }
  if (!valid_utf8(out)) return std::unexpected(bad_target("is not UTF-8"));
  return out;
}

std::expected<std::string, Error> parse_path(std::string_view text) {
  std::string path;
  std::string_view rest = text;
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the "/"
    const std::size_t end = std::min(rest.find('/'), rest.size());
    auto segment = percent_decode(rest.substr(0, end), false);
    if (!segment) return std::unexpected(std::move(segment.error()));
    rest.remove_prefix(end);
    if (*segment == "." || *segment == "..") return std::unexpected(bad_target("has dot segments"));
    if (segment->empty() && !rest.empty())
      return std::unexpected(bad_target("has an empty segment"));
    const bool unsafe = std::ranges::any_of(*segment, [](char c) {
      return c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (unsafe) return std::unexpected(bad_target("has an unsafe character in its path"));
    path += '/';
    path += *segment;
  }
  return path;
}

std::expected<Query, Error> parse_query(std::string_view text) {
  constexpr std::size_t kMostParameters = 128;
  Query query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals), true);
    if (!name) return std::unexpected(std::move(name.error()));
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!value) return std::unexpected(std::move(value.error()));
    query.emplace_back(std::move(*name), std::move(*value));
    if (query.size() > kMostParameters)
      return std::unexpected(bad_target("has too many parameters"));
  }
  return query;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

}  // namespace

Headers::Headers(std::initializer_list<std::pair<std::string, std::string>> fields)
    : fields_(fields) {}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string_view name, std::string value) {
  remove(name);
  add(std::string(name), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const auto& [held, value] : fields_) {
    if (same_name(held, name)) return value;
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      fields_, [&](const auto& field) { return same_name(field.first, name); }));
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
  for (const auto& [held, value] : fields_) {
    if (!same_name(held, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (same_name(trim(rest.substr(0, end)), token)) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return false;
}

std::expected<Target, Error> parse_target(std::string_view target) {
  if (!target.starts_with('/')) return std::unexpected(bad_target("must start with '/'"));
  const bool printable = std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return std::unexpected(bad_target("has a character that must be escaped"));
  if (target.contains('#')) return std::unexpected(bad_target("has a fragment"));
  const std::size_t mark = std::min(target.find('?'), target.size());
  auto path = parse_path(target.substr(0, mark));
  if (!path) return std::unexpected(std::move(path.error()));
  auto query = parse_query(target.substr(std::min(mark + 1, target.size())));
  if (!query) return std::unexpected(std::move(query.error()));
  return Target{std::move(*path), std::move(*query)};
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kMarks = "-._~";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
                       kMarks.find(c) != std::string_view::npos;
    if (plain) {
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string make_target(std::string_view path, const Query& query) {
  std::string target(path);
  char separator = '?';
  for (const auto& [name, value] : query) {
    target += separator;
    target += percent_encode(name);
    target += '=';
    target += percent_encode(value);
    separator = '&';
  }
  return target;
}

std::optional<std::string_view> HttpRequest::query_value(std::string_view name) const {
  for (const auto& [held, value] : query) {
    if (held == name) return value;
  }
  return std::nullopt;
}

HttpResponse json_response(int status, std::string body) {
  Headers headers{{"Content-Type", "application/json"}};
  return {status, std::move(headers), std::move(body)};
}

std::string_view reason_phrase(int status) {
  static constexpr std::array<std::pair<int, std::string_view>, 38> kPhrases{{
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {422, "Unprocessable Content"},
      {426, "Upgrade Required"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {507, "Insufficient Storage"},
  }};
  for (const auto& [code, phrase] : kPhrases) {
    if (code == status) return phrase;
  }
  return "Status";
}

std::string http_date(Timestamp time) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_time<std::chrono::milliseconds> instant{
      std::chrono::milliseconds(time.unix_ms)};
  const auto day = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(instant - day));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

void append_field(std::string& head, std::string_view name, std::string_view value) {
  const bool clean = is_token(name) && std::ranges::none_of(value, [](char c) {
                       return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
                     });
  if (!clean) {
    throw Error(Reason::internal_error, fmt::format("the header field '{}' cannot be sent", name));
  }
  head.append(name).append(": ").append(value).append("\r\n");
}

void append_fields(std::string& head, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    const bool framing = same_name(name, "Content-Length") || same_name(name, "Connection") ||
                         same_name(name, "Transfer-Encoding");
    if (!framing) append_field(head, name, value);
  }
}

std::string chunk_start(std::size_t size) { return fmt::format("{:x}\r\n", size); }

}  // namespace ruche::net
