// The surface of the API: every operation and every type, a line each. It only grows within /v1, so
// a line that changes or goes is what a review must see.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "api/openapi.hpp"
#include "base/json.hpp"
#include "golden.hpp"
#include "methods/method.hpp"

namespace ruche::api {
namespace {

std::string type_text(const TypeInfo& type) {
  switch (type.shape) {
    case Shape::boolean:
      return "boolean";
    case Shape::integer:
      return std::string(type.format.empty() ? "integer" : type.format);
    case Shape::number:
      return "number";
    case Shape::text:
      return std::string(type.format.empty() ? "text" : type.format);
    case Shape::list:
      return type_text(type.element()) + "[]";
    case Shape::map:
      return "map of " + type_text(type.element());
    case Shape::optional:
      return type_text(type.element()) + "?";
    default:
      return std::string(type.name);
  }
}

// Name → what it is made of; the types below it too.
void collect(const TypeInfo& type, std::map<std::string, std::string>& types) {
  if (type.element != nullptr) return collect(type.element(), types);
  if (type.shape != Shape::structure && type.shape != Shape::enumeration) return;
  auto [entry, fresh] = types.try_emplace(std::string(type.name));
  if (!fresh) return;
  std::string text;
  for (const auto& value : type.values) text += fmt::format("  = {}\n", value.name);
  for (const auto& field : type.fields) {
    const auto& options = field.options;
    text +=
        fmt::format("  {}: {}{}{}\n", field.name, type_text(field.type()),
                    options.required ? ", required" : "", options.read_only ? ", read only" : "");
    collect(field.type(), types);
  }
  entry->second = text;
}

std::string surface(const std::string&) {
  static const std::map<methods::Answer, std::string_view> answers = {
      {methods::Answer::value, ""},
      {methods::Answer::list, "list of "},
      {methods::Answer::task, "task: "},
      {methods::Answer::event_stream, "stream of "},
      {methods::Answer::websocket, "websocket"},
      {methods::Answer::document, "document"},
      {methods::Answer::bytes, "bytes"},
  };
  std::string text;
  std::map<std::string, std::string> types;
  for (const auto& method : methods::all()) {
    const auto* request = method.request == nullptr ? nullptr : &method.request();
    const auto* result = method.result == nullptr ? nullptr : &method.result();
    text += fmt::format("{} {} {} ({}) {} -> {}{}\n", method.id, methods::to_string(method.verb),
                        method.path, method.anonymous ? "anyone" : methods::to_string(method.role),
                        request == nullptr ? "" : request->name, answers.at(method.answer),
                        result == nullptr ? "" : result->name);
    if (request != nullptr) collect(*request, types);
    if (result != nullptr) collect(*result, types);
  }
  for (const auto& [name, body] : types) text += "\n" + name + "\n" + body;
  return text;
}

TEST(ApiGolden, Surface) { golden::check_area("api_surface", surface); }

}  // namespace
}  // namespace ruche::api
