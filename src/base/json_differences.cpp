#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/json_rules.hpp"

namespace ruche::json {
namespace {

// Leaves read as people write them: text without quotes, everything else as JSON.
std::string leaf_text(const TypeInfo& type, const void* object) {
  if (type.shape == Shape::text) return type.get_text(object);
  if (type.shape == Shape::enumeration) {
    return std::string(enum_name(type, type.get_integer(object)));
  }
  std::string out;
  encode_to(out, type, object, {});
  return out;
}

std::set<std::string> keys_of(const TypeInfo& type, const void* map) {
  std::set<std::string> keys;
  type.each(map, &keys, [](void* context, const std::string& key, const void*) {
    static_cast<std::set<std::string>*>(context)->insert(key);
  });
  return keys;
}

class Comparison {
 public:
  // Null on one side: the value does not exist there.
  void compare(const TypeInfo& type, const void* before, const void* after) {
    if (before == nullptr && after == nullptr) return;
    if (type.shape == Shape::optional) {
      return compare(type.element(), before == nullptr ? nullptr : type.held(before),
                     after == nullptr ? nullptr : type.held(after));
    }
    if (before == nullptr || after == nullptr) return compare_one_sided(type, before, after);
    switch (type.shape) {
      case Shape::structure:
        return compare_members(type, before, after);
      case Shape::list:
        return compare_lists(type, before, after);
      case Shape::map:
        return compare_maps(type, before, after);
      case Shape::variant:
        return compare_variants(type, before, after);
      default:
        break;
    }
    if (type.secret) {
      if (type.reveal_text(before) != type.reveal_text(after)) add("", "changed");
      return;
    }
    std::string old_text = leaf_text(type, before), new_text = leaf_text(type, after);
    if (old_text != new_text) add(std::move(old_text), std::move(new_text));
  }

  std::vector<Difference> take() { return std::move(found_); }

 private:
  void add(std::string before, std::string after) {
    found_.push_back({path_.text(), std::move(before), std::move(after)});
  }

  void compare_one_sided(const TypeInfo& type, const void* before, const void* after) {
    if (type.secret) return add("", "changed");
    add(before == nullptr ? "" : leaf_text(type, before),
        after == nullptr ? "" : leaf_text(type, after));
  }

  void compare_members(const TypeInfo& type, const void* before, const void* after) {
    for (const FieldInfo& field : type.fields) {
      const Path::Step step(path_, field.name);
      compare(field.type(), field.get(const_cast<void*>(before)),
              field.get(const_cast<void*>(after)));
    }
  }

  void compare_lists(const TypeInfo& type, const void* before, const void* after) {
    const std::size_t old_size = type.size(before), new_size = type.size(after);
    for (std::size_t i = 0; i < std::max(old_size, new_size); ++i) {
      const Path::Step step(path_, i);
      compare(type.element(), i < old_size ? type.at(before, i) : nullptr,
              i < new_size ? type.at(after, i) : nullptr);
    }
  }

  void compare_maps(const TypeInfo& type, const void* before, const void* after) {
    std::set<std::string> keys = keys_of(type, before);
    keys.merge(keys_of(type, after));
    for (const std::string& key : keys) {
      const Path::Step step(path_, key);
      compare(type.element(), type.find(before, key), type.find(after, key));
    }
  }

  void compare_variants(const TypeInfo& type, const void* before, const void* after) {
    if (type.index(before) == type.index(after)) {
      return compare(type.alternatives[type.index(before)](), type.alternative(before),
                     type.alternative(after));
    }
    add(leaf_text(type, before), leaf_text(type, after));
  }

  Path path_;
  std::vector<Difference> found_;
};

}  // namespace

std::vector<Difference> differences(const TypeInfo& type, const void* before, const void* after) {
  Comparison comparison;
  comparison.compare(type, before, after);
  return comparison.take();
}

}  // namespace ruche::json
