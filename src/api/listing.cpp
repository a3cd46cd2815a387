#include "api/listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/units.hpp"

namespace ruche::api {

namespace {

[[noreturn]] void refuse_filter(std::string_view part, std::string_view why) {
  throw Error(Reason::bad_filter, fmt::format("\"{}\": {}", part, why))
      .at("/filter")
      .remedy("conditions look like state=running,name~web,tag!=test,memory_bytes>=1GiB");
}

struct Operator {
  std::string_view text;
  Comparison comparison;
};
// The longer ones first.
constexpr std::array kOperators = {
    Operator{"!=", Comparison::not_equal},     Operator{"<=", Comparison::less_equal},
    Operator{">=", Comparison::greater_equal}, Operator{"=", Comparison::equal},
    Operator{"~", Comparison::contains},       Operator{"<", Comparison::less},
    Operator{">", Comparison::greater},
};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// Cuts at a separator outside of double quotes.
std::vector<std::string_view> cut(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i == text.size() || (text[i] == separator && !quoted)) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  return parts;
}

std::string unquote(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return std::string(text.substr(1, text.size() - 2));
  }
  return std::string(text);
}

Condition parse_condition(std::string_view part) {
  const auto end_of_name = part.find_first_of("!=~<>");
  if (end_of_name == part.npos || end_of_name == 0) refuse_filter(part, "there is no comparison");
  const auto rest = part.substr(end_of_name);
  for (const auto& op : kOperators) {
    if (!rest.starts_with(op.text)) continue;
    Condition condition{std::string(trim(part.substr(0, end_of_name))), op.comparison, {}};
    for (const auto value : cut(trim(rest.substr(op.text.size())), '|')) {
      condition.values.push_back(unquote(value));
    }
    return condition;
  }
  refuse_filter(part, "there is no such comparison");
}

std::int64_t parse_number(FieldKind kind, const std::string& text, const std::string& field) {
  if (kind == FieldKind::boolean) {
    if (text == "true") return 1;
    if (text == "false") return 0;
    refuse_filter(field, "it is true or false");
  }
  if (kind == FieldKind::size) {
    const auto size = parse_bytes(text);
    if (!size) refuse_filter(field, size.error());
    return size->count;
  }
  if (kind == FieldKind::time) {
    const auto time = parse_rfc3339(text);
    if (!time) refuse_filter(field, time.error());
    return time->unix_ms;
  }
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, number).ptr != end) {
    refuse_filter(field, fmt::format("\"{}\" is not a number", text));
  }
  return number;
}

bool compare_numbers(Comparison comparison, std::int64_t have, std::int64_t want) {
  switch (comparison) {
    case Comparison::less:
      return have < want;
    case Comparison::less_equal:
      return have <= want;
    case Comparison::greater:
      return have > want;
    case Comparison::greater_equal:
      return have >= want;
    default:
      return have == want;
  }
}

}  // namespace

std::vector<Condition> parse_filter(std::string_view text) {
  std::vector<Condition> conditions;
  if (trim(text).empty()) return conditions;
  for (const auto part : cut(text, ',')) {
    if (part.empty()) refuse_filter(text, "there is an empty condition");
    conditions.push_back(parse_condition(part));
  }
  return conditions;
}

std::vector<SortKey> parse_sort(std::string_view text) {
  std::vector<SortKey> keys;
  if (trim(text).empty()) return keys;
  for (auto part : cut(text, ',')) {
    const bool descending = part.starts_with('-');
    if (descending) part.remove_prefix(1);
    keys.push_back({std::string(part), descending});
  }
  return keys;
}

void refuse_field(std::string_view where, std::string_view field, std::string known) {
  throw Error(Reason::bad_filter, fmt::format("there is no field \"{}\" here", field))
      .at(std::string(where))
      .remedy("the fields are " + known);
}

Test::Test(const Condition& condition, FieldKind kind) : comparison_(condition.comparison) {
  if (kind == FieldKind::text || kind == FieldKind::tags) {
    if (comparison_ > Comparison::contains) {
      refuse_filter(condition.field, "text has no order; use =, != or ~");
    }
    texts_ = condition.values;
    return;
  }
  if (comparison_ == Comparison::contains) refuse_filter(condition.field, "~ is for text");
  for (const auto& value : condition.values) {
    numbers_.push_back(parse_number(kind, value, condition.field));
  }
}

bool Test::matches(const FieldValue& value) const {
  const auto same = [this](const std::string& have) {
    return std::any_of(texts_.begin(), texts_.end(), [&](const std::string& want) {
      return comparison_ == Comparison::contains ? have.find(want) != have.npos : have == want;
    });
  };
  if (const auto* text = std::get_if<std::string>(&value)) return same(*text);
  if (const auto* tags = std::get_if<std::vector<std::string>>(&value)) {
    return std::any_of(tags->begin(), tags->end(), same);
  }
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::any_of(numbers_.begin(), numbers_.end(), [&](std::int64_t want) {
      return compare_numbers(comparison_, *number, want);
    });
  }
  return false;
}

bool Test::operator()(const FieldValue& value) const {
  return comparison_ == Comparison::not_equal ? !matches(value) : matches(value);
}

bool sorts_before(const FieldValue& a, const FieldValue& b) {
  if (a.index() != b.index()) return a.index() < b.index();
  return a < b;
}

// --- snapshots ------------------------------------------------------------------------------

void Snapshots::forget() {
  const Instant now = clock_.now();
  std::size_t count = 0;
  std::size_t items = 0;
  std::erase_if(kept_, [&](const auto& snapshot) {
    items += snapshot->size;
    return ++count > kMostSnapshots || (count > 1 && items > kMostItems) ||
           now - snapshot->used > kKeep;
  });
}

std::shared_ptr<Snapshot> Snapshots::find(const ListKey& key, std::string_view store_id,
                                          std::int64_t revision) {
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const auto& snapshot = **it;
    if (snapshot.revision != revision || snapshot.key != key || snapshot.store_id != store_id)
      continue;
    (*it)->used = clock_.now();
    kept_.splice(kept_.begin(), kept_, it);
    return kept_.front();
  }
  return nullptr;
}

std::shared_ptr<Snapshot> Snapshots::add(Snapshot snapshot) {
  snapshot.number = ++last_number_;
  snapshot.used = clock_.now();
  kept_.push_front(std::make_shared<Snapshot>(std::move(snapshot)));
  auto added = kept_.front();
  forget();
  return added;
}

std::string Snapshots::cursor(const Snapshot& snapshot, std::size_t offset) const {
  return base64url(fmt::format("{}|{}|{}|{}|{}", snapshot.store_id, boot_, snapshot.revision,
                               snapshot.number, offset));
}

Snapshots::Position Snapshots::resolve(std::string_view text, const ListKey& key,
                                       std::string_view store_id) {
  const auto refuse = [](std::string_view why) -> Error {
    return Error(Reason::bad_cursor, std::string(why))
        .at("/cursor")
        .remedy("list again without a cursor");
  };
  const auto plain = parse_base64url(text);
  const auto parts = plain ? cut(*plain, '|') : std::vector<std::string_view>();
  if (parts.size() != 5) throw refuse("this cursor is not one we gave");
  if (parts[0] != store_id) throw refuse("the cursor is of another state store");
  if (parts[1] != boot_) throw refuse("the cursor is older than this daemon");
  forget();
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    auto snapshot = *it;
    if (fmt::format("{}", snapshot->number) != parts[3]) continue;
    if (snapshot->key.method != key.method) throw refuse("the cursor is of another list");
    if ((!key.filter.empty() && key.filter != snapshot->key.filter) ||
        (!key.sort.empty() && key.sort != snapshot->key.sort)) {
      throw refuse("the cursor has another filter or order");
    }
    std::size_t offset = 0;
    std::from_chars(parts[4].data(), parts[4].data() + parts[4].size(), offset);
    if (offset > snapshot->size) throw refuse("this cursor is not one we gave");
    snapshot->used = clock_.now();
    kept_.splice(kept_.begin(), kept_, it);
    return {std::move(snapshot), offset};
  }
  throw refuse("the list of this cursor is gone, it was too long ago");
}

// --- base64url ------------------------------------------------------------------------------

namespace {
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}  // namespace

std::string base64url(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += kAlphabet[(bits >> count) & 63];
    }
  }
  if (count > 0) out += kAlphabet[(bits << (6 - count)) & 63];
  return out;
}

std::optional<std::string> parse_base64url(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == kAlphabet.npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

}  // namespace ruche::api
