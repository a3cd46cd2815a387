#include <fmt/format.h>

#include "base/json.hpp"
#include "base/json_rules.hpp"

namespace ruche::json {
namespace {

// The members of one schema object, in order; later ones do not replace earlier ones.
class Members {
 public:
  void add(std::string_view key, std::string json) {
    text_ += text_.empty() ? "" : ",";
    text_ += quote(key) + ":" + json;
  }
  void add_text(std::string_view key, std::string_view text) {
    if (!text.empty()) add(key, quote(text));
  }
  std::string object() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string reference_to(std::string_view name) {
  return fmt::format("{{\"$ref\":\"#/components/schemas/{}\"}}", name);
}

class SchemaWriter {
 public:
  explicit SchemaWriter(std::map<std::string, std::string>& schemas) : schemas_(schemas) {}

  std::string write(const TypeInfo& type, const FieldOptions& rules) {
    Members members;
    describe(members, type, rules);
    return members.object();
  }

  std::string member(const FieldInfo& field) {
    Members members;
    describe(members, field.type(), field.options);
    members.add_text("description", field.doc);
    if (field.options.read_only) members.add("readOnly", "true");
    if (!field.options.example.empty()) {
      members.add("examples", "[" + example(field) + "]");
    }
    return members.object();
  }

 private:
  void describe(Members& out, const TypeInfo& type, const FieldOptions& rules) {
    FieldOptions inner = rules;
    inner.max_length = 0;
    switch (type.shape) {
      case Shape::boolean:
        return out.add("type", "\"boolean\"");
      case Shape::integer:
        return describe_integer(out, type, rules);
      case Shape::number:
        out.add("type", "\"number\"");
        if (rules.min) out.add("minimum", fmt::format("{}", *rules.min));
        if (rules.max) out.add("maximum", fmt::format("{}", *rules.max));
        return;
      case Shape::text:
        return describe_text(out, type, rules);
      case Shape::structure:
      case Shape::enumeration:
        define(type);
        return out.add_text("$ref", fmt::format("#/components/schemas/{}", type.name));
      case Shape::list:
        out.add("type", "\"array\"");
        out.add("items", write(type.element(), inner));
        if (rules.max_length != 0) out.add("maxItems", fmt::format("{}", rules.max_length));
        return;
      case Shape::map:
        out.add("type", "\"object\"");
        out.add("additionalProperties", write(type.element(), inner));
        return;
      case Shape::optional:
        return describe(out, type.element(), rules);
      case Shape::variant:
        return describe_variant(out, type);
      case Shape::raw:
        return;
    }
  }

  static void describe_integer(Members& out, const TypeInfo& type, const FieldOptions& rules) {
    out.add("type", "\"integer\"");
    out.add("format", type.format == "int32" ? "\"int32\"" : "\"int64\"");
    const std::int64_t least = std::max(type.min, rules.min.value_or(type.min));
    const std::int64_t most = std::min(type.max, rules.max.value_or(type.max));
    if (least != INT64_MIN) out.add("minimum", fmt::format("{}", least));
    if (most != INT64_MAX) out.add("maximum", fmt::format("{}", most));
  }

  static void describe_text(Members& out, const TypeInfo& type, const FieldOptions& rules) {
    out.add("type", "\"string\"");
    const bool may_be_empty = !rules.required && !rules.format.empty();
    if (type.secret) {
      out.add("format", "\"password\"");
    } else if (!type.format.empty()) {
      out.add_text("format", type.format);
    } else if (!may_be_empty) {
      out.add_text("format", standard_format(rules.format));
    }
    // An empty text says "none" in a field that is not required.
    if (const std::string_view pattern = format_pattern(rules.format); !pattern.empty()) {
      out.add_text("pattern", may_be_empty ? fmt::format("^$|{}", pattern) : std::string(pattern));
    }
    if (rules.max_length != 0) out.add("maxLength", fmt::format("{}", rules.max_length));
  }

  void describe_variant(Members& out, const TypeInfo& type) {
    std::string choices, mapping;
    for (const auto& alternative : type.alternatives) {
      const TypeInfo& held = alternative();
      const std::string choice = define_choice(held);
      choices += (choices.empty() ? "" : ",") + reference_to(choice);
      mapping += fmt::format("{}{}:\"#/components/schemas/{}\"", mapping.empty() ? "" : ",",
                             quote(kebab(held.name)), choice);
    }
    out.add("oneOf", "[" + choices + "]");
    out.add("discriminator",
            fmt::format("{{\"propertyName\":\"kind\",\"mapping\":{{{}}}}}", mapping));
  }

  std::string define_choice(const TypeInfo& type) {
    const std::string name = std::string(type.name) + "Choice";
    if (schemas_.contains(name)) return name;
    schemas_[name];  // types may contain themselves
    define(type);
    schemas_[name] = fmt::format(
        "{{\"allOf\":[{},{{\"type\":\"object\",\"properties\":{{\"kind\":{{\"const\":{}}}}},"
        "\"required\":[\"kind\"]}}]}}",
        reference_to(type.name), quote(kebab(type.name)));
    return name;
  }

  void define(const TypeInfo& type) {
    const std::string name(type.name);
    if (schemas_.contains(name)) return;
    schemas_[name];  // types may contain themselves
    std::string text = type.shape == Shape::enumeration ? enumeration(type) : structure(type);
    schemas_[name] = std::move(text);
  }

  static std::string enumeration(const TypeInfo& type) {
    std::string names, doc(type.doc);
    for (const EnumValue& value : type.values) {
      names += (names.empty() ? "" : ",") + quote(value.name);
      doc += fmt::format("{}`{}`: {}", doc.empty() ? "" : "\n", value.name, value.doc);
    }
    Members members;
    members.add("type", "\"string\"");
    members.add_text("description", doc);
    members.add("enum", "[" + names + "]");
    return members.object();
  }

  std::string structure(const TypeInfo& type) {
    std::string required;
    Members properties;
    for (const FieldInfo& field : type.fields) {
      properties.add(field.name, member(field));
      if (field.options.required) required += (required.empty() ? "" : ",") + quote(field.name);
    }
    Members members;
    members.add("type", "\"object\"");
    members.add_text("description", type.doc);
    members.add("properties", properties.object());
    if (!required.empty()) members.add("required", "[" + required + "]");
    return members.object();
  }

  // Examples are written as on the command line; numbers are numbers in JSON.
  static std::string example(const FieldInfo& field) {
    const TypeInfo* type = &field.type();
    if (type->shape == Shape::optional) type = &type->element();
    const std::string_view text = field.options.example;
    if (type->shape == Shape::boolean) return std::string(text);
    if (type->shape == Shape::integer && type->format == "bytes") {
      if (const auto size = parse_bytes(text)) return fmt::format("{}", size->count);
    } else if (type->shape == Shape::integer && type->format == "duration-ms") {
      if (const auto time = parse_duration(text)) return fmt::format("{}", time->count());
    } else if (type->shape == Shape::integer || type->shape == Shape::number) {
      return std::string(text);
    }
    const std::string quoted = quote(text);
    return type->shape == Shape::list ? "[" + quoted + "]" : quoted;
  }

  std::map<std::string, std::string>& schemas_;
};

}  // namespace

std::string schema(const TypeInfo& type, std::map<std::string, std::string>& schemas) {
  return SchemaWriter(schemas).write(type, no_options());
}

std::string field_schema(const FieldInfo& field, std::map<std::string, std::string>& schemas) {
  return SchemaWriter(schemas).member(field);
}

}  // namespace ruche::json
