// Lists: filter, sort and pages over a consistent snapshot. The sorted records of a list are kept,
// as shared pointers, as long as somebody may ask for the next page; the cursor names them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "methods/method.hpp"

namespace ruche::api {

// What a field of an item is worth; monostate: absent (it matches nothing but !=, and sorts first).
using FieldValue =
    std::variant<std::monostate, std::string, std::int64_t, std::vector<std::string>>;

enum class FieldKind { text, tags, number, size, time, boolean };

// --- filters --------------------------------------------------------------------------------

enum class Comparison { equal, not_equal, contains, less, less_equal, greater, greater_equal };

struct Condition {
  std::string field;
  Comparison comparison = Comparison::equal;
  std::vector<std::string> values;  // alternatives: state=running|paused
};
// "state=running,name~web,memory_bytes>1GiB". Throws bad_filter.
std::vector<Condition> parse_filter(std::string_view text);

struct SortKey {
  std::string field;
  bool descending = false;
};
std::vector<SortKey> parse_sort(std::string_view text);

// A condition bound to a field's kind: the values are parsed once.
class Test {
 public:
  Test(const Condition& condition, FieldKind kind);
  bool operator()(const FieldValue& value) const;

 private:
  bool matches(const FieldValue& value) const;
  Comparison comparison_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> numbers_;
};

// Less-than of two values of one field; texts by their bytes.
bool sorts_before(const FieldValue& a, const FieldValue& b);

template <class R>
struct ListField {
  std::string_view name;
  FieldKind kind;
  std::function<FieldValue(const R&)> get;
};

[[noreturn]] void refuse_field(std::string_view where, std::string_view field, std::string known);

template <class R>
const ListField<R>& field_named(const std::vector<ListField<R>>& fields, std::string_view where,
                                std::string_view name) {
  std::string known;
  for (const auto& field : fields) {
    if (field.name == name) return field;
    known += (known.empty() ? "" : ", ") + std::string(field.name);
  }
  refuse_field(where, name, std::move(known));
}

// Those that match, in order. Ties go by the order in which they came.
template <class R>
std::vector<std::shared_ptr<const R>> select(std::vector<std::shared_ptr<const R>> items,
                                             const std::vector<ListField<R>>& fields,
                                             std::string_view filter, std::string_view sort) {
  for (const auto& condition : parse_filter(filter)) {
    const auto& field = field_named(fields, "/filter", condition.field);
    const Test test(condition, field.kind);
    std::erase_if(items, [&](const auto& item) { return !test(field.get(*item)); });
  }
  const auto keys = parse_sort(sort);
  std::vector<std::vector<FieldValue>> columns;
  for (const auto& key : keys) {
    const auto& field = field_named(fields, "/sort", key.field);
    auto& column = columns.emplace_back();
    column.reserve(items.size());
    for (const auto& item : items) column.push_back(field.get(*item));
  }
  std::vector<std::uint32_t> order(items.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    for (std::size_t k = 0; k < keys.size(); ++k) {
      const auto& first = keys[k].descending ? columns[k][b] : columns[k][a];
      const auto& second = keys[k].descending ? columns[k][a] : columns[k][b];
      if (sorts_before(first, second)) return true;
      if (sorts_before(second, first)) return false;
    }
    return a < b;
  });
  std::vector<std::shared_ptr<const R>> sorted;
  sorted.reserve(items.size());
  for (const auto i : order) sorted.push_back(std::move(items[i]));
  return sorted;
}

// --- snapshots ------------------------------------------------------------------------------

// What a list is; two requests with the same key at the same revision share a snapshot.
struct ListKey {
  std::string_view method;
  std::string filter, sort;
  bool deleted = false;
  friend bool operator==(const ListKey&, const ListKey&) = default;
};

struct Snapshot {
  std::uint64_t number = 0;
  ListKey key;
  std::string store_id;
  std::int64_t revision = 0;
  std::size_t size = 0;
  std::shared_ptr<const void> items;  // a vector<shared_ptr<const R>>
  Instant used;
};

// Bounded: the least recently used goes first, and everything after a while.
class Snapshots {
 public:
  // `boot` keeps a daemon from taking the cursors of the one before it.
  Snapshots(Clock& clock, std::string boot) : clock_(clock), boot_(std::move(boot)) {}

  std::shared_ptr<Snapshot> find(const ListKey& key, std::string_view store_id,
                                 std::int64_t revision);
  std::shared_ptr<Snapshot> add(Snapshot snapshot);

  struct Position {
    std::shared_ptr<Snapshot> snapshot;
    std::size_t offset = 0;
  };
  // Throws bad_cursor, with what to do. A filter or sort sent along must be the cursor's own.
  Position resolve(std::string_view cursor, const ListKey& key, std::string_view store_id);
  std::string cursor(const Snapshot& snapshot, std::size_t offset) const;
  std::size_t kept() const { return kept_.size(); }

  static constexpr std::size_t kMostSnapshots = 32;
  static constexpr std::size_t kMostItems = 2'000'000;
  static constexpr Duration kKeep{600'000};

 private:
  void forget();

  Clock& clock_;
  std::string boot_;
  std::uint64_t last_number_ = 0;
  std::list<std::shared_ptr<Snapshot>> kept_;  // the most recently used first
};

// RFC 4648 section 5, without padding.
std::string base64url(std::string_view bytes);
std::optional<std::string> parse_base64url(std::string_view text);

}  // namespace ruche::api
