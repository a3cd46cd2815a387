#include "api/openapi.hpp"

#include <fmt/format.h>

#include <map>

#include "base/json.hpp"
#include "model/views.hpp"
#include "net/problem.hpp"

namespace ruche::api {

namespace {

using methods::Answer;
using methods::Method;
using Schemas = std::map<std::string, std::string>;

// An object or array under construction, as text.
class Writer {
 public:
  Writer& add(std::string_view name, std::string_view json) {
    text_ += fmt::format("{}{}:{}", text_.empty() ? "" : ",", json::quote(name), json);
    return *this;
  }
  Writer& text(std::string_view name, std::string_view value) {
    return add(name, json::quote(value));
  }
  Writer& item(std::string_view json) {
    text_ += fmt::format("{}{}", text_.empty() ? "" : ",", json);
    return *this;
  }
  bool empty() const { return text_.empty(); }
  std::string object() const { return '{' + text_ + '}'; }
  std::string array() const { return '[' + text_ + ']'; }

 private:
  std::string text_;
};

std::string content(std::string_view media_type, std::string_view schema) {
  const auto held = Writer().add("schema", schema).object();
  return Writer().add(media_type, held).object();
}

std::string response(std::string_view description, std::string_view media_content) {
  Writer out;
  out.text("description", description);
  if (!media_content.empty()) out.add("content", media_content);
  return out.object();
}

std::string parameter(std::string_view name, std::string_view in, bool required,
                      std::string_view description, std::string_view schema) {
  Writer out;
  out.text("name", name).text("in", in);
  if (required) out.add("required", "true");
  if (!description.empty()) out.text("description", description);
  return out.add("schema", schema).object();
}

bool is_path_parameter(const Method& method, std::string_view name) {
  const auto names = method.path_parameters();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string parameters(const Method& method, Schemas& schemas) {
  Writer out;
  const TypeInfo* request = method.request == nullptr ? nullptr : &method.request();
  for (const auto name : method.path_parameters()) {
    const FieldInfo* field = request == nullptr ? nullptr : request->find_field(name);
    const auto schema = field == nullptr ? R"({"type":"string","description":"Name or id."})"
                                         : json::field_schema(*field, schemas);
    out.item(parameter(name, "path", true, {}, schema));
  }
  if (request != nullptr && !method.has_body()) {
    for (const auto& field : request->fields) {
      if (is_path_parameter(method, field.name)) continue;
      out.item(parameter(field.name, "query", field.options.required, field.doc,
                         json::field_schema(field, schemas)));
    }
  }
  if (method.takes_wait()) {
    out.item(parameter("wait", "query", false,
                       "Wait at most this long for the task's end: 500ms, 30s, 5m.",
                       R"({"type":"string","examples":["30s"]})"));
  }
  if (method.takes_dry_run()) {
    out.item(parameter("dry_run", "query", false, "Check and plan everything, change nothing.",
                       R"({"type":"boolean"})"));
  }
  if (method.answer == Answer::task) {
    out.item(parameter("Idempotency-Key", "header", false,
                       "The same key with the same request answers with the first one's task.",
                       R"({"type":"string","maxLength":128})"));
    out.item(parameter("If-Match", "header", false, "Only if the object still has this ETag.",
                       R"({"type":"string"})"));
  }
  if (method.answer == Answer::event_stream) {
    out.item(parameter("Last-Event-ID", "header", false, "The same as `after`; it wins.",
                       R"({"type":"string"})"));
  }
  return out.array();
}

// The body: the request type without what the path says. Empty when nothing is left.
std::string request_body(const Method& method, Schemas& schemas) {
  if (method.raw_body) {
    return Writer()
        .add("required", "true")
        .add("content", content("application/octet-stream", "{}"))
        .object();
  }
  if (!method.has_body() || method.request == nullptr) return {};
  TypeInfo body = method.request();
  const std::string name = std::string(body.name) + "Body";
  const auto erased = std::erase_if(
      body.fields, [&](const FieldInfo& field) { return is_path_parameter(method, field.name); });
  if (body.fields.empty()) return {};
  if (erased > 0) body.name = name;
  bool required = false;
  for (const auto& field : body.fields) required = required || field.options.required;
  const auto schema = json::schema(body, schemas);
  Writer out;
  out.add("required", required || method.patch ? "true" : "false");
  out.add("content",
          content(method.patch ? "application/merge-patch+json" : "application/json", schema));
  return out.object();
}

std::string list_schema(const std::string& item) {
  const auto items = Writer().text("type", "array").add("items", item).object();
  const auto next = Writer()
                        .text("type", "string")
                        .text("description", "Cursor of the next page; empty: this was the last.")
                        .object();
  return Writer()
      .text("type", "object")
      .add("properties", Writer().add("items", items).add("next", next).object())
      .add("required", R"(["items","next"])")
      .object();
}

void add_responses(Writer& out, const Method& method, Schemas& schemas) {
  const std::string json_type = "application/json";
  const auto result = method.result == nullptr ? "{}" : json::schema(method.result(), schemas);
  switch (method.answer) {
    case Answer::value:
    case Answer::document:
      out.add("200", response("The answer.", content(json_type, result)));
      break;
    case Answer::list:
      out.add("200", response("A page.", content(json_type, list_schema(result))));
      break;
    case Answer::task: {
      const auto plan = json::schema(type_of<model::PlanView>(), schemas);
      const auto either = fmt::format(R"({{"anyOf":[{},{}]}})", result, plan);
      out.add("200", response("With `wait`: the task, ended (also when it failed: see `state`). "
                              "With `dry_run`: what would be done.",
                              content(json_type, either)));
      out.add("202", response("Accepted; the task goes on.", content(json_type, result)));
      break;
    }
    case Answer::event_stream:
      out.add("200", response("Events, each with its id, its type and its object in JSON.",
                              content("text/event-stream", result)));
      out.add("101", response("A WebSocket of the same objects, as text frames.", {}));
      break;
    case Answer::websocket:
      out.add("101", response("The WebSocket.", {}));
      break;
    case Answer::bytes:
      // A schema would describe text; the media type says what the bytes are (OpenAPI 3.1, 4.8.14).
      out.add("200", response("The bytes.", content(method.media, "{}")));
      break;
  }
}

// Methods that share verb and path are one operation with several answers.
std::string operation(const std::vector<const Method*>& group, Schemas& schemas) {
  const Method& first = *group.front();
  Writer out;
  out.text("operationId", first.id).text("summary", first.summary);
  std::string description;
  Writer all_parameters, responses;
  for (const Method* method : group) {
    if (!description.empty()) description += "\n\n";
    description += method->description;
  }
  out.text("description", description);
  out.add("tags", "[" + json::quote(first.id.substr(0, first.id.find('.'))) + "]");
  out.add("parameters", parameters(first, schemas));
  if (const auto body = request_body(first, schemas); !body.empty()) out.add("requestBody", body);
  if (group.size() == 1) {
    add_responses(responses, first, schemas);
  } else {
    // The list and its stream: one 200 with two media types.
    const auto item = json::schema(first.result(), schemas);
    Writer media;
    media.add("application/json", Writer().add("schema", list_schema(item)).object());
    media.add("text/event-stream", Writer().add("schema", item).object());
    responses.add("200",
                  response("A page, or a stream for `Accept: text/event-stream`.", media.object()));
    responses.add("101", response("A WebSocket of the same objects, as text frames.", {}));
  }
  responses.add("default", R"({"$ref":"#/components/responses/Problem"})");
  out.add("responses", responses.object());
  out.text("x-role", first.anonymous ? "anyone" : methods::to_string(first.role));
  if (first.anonymous) out.add("security", "[]");
  if (!first.command.empty()) out.text("x-command", fmt::format("ruche {}", first.command));
  return out.object();
}

}  // namespace

std::string openapi_document(const std::vector<Method>& methods, std::string_view version) {
  Schemas schemas;
  // Path → verb → methods, in the order of the records.
  std::vector<std::pair<std::string_view, std::vector<std::vector<const Method*>>>> paths;
  for (const auto& method : methods) {
    auto path =
        std::find_if(paths.begin(), paths.end(), [&](auto& p) { return p.first == method.path; });
    if (path == paths.end()) path = paths.insert(path, {method.path, {}});
    auto& groups = path->second;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](auto& g) { return g.front()->verb == method.verb; });
    if (group == groups.end()) group = groups.insert(group, std::vector<const Method*>());
    group->push_back(&method);
  }
  Writer path_items;
  for (const auto& [path, groups] : paths) {
    Writer item;
    for (const auto& group : groups) {
      std::string verb(methods::to_string(group.front()->verb));
      for (char& c : verb) c = static_cast<char>(c - 'A' + 'a');
      item.add(verb, operation(group, schemas));
    }
    path_items.add(path, item.object());
  }
  const auto problem = json::schema(type_of<net::Problem>(), schemas);
  Writer schema_items;
  for (const auto& [name, schema] : schemas) schema_items.add(name, schema);
  Writer components;
  components.add("schemas", schema_items.object());
  components.add("responses", Writer()
                                  .add("Problem", response("Why it was refused (RFC 9457).",
                                                           content(net::kProblemType, problem)))
                                  .object());
  components.add(
      "securitySchemes",
      R"({"bearer":{"type":"http","scheme":"bearer","description":"A session or an API token. )"
      R"(Over the unix socket root and the owner of the daemon need none."}})");
  Writer info;
  info.text("title", "Ruche").text("version", version);
  info.text("description",
            "Virtual machines on one host or many. Every object is named by its id or its name.");
  info.add("license",
           Writer().text("name", "Apache-2.0").text("identifier", "Apache-2.0").object());
  return Writer()
      .text("openapi", "3.1.0")
      .add("info", info.object())
      .add("servers", R"([{"url":"/"}])")
      .add("paths", path_items.object())
      .add("components", components.object())
      .add("security", R"([{"bearer":[]},{}])")
      .object();
}

}  // namespace ruche::api
