#include <algorithm>
#include <memory>

#include "base/json_decode.hpp"

namespace ruche::json {
namespace {

// A default-constructed object of a described type.
class Fresh {
 public:
  explicit Fresh(const TypeInfo& type)
      : type_(type), storage_(std::make_unique<std::byte[]>(type.bytes)) {
    type_.construct(storage_.get());
  }
  ~Fresh() { type_.destroy(storage_.get()); }
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  void* get() { return storage_.get(); }

 private:
  const TypeInfo& type_;
  std::unique_ptr<std::byte[]> storage_;
};

}  // namespace

void Decoder::patch(const TypeInfo& type, const FieldOptions& rules, void* object,
                    const Value& value) {
  switch (type.shape) {
    case Shape::structure:
      return patch_members(type, object, expect_object(type, value), false);
    case Shape::map:
      return patch_map(type, rules, object, expect_object(type, value));
    case Shape::variant:
      return patch_variant(type, object, expect_object(type, value));
    case Shape::optional: {
      if (value.is_null()) return type.clear(object);
      const void* const held = type.held(object);
      if (held == nullptr) return decode(type.element(), rules, type.emplace(object), value);
      return patch(type.element(), rules, const_cast<void*>(held), value);
    }
    default:
      return decode(type, rules, object, value);
  }
}

void Decoder::patch_members(const TypeInfo& type, void* object, const Object& members,
                            bool tagged) {
  for (const auto& [key, value] : members) {
    const std::string_view name(key.data(), key.size());
    if (tagged && name == "kind") continue;
    const Path::Step step(path_, name);
    const FieldInfo* const field = find_member(type, name);
    if (field == nullptr) continue;
    if (value.is_null()) {
      reset_member(type, *field, object);
    } else {
      patch(field->type(), field->options, field->get(object), value);
    }
  }
}

void Decoder::reset_member(const TypeInfo& type, const FieldInfo& field, void* object) {
  if (field.options.required) {
    throw path_.error(Reason::missing_field, "is required and cannot be removed");
  }
  // The default is the one that the structure gives to this member, not the member's type.
  Fresh defaults(type);
  field.type().assign(field.get(object), field.get(defaults.get()));
}

void Decoder::patch_map(const TypeInfo& type, const FieldOptions& rules, void* object,
                        const Object& entries) {
  FieldOptions inner = rules;
  inner.max_length = 0;
  for (const auto& [key, value] : entries) {
    const std::string name(key.data(), key.size());
    const Path::Step step(path_, name);
    if (value.is_null()) {
      type.erase(object, name);
      continue;
    }
    const bool known = type.find(object, name) != nullptr;
    void* const entry = type.insert(object, name);
    if (known) {
      patch(type.element(), inner, entry, value);
    } else {
      decode(type.element(), inner, entry, value);
    }
  }
  check_size(path_, rules, type.size(object));
}

void Decoder::patch_variant(const TypeInfo& type, void* object, const Object& members) {
  const std::size_t held = type.index(object);
  const bool tagged = members.contains("kind");
  const std::size_t wanted = tagged ? find_alternative(type, members) : held;
  if (wanted == held) {
    return patch_members(type.alternatives[held](), const_cast<void*>(type.alternative(object)),
                         members, tagged);
  }
  decode_members(type.alternatives[wanted](), type.emplace_alternative(object, wanted), members,
                 true);
}

std::expected<void, Error> merge_patch_into(const TypeInfo& type, void* object,
                                            std::string_view patch, DecodeOptions options) {
  try {
    boost::json::monotonic_resource memory;
    const Value value = parse(patch, options, &memory);
    Decoder::merge(options, type, object, value);
    return {};
  } catch (Error& error) {
    return std::unexpected(std::move(error));
  }
}

void Decoder::merge(const DecodeOptions& options, const TypeInfo& type, void* object,
                    const Value& value) {
  Decoder decoder(options);
  decoder.patching_ = true;
  decoder.patch(type, no_options(), object, value);
}

}  // namespace ruche::json
