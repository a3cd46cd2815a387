// The only generic encode, decode and validate: JSON text ↔ described types, through type tables.
// Rooms that must look at raw JSON (net, core/documents, drivers that speak it) include
// base/json_value.hpp instead.
#pragma once

#include <cstddef>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/reflect.hpp"

namespace ruche::json {

enum class UnknownFields { refuse, ignore };
struct DecodeOptions {
  UnknownFields unknown_fields = UnknownFields::refuse;  // servers refuse, clients ignore
  bool allow_read_only = true;                           // false: requests
  int max_depth = 32;
  std::size_t max_bytes = std::size_t{64} << 20;
};

// Decodes into an existing object: fields absent in the text keep their value. The error carries
// the exact path: "/disks/0/size_bytes is out of range: …". On error the object is half-written and
// must be dropped. Limits of field options (min, max, format, max_length) are checked here too; an
// empty text satisfies the format of a field that is not required, it says "none". A variant is an
// object whose member "kind" names the alternative, kebab(its type's name). Where read-only fields
// are not allowed, neither is the text that stands for a secret.
std::expected<void, Error> decode_into(const TypeInfo& type, void* object, std::string_view text,
                                       DecodeOptions options);

template <class T>
std::expected<T, Error> try_decode(std::string_view text, DecodeOptions options = {}) {
  T object{};
  if (auto ok = decode_into(type_of<T>(), &object, text, options); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return object;
}
// The same, throwing.
template <class T>
T decode(std::string_view text, DecodeOptions options = {}) {
  auto result = try_decode<T>(text, options);
  if (!result) throw std::move(result.error());
  return std::move(*result);
}

struct EncodeOptions {
  bool pretty = false;  // two spaces, for people and golden files
  bool reveal_secrets = false;  // only documents that are sealed before they are stored
  bool omit_empty = true;  // empty optionals are left out (lists, maps and text stay)
};
void encode_to(std::string& out, const TypeInfo& type, const void* object, EncodeOptions options);

template <class T>
std::string encode(const T& object, EncodeOptions options = {}) {
  std::string out;
  encode_to(out, type_of<T>(), &object, options);
  return out;
}

// Checks limits and formats of an object that did not come from JSON (the CLI builds them).
std::expected<void, Error> validate(const TypeInfo& type, const void* object);

// RFC 7396: the object with the patch applied. Field paths and limits as in decode. null empties an
// optional, removes a map's entry and resets any other field to its default, but not a required
// one. A variant is patched in place unless "kind" changes.
std::expected<void, Error> merge_patch_into(const TypeInfo& type, void* object,
                                            std::string_view patch, DecodeOptions options);

// One changed leaf between two values of a type: path, old and new text. What exists on one side
// only has an empty text on the other; secrets say "changed".
struct Difference {
  std::string path;
  std::string before;
  std::string after;
};
std::vector<Difference> differences(const TypeInfo& type, const void* before, const void* after);

// JSON Schema (draft 2020-12) of a type, as OpenAPI 3.1 uses it; named types become $refs and are
// added to `schemas` (name → schema text). The alternative Foo of a variant is the schema
// FooChoice: Foo with its "kind".
std::string schema(const TypeInfo& type, std::map<std::string, std::string>& schemas);

// The same of one field, with its limits and text.
std::string field_schema(const FieldInfo& field, std::map<std::string, std::string>& schemas);

// A JSON string literal with quotes.
std::string quote(std::string_view text);

}  // namespace ruche::json
