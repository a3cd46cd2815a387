#include <charconv>
#include <cmath>

#include "base/json.hpp"

namespace ruche::json {
namespace {

// The length of the valid UTF-8 sequence at the front of `text`, 0 when there is none (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && at(1) < 0xa0) return 0;
    if (first == 0xed && at(1) > 0x9f) return 0;  // surrogates
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && at(1) < 0x90) return 0;
    if (first == 0xf4 && at(1) > 0x8f) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_escape(std::string& out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
  }
}

// Foreign bytes that are not UTF-8 become U+FFFD: what we write is always valid JSON.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // start of the run that needs no change
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      ++i;
      continue;
    }
    if (byte >= 0x80) {
      if (const std::size_t length = utf8_length(text.substr(i)); length != 0) {
        i += length;
        continue;
      }
    }
    out.append(text, plain, i - plain);
    if (byte >= 0x80) {
      out += "\xef\xbf\xbd";
    } else {
      append_escape(out, text[i]);
    }
    plain = ++i;
  }
  out.append(text, plain);
  out += '"';
}

template <class Number>
void append_number(std::string& out, Number number) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out.append(buffer, end);
}

class Encoder {
 public:
  Encoder(std::string& out, const EncodeOptions& options) : out_(out), options_(options) {}

  void encode(const TypeInfo& type, const void* object) {
    switch (type.shape) {
      case Shape::boolean:
        out_ += type.get_integer(object) != 0 ? "true" : "false";
        return;
      case Shape::integer:
        append_number(out_, type.get_integer(object));
        return;
      case Shape::number: {
        const double number = type.get_number(object);
        // JSON has neither infinity nor "not a number".
        if (!std::isfinite(number)) {
          out_ += "null";
        } else {
          append_number(out_, number == 0 ? 0.0 : number);  // "-0" would read back as the integer 0
        }
        return;
      }
      case Shape::text:
        return encode_text(type, object);
      case Shape::enumeration:
        return append_quoted(out_, enum_name(type, type.get_integer(object)));
      case Shape::structure:
        return encode_members(type, object, {});
      case Shape::list:
        return encode_list(type, object);
      case Shape::map:
        return encode_map(type, object);
      case Shape::optional: {
        const void* const held = type.held(object);
        if (held == nullptr) {
          out_ += "null";
        } else {
          encode(type.element(), held);
        }
        return;
      }
      case Shape::variant: {
        const TypeInfo& alternative = type.alternatives[type.index(object)]();
        return encode_members(alternative, type.alternative(object), kebab(alternative.name));
      }
      case Shape::raw: {
        const std::string text = type.get_text(object);
        out_ += text.empty() ? "null" : text;
        return;
      }
    }
  }

 private:
  void encode_text(const TypeInfo& type, const void* object) {
    if (type.plain_text != nullptr) return append_quoted(out_, type.plain_text(object));
    append_quoted(out_, type.secret && options_.reveal_secrets ? type.reveal_text(object)
                                                               : type.get_text(object));
  }

  void encode_members(const TypeInfo& type, const void* object, const std::string& tag) {
    open('{');
    bool first = true;
    if (!tag.empty()) {
      begin_item(first);
      append_key("kind");
      append_quoted(out_, tag);
    }
    for (const FieldInfo& field : type.fields) {
      const TypeInfo& member = field.type();
      const void* const value = field.get(const_cast<void*>(object));
      if (options_.omit_empty && member.shape == Shape::optional && member.held(value) == nullptr) {
        continue;
      }
      begin_item(first);
      append_key(field.name);
      encode(member, value);
    }
    close('}', first);
  }

  void encode_list(const TypeInfo& type, const void* object) {
    open('[');
    bool first = true;
    const TypeInfo& element = type.element();
    const std::size_t size = type.size(object);
    for (std::size_t i = 0; i < size; ++i) {
      begin_item(first);
      encode(element, type.at(object, i));
    }
    close(']', first);
  }

  struct MapWalk {
    Encoder& encoder;
    const TypeInfo& element;
    bool first = true;
  };
  void encode_map(const TypeInfo& type, const void* object) {
    open('{');
    MapWalk walk{*this, type.element()};
    type.each(object, &walk, [](void* context, const std::string& key, const void* value) {
      auto& self = *static_cast<MapWalk*>(context);
      self.encoder.begin_item(self.first);
      self.encoder.append_key(key);
      self.encoder.encode(self.element, value);
    });
    close('}', walk.first);
  }

  void append_key(std::string_view key) {
    append_quoted(out_, key);
    out_ += options_.pretty ? ": " : ":";
  }
  void open(char bracket) {
    out_ += bracket;
    ++depth_;
  }
  void begin_item(bool& first) {
    if (!first) out_ += ',';
    first = false;
    new_line();
  }
  void close(char bracket, bool empty) {
    --depth_;
    if (!empty) new_line();
    out_ += bracket;
  }
  void new_line() {
    if (!options_.pretty) return;
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }

  std::string& out_;
  const EncodeOptions& options_;
  std::size_t depth_ = 0;
};

}  // namespace

void encode_to(std::string& out, const TypeInfo& type, const void* object, EncodeOptions options) {
  Encoder(out, options).encode(type, object);
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

}  // namespace ruche::json
