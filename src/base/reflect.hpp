// Type tables. A described type has one constexpr table, in the .cpp of its header:
//
//   constexpr auto describe(Type<DiskSpec>) {
//     return structure<DiskSpec>("DiskSpec", "A virtual disk.",
//         field<&DiskSpec::size>("size_bytes", "Capacity the guest sees.", {.min = 1 << 20}),
//         field<&DiskSpec::bus>("bus", "Device model."));
//   }
//   constexpr auto describe(Type<DiskBus>) {
//     return enumeration<DiskBus>("DiskBus", "…", value(DiskBus::virtio_blk, "virtio-blk", "…"));
//   }
//
// type_of<T>() turns it into a TypeInfo: plain run-time data that ordinary functions walk (decode,
// encode, validate, OpenAPI, CLI, help). Only this header is made of templates. It is instantiated
// beside the table, and the type's header says so, or every file that names the type would build
// the tables of all that is in it:
//
//   extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskSpec>();
#pragma once

#include <cstdint>
#include <expected>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/secret.hpp"
#include "base/units.hpp"

namespace ruche {

template <class T>
struct Type {};

struct FieldOptions {
  bool required = false;                // absent in input → missing-field
  std::optional<std::int64_t> min = {};  // numbers, sizes, durations
  std::optional<std::int64_t> max = {};
  std::size_t max_length = 0;  // text: bytes, lists: items; 0 = the kind's default limit
  std::string_view format = {};  // "name": a Ruche name; "reference": name or id; "path"; "file":
                                 // the CLI sends what a file holds; …
  bool read_only = false;  // servers fill it; refused in a request
  std::string_view flag = {};  // CLI flag when it is not derived from the name
  bool positional = false;  // CLI: an argument rather than a flag
  std::string_view example = {};
};

struct TypeInfo;
struct FieldInfo {
  std::string_view name;
  std::string_view doc;
  FieldOptions options;
  const TypeInfo& (*type)();
  void* (*get)(void* object);
};
struct EnumValue {
  std::int64_t value;
  std::string_view name;  // kebab-case
  std::string_view doc;
};

enum class Shape : std::uint8_t {
  boolean,
  integer,
  number,
  text,
  structure,
  enumeration,
  list,
  map,
  optional,
  variant,
  raw,
};

// JSON that is passed on as it is: any value, serialized. Encoded verbatim (empty text: null).
struct RawJson {
  std::string text;
  friend bool operator==(const RawJson&, const RawJson&) = default;
};

// What a walker needs to know of a type. Objects are passed as void*; the functions that apply to
// the shape are set, the others are null.
struct TypeInfo {
  Shape shape;
  std::string_view name;  // described types and formats ("bytes", "uuid"); else empty
  std::string_view doc;
  std::string_view format;  // text: "uuid", "date-time"; integer: "bytes", "duration-ms", "uint32"…
  bool secret = false;
  std::vector<FieldInfo> fields;  // structure
  std::vector<EnumValue> values;  // enumeration
  const TypeInfo& (*element)() = nullptr;  // list, map, optional
  std::vector<const TypeInfo& (*)()> alternatives;  // variant: described structures, tagged "kind"

  std::int64_t min = INT64_MIN, max = INT64_MAX;  // integer: the C++ type's own limits
  std::int64_t (*get_integer)(const void*) = nullptr;  // boolean, integer, enumeration
  void (*set_integer)(void*, std::int64_t) = nullptr;
  double (*get_number)(const void*) = nullptr;
  void (*set_number)(void*, double) = nullptr;
  std::string (*get_text)(const void*) = nullptr;  // text and raw; of a secret: kRedacted
  std::string (*reveal_text)(const void*) = nullptr;  // secret
  // Plain text without a copy; null for text that is rendered (ids, times).
  const std::string& (*plain_text)(const void*) = nullptr;
  // The error says what form was expected.
  std::expected<void, std::string> (*set_text)(void*, std::string_view) = nullptr;
  std::size_t (*size)(const void*) = nullptr;  // list, map
  const void* (*at)(const void*, std::size_t) = nullptr;  // list
  void* (*append)(void*) = nullptr;  // list
  void (*clear)(void*) = nullptr;  // list, map, optional
  void (*each)(const void*, void* context,
               void (*visit)(void* context, const std::string& key, const void* value)) = nullptr;
  void* (*insert)(void*, std::string key) = nullptr;  // map: the old value if any
  const void* (*find)(const void*, const std::string& key) = nullptr;  // map: null when absent
  void (*erase)(void*, const std::string& key) = nullptr;  // map
  const void* (*held)(const void*) = nullptr;  // optional: null when empty
  void* (*emplace)(void*) = nullptr;  // optional
  std::size_t (*index)(const void*) = nullptr;  // variant
  const void* (*alternative)(const void*) = nullptr;  // variant: the held value
  void* (*emplace_alternative)(void*, std::size_t) = nullptr;  // variant
  void (*construct)(void*) = nullptr;  // placement default construction, with `bytes` of storage
  void (*destroy)(void*) = nullptr;
  void (*assign)(void* to, const void* from) = nullptr;
  std::size_t bytes = 0;

  const FieldInfo* find_field(std::string_view field_name) const;
};

template <class T>
const TypeInfo& type_of();

// --- tables ---------------------------------------------------------------------------------

template <class T>
struct StructureTable {
  std::string_view name, doc;
  std::vector<FieldInfo> fields;
};
template <class T>
struct EnumerationTable {
  std::string_view name, doc;
  std::vector<EnumValue> values;
};

namespace detail {
template <class>
struct MemberOf;
template <class Class, class Member>
struct MemberOf<Member Class::*> {
  using Object = Class;
  using Value = Member;
};
template <auto Pointer>
void* member_address(void* object) {
  using Object = typename MemberOf<decltype(Pointer)>::Object;
  return &(static_cast<Object*>(object)->*Pointer);
}
}  // namespace detail

template <auto Pointer>
constexpr FieldInfo field(std::string_view name, std::string_view doc, FieldOptions options = {}) {
  using Value = typename detail::MemberOf<decltype(Pointer)>::Value;
  return {name, doc, options, &type_of<Value>, &detail::member_address<Pointer>};
}
template <class E>
constexpr EnumValue value(E e, std::string_view name, std::string_view doc) {
  return {static_cast<std::int64_t>(e), name, doc};
}
template <class T, class... Fields>
constexpr StructureTable<T> structure(std::string_view name, std::string_view doc,
                                      Fields... fields) {
  return {name, doc, {fields...}};
}
// A long table in parts: structure<T>("Name", "Doc.", fields(…), fields(…)).
template <class... Fields>
constexpr std::vector<FieldInfo> fields(Fields... fields) {
  return {fields...};
}
template <class T>
constexpr StructureTable<T> structure(std::string_view name, std::string_view doc,
                                      std::vector<FieldInfo> first, std::vector<FieldInfo> rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return {name, doc, std::move(first)};
}
template <class T, class... Values>
constexpr EnumerationTable<T> enumeration(std::string_view name, std::string_view doc,
                                          Values... values) {
  return {name, doc, {values...}};
}

// --- building TypeInfo ----------------------------------------------------------------------

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <template <class...> class Template, class... Args>
inline constexpr bool is_instance<Template<Args...>, Template> = true;

std::expected<void, std::string> assign_text(std::string& out, std::string_view text);
std::expected<void, std::string> assign_text(Uuid& out, std::string_view text);
std::expected<void, std::string> assign_text(Timestamp& out, std::string_view text);
inline std::string text_of(const std::string& s) { return s; }
inline std::string text_of(const Uuid& u) { return to_text(u); }
inline std::string text_of(Timestamp t) { return to_rfc3339(t); }

template <class T, class Inner = T>
void use_text(TypeInfo& info, std::string_view format) {
  info.shape = Shape::text;
  info.format = format;
  info.get_text = [](const void* p) { return text_of(*static_cast<const Inner*>(p)); };
  info.set_text = [](void* p, std::string_view s) {
    return assign_text(*static_cast<Inner*>(p), s);
  };
}

template <class T>
void use_integer(TypeInfo& info, std::string_view format) {
  info.shape = Shape::integer;
  info.format = format;
  info.get_integer = [](const void* p) -> std::int64_t {
    if constexpr (requires(const T& t) { t.count; } && std::is_same_v<T, Bytes>) {
      return static_cast<const T*>(p)->count;
    } else if constexpr (std::is_same_v<T, Duration>) {
      return static_cast<const T*>(p)->count();
    } else {
      return static_cast<std::int64_t>(*static_cast<const T*>(p));
    }
  };
  info.set_integer = [](void* p, std::int64_t v) {
    if constexpr (std::is_same_v<T, Bytes>) {
      static_cast<T*>(p)->count = v;
    } else {
      *static_cast<T*>(p) = static_cast<T>(v);
    }
  };
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool> && sizeof(T) < 8) {
    info.min = std::numeric_limits<T>::min();
    info.max = std::numeric_limits<T>::max();
  } else if constexpr (!std::is_signed_v<T>) {
    info.min = 0;  // and at most INT64_MAX: JSON readers lose more anyway
  }
}

template <class T>
void use_containers(TypeInfo& info);

template <class T>
TypeInfo build() {
  TypeInfo info{};
  info.bytes = sizeof(T);
  info.construct = [](void* p) { new (p) T(); };
  info.destroy = [](void* p) { static_cast<T*>(p)->~T(); };
  info.assign = [](void* to, const void* from) {
    *static_cast<T*>(to) = *static_cast<const T*>(from);
  };
  if constexpr (std::is_same_v<T, bool>) {
    use_integer<T>(info, "");
    info.shape = Shape::boolean;
  } else if constexpr (std::is_enum_v<T>) {
    const auto table = describe(Type<T>{});
    use_integer<T>(info, "");
    info.shape = Shape::enumeration;
    info.name = table.name;
    info.doc = table.doc;
    info.values = table.values;
  } else if constexpr (std::is_integral_v<T>) {
    use_integer<T>(info, sizeof(T) == 8 ? "int64" : "int32");
  } else if constexpr (std::is_same_v<T, Bytes>) {
    use_integer<T>(info, "bytes");
    info.min = 0;
  } else if constexpr (std::is_same_v<T, Duration>) {
    use_integer<T>(info, "duration-ms");
    info.min = 0;
  } else if constexpr (std::is_floating_point_v<T>) {
    info.shape = Shape::number;
    info.get_number = [](const void* p) { return static_cast<double>(*static_cast<const T*>(p)); };
    info.set_number = [](void* p, double v) { *static_cast<T*>(p) = static_cast<T>(v); };
  } else if constexpr (std::is_same_v<T, std::string>) {
    use_text<T>(info, "");
    info.plain_text = [](const void* p) -> const std::string& {
      return *static_cast<const std::string*>(p);
    };
  } else if constexpr (std::is_same_v<T, RawJson>) {
    info.shape = Shape::raw;
    info.get_text = [](const void* p) { return static_cast<const RawJson*>(p)->text; };
    info.set_text = [](void* p, std::string_view s) -> std::expected<void, std::string> {
      static_cast<RawJson*>(p)->text = s;
      return {};
    };
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    use_text<T>(info, "date-time");
  } else if constexpr (std::is_same_v<T, Uuid>) {
    use_text<T>(info, "uuid");
  } else if constexpr (is_instance<T, Id>) {
    use_text<T, Uuid>(info, "uuid");  // Id holds exactly one Uuid, at its start
    static_assert(sizeof(T) == sizeof(Uuid) && std::is_standard_layout_v<T>);
  } else if constexpr (is_instance<T, Secret>) {
    info.shape = Shape::text;
    info.secret = true;
    info.get_text = [](const void*) { return std::string(kRedacted); };
    info.reveal_text = [](const void* p) { return static_cast<const T*>(p)->reveal(); };
    info.set_text = [](void* p, std::string_view s) -> std::expected<void, std::string> {
      *static_cast<T*>(p) = T(std::string(s));
      return {};
    };
  } else {
    use_containers<T>(info);
  }
  return info;
}

template <class T>
void use_containers(TypeInfo& info) {
  if constexpr (is_instance<T, std::vector>) {
    info.shape = Shape::list;
    info.element = &type_of<typename T::value_type>;
    info.size = [](const void* p) { return static_cast<const T*>(p)->size(); };
    info.at = [](const void* p, std::size_t i) -> const void* {
      return &(*static_cast<const T*>(p))[i];
    };
    info.append = [](void* p) -> void* { return &static_cast<T*>(p)->emplace_back(); };
    info.clear = [](void* p) { static_cast<T*>(p)->clear(); };
  } else if constexpr (is_instance<T, std::map>) {
    static_assert(std::is_same_v<typename T::key_type, std::string>);
    info.shape = Shape::map;
    info.element = &type_of<typename T::mapped_type>;
    info.size = [](const void* p) { return static_cast<const T*>(p)->size(); };
    info.clear = [](void* p) { static_cast<T*>(p)->clear(); };
    info.each = [](const void* p, void* context, auto visit) {
      for (const auto& [key, held] : *static_cast<const T*>(p)) visit(context, key, &held);
    };
    info.insert = [](void* p, std::string key) -> void* {
      return &(*static_cast<T*>(p))[std::move(key)];
    };
    info.find = [](const void* p, const std::string& key) -> const void* {
      const auto& map = *static_cast<const T*>(p);
      const auto found = map.find(key);
      return found == map.end() ? nullptr : &found->second;
    };
    info.erase = [](void* p, const std::string& key) { static_cast<T*>(p)->erase(key); };
  } else if constexpr (is_instance<T, std::optional>) {
    info.shape = Shape::optional;
    info.element = &type_of<typename T::value_type>;
    info.held = [](const void* p) -> const void* {
      const auto& optional = *static_cast<const T*>(p);
      return optional ? &*optional : nullptr;
    };
    info.emplace = [](void* p) -> void* { return &static_cast<T*>(p)->emplace(); };
    info.clear = [](void* p) { static_cast<T*>(p)->reset(); };
  } else if constexpr (is_instance<T, std::variant>) {
    info.shape = Shape::variant;
    [&]<class... Ts>(std::type_identity<std::variant<Ts...>>) {
      info.alternatives = {&type_of<Ts>...};
      info.emplace_alternative = [](void* p, std::size_t i) -> void* {
        using Make = void* (*)(T&);
        static constexpr Make make[] = {[](T& v) -> void* { return &v.template emplace<Ts>(); }...};
        return make[i](*static_cast<T*>(p));
      };
    }(std::type_identity<T>{});
    info.index = [](const void* p) { return static_cast<const T*>(p)->index(); };
    info.alternative = [](const void* p) -> const void* {
      return std::visit([](const auto& v) -> const void* { return &v; }, *static_cast<const T*>(p));
    };
  } else {
    const auto table = describe(Type<T>{});
    info.shape = Shape::structure;
    info.name = table.name;
    info.doc = table.doc;
    info.fields = table.fields;
  }
}

}  // namespace detail

template <class T>
const TypeInfo& type_of() {
  static const TypeInfo info = detail::build<T>();
  return info;
}

// The kebab-case name of an enumeration's value, and back.
std::string_view enum_name(const TypeInfo& info, std::int64_t v);
template <class E>
std::string_view enum_name(E e) {
  return enum_name(type_of<E>(), static_cast<std::int64_t>(e));
}
std::optional<std::int64_t> enum_value(const TypeInfo& info, std::string_view name);
template <class E>
std::optional<E> enum_value(std::string_view name) {
  const auto found = enum_value(type_of<E>(), name);
  if (!found) return std::nullopt;
  return static_cast<E>(*found);
}

// "CreateVolume" → "create-volume": the tag of a variant's alternative.
std::string kebab(std::string_view pascal_case);

}  // namespace ruche
