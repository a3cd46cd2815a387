#include "api/decode.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.hpp"

namespace ruche::api {

namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool parse_flag(std::string_view name, std::string_view text) {
  if (text.empty() || text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw Error(Reason::wrong_type, fmt::format("{} is true or false, not \"{}\"", name, text))
      .at(fmt::format("/{}", name));
}

Duration parse_wait(std::string_view text) {
  const auto wait = parse_duration(text);
  if (!wait) throw Error(Reason::bad_format, wait.error()).at("/wait");
  if (*wait > kLongestWait) {
    throw Error(Reason::out_of_range, "wait is longer than " + to_text(kLongestWait)).at("/wait");
  }
  return *wait;
}

bool is_json_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && text.size() < 20 &&
         std::all_of(
             text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         (text == "0" || text.front() != '0');
}

// A query value as JSON of the field's type; what does not fit stays text, and the decoder says so.
std::string query_value_as_json(const TypeInfo& type, std::string_view text) {
  switch (type.shape) {
    case Shape::optional:
      return query_value_as_json(type.element(), text);
    case Shape::boolean:
      if (text.empty() || text == "true" || text == "1") return "true";
      if (text == "false" || text == "0") return "false";
      break;
    case Shape::integer:
      if (is_json_number(text)) return std::string(text);
      if (type.format == "bytes") {
        if (const auto size = parse_bytes(text)) return std::to_string(size->count);
      }
      if (type.format == "duration-ms") {
        if (const auto duration = parse_duration(text)) return std::to_string(duration->count());
      }
      break;
    default:
      break;
  }
  return json::quote(text);
}

[[noreturn]] void refuse_query(std::string_view name) {
  throw Error(Reason::unknown_field, fmt::format("there is no query parameter \"{}\" here", name))
      .at(fmt::format("/{}", name));
}

std::string query_as_json(const TypeInfo& type, const net::Query& query) {
  std::string text = "{";
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : query) {
    const FieldInfo* field = type.find_field(name);
    if (field == nullptr) refuse_query(name);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      throw Error(Reason::bad_request, fmt::format("query parameter \"{}\" is there twice", name))
          .at(fmt::format("/{}", name));
    }
    seen.push_back(name);
    if (text.size() > 1) text += ',';
    text += json::quote(name) + ':' + query_value_as_json(field->type(), value);
  }
  return text + '}';
}

// The object text with the path's parameters put in front of its own members.
std::string with_parameters(const TypeInfo& type, const PathParameters& parameters,
                            std::string text) {
  const auto open = text.find_first_not_of(" \t\r\n");
  if (open == text.npos || text[open] != '{') return text;  // the decoder says what is wrong
  std::string members;
  for (const auto& [name, value] : parameters) {
    const FieldInfo* field = type.find_field(name);
    if (field == nullptr) continue;
    if (!members.empty()) members += ',';
    members += json::quote(name) + ':' + query_value_as_json(field->type(), value);
  }
  const auto next = text.find_first_not_of(" \t\r\n", open + 1);
  if (!members.empty() && next != text.npos && text[next] != '}') members += ',';
  return text.insert(open + 1, members);
}

// A body may repeat what the path says, but not contradict it.
void check_parameters(const TypeInfo& type, const PathParameters& parameters, void* object) {
  for (const auto& [name, value] : parameters) {
    const FieldInfo* field = type.find_field(name);
    if (field == nullptr || field->type().shape != Shape::text) continue;
    if (field->type().get_text(field->get(object)) == value) continue;
    throw Error(Reason::bad_request, fmt::format("\"{}\" differs between path and body", name))
        .at(fmt::format("/{}", name));
  }
}

}  // namespace

CommonQuery take_common_query(const methods::Method& method, net::Query& query) {
  CommonQuery common;
  std::erase_if(query, [&](const auto& parameter) {
    const auto& [name, value] = parameter;
    if (name == "wait" && method.takes_wait()) {
      common.wait = parse_wait(value);
      return true;
    }
    if (name == "dry_run" && method.takes_dry_run()) {
      common.dry_run = parse_flag(name, value);
      return true;
    }
    return false;
  });
  return common;
}

void decode_request(const methods::Method& method, const PathParameters& parameters,
                    const net::Query& query, std::string_view body, void* object) {
  const TypeInfo& type = method.request();
  std::string text;
  if (method.has_body()) {
    if (!query.empty()) refuse_query(query.front().first);
    text = is_blank(body) ? "{}" : std::string(body);
  } else {
    if (!is_blank(body)) {
      throw Error(Reason::bad_request,
                  fmt::format("{} takes no body", methods::to_string(method.verb)))
          .remedy("put the fields into the query");
    }
    text = query_as_json(type, query);
  }
  text = with_parameters(type, parameters, std::move(text));
  if (auto ok = json::decode_into(type, object, text, {.allow_read_only = false}); !ok) {
    throw std::move(ok.error());
  }
  check_parameters(type, parameters, object);
}

std::string_view patch_text(const net::Query& query, std::string_view body) {
  if (!query.empty()) refuse_query(query.front().first);
  return is_blank(body) ? std::string_view("{}") : body;
}

}  // namespace ruche::api
