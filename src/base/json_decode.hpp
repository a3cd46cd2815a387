// The walk from JSON values into described objects, shared by decode and merge patch. Internal to
// base.
#pragma once

#include "base/json_rules.hpp"
#include "base/json_value.hpp"

namespace ruche::json {

class Decoder {
 public:
  explicit Decoder(const DecodeOptions& options) : options_(options) {}

  // Replaces what the object holds; of a structure the members that are present.
  void decode(const TypeInfo& type, const FieldOptions& rules, void* object, const Value& value);
  // RFC 7396.
  static void merge(const DecodeOptions& options, const TypeInfo& type, void* object,
                    const Value& value);

 private:
  void patch(const TypeInfo& type, const FieldOptions& rules, void* object, const Value& value);
  const Object& expect_object(const TypeInfo& type, const Value& value) const;
  const FieldInfo* find_member(const TypeInfo& type, std::string_view name) const;
  std::size_t find_alternative(const TypeInfo& type, const Object& members);
  void check_required(const TypeInfo& type, const Object& members) const;

  void decode_integer(const TypeInfo& type, const FieldOptions& rules, void* object,
                      const Value& value) const;
  void decode_number(const TypeInfo& type, const FieldOptions& rules, void* object,
                     const Value& value) const;
  void decode_text(const TypeInfo& type, const FieldOptions& rules, void* object,
                   const Value& value) const;
  void decode_enumeration(const TypeInfo& type, void* object, const Value& value) const;
  void decode_members(const TypeInfo& type, void* object, const Object& members, bool tagged);
  void decode_list(const TypeInfo& type, const FieldOptions& rules, void* object,
                   const Value& value);
  void decode_map(const TypeInfo& type, const FieldOptions& rules, void* object,
                  const Value& value);

  void patch_members(const TypeInfo& type, void* object, const Object& members, bool tagged);
  void patch_map(const TypeInfo& type, const FieldOptions& rules, void* object,
                 const Object& entries);
  void patch_variant(const TypeInfo& type, void* object, const Object& members);
  void reset_member(const TypeInfo& type, const FieldInfo& field, void* object);

  DecodeOptions options_;
  Path path_;
  // What a patch adds did not exist before: nulls within it mean "absent", required fields are.
  bool patching_ = false;
};

}  // namespace ruche::json
