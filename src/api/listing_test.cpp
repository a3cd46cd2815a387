#include "api/listing.hpp"

#include <gtest/gtest.h>

#include "base/stepped_loop.hpp"

namespace ruche::api {
namespace {

struct Item {
  std::string name;
  std::int64_t size = 0;
  std::vector<std::string> tags;
};

const std::vector<ListField<Item>>& fields() {
  static const std::vector<ListField<Item>> all = {
      {"name", FieldKind::text, [](const Item& i) { return i.name; }},
      {"size_bytes", FieldKind::size, [](const Item& i) { return i.size; }},
      {"tag", FieldKind::tags, [](const Item& i) { return i.tags; }},
      {"big", FieldKind::boolean, [](const Item& i) { return std::int64_t{i.size > 100}; }},
      {"born", FieldKind::time,
       [](const Item& i) -> FieldValue {
         if (i.size == 0) return std::monostate();
         return i.size;
       }},
  };
  return all;
}

std::string names(std::string_view filter, std::string_view sort = "name") {
  std::vector<std::shared_ptr<const Item>> items;
  for (const auto& item : {Item{"web1", 10, {"web", "prod"}}, Item{"web2", 2048, {"web"}},
                           Item{"db1", 2048, {}}, Item{"a,b", 0, {"odd"}}}) {
    items.push_back(std::make_shared<Item>(item));
  }
  std::string joined;
  for (const auto& item : select<Item>(items, fields(), filter, sort)) {
    joined += (joined.empty() ? "" : " ") + item->name;
  }
  return joined;
}

std::string refusal(std::string_view filter, std::string_view sort = "name") {
  try {
    return names(filter, sort);
  } catch (const Error& error) {
    return std::string(error.reason_name()) + " " + error.field();
  }
}

TEST(Filter, Chooses) {
  EXPECT_EQ(names(""), "a,b db1 web1 web2");
  EXPECT_EQ(names("name=web1"), "web1");
  EXPECT_EQ(names("name~web"), "web1 web2");
  EXPECT_EQ(names("name!=web1"), "a,b db1 web2");
  EXPECT_EQ(names("name=web1|db1"), "db1 web1");
  EXPECT_EQ(names("name=\"a,b\""), "a,b");
  EXPECT_EQ(names("tag=web"), "web1 web2");
  EXPECT_EQ(names("tag!=web"), "a,b db1");
  EXPECT_EQ(names("tag=web,tag=prod"), "web1");
  EXPECT_EQ(names("size_bytes>1KiB"), "db1 web2");
  EXPECT_EQ(names("size_bytes>=10, size_bytes<2KiB"), "web1");
  EXPECT_EQ(names("big=true"), "db1 web2");
  EXPECT_EQ(names("born>1970-01-01T00:00:01Z"), "db1 web2");
}

TEST(Filter, Sorts) {
  EXPECT_EQ(names("", "-name"), "web2 web1 db1 a,b");
  EXPECT_EQ(names("", "-size_bytes,name"), "db1 web2 web1 a,b");
  EXPECT_EQ(names("", "born,-name"), "a,b web1 web2 db1");
}

TEST(Filter, RefusesWhatMakesNoSense) {
  EXPECT_EQ(refusal("name"), "bad-filter /filter");
  EXPECT_EQ(refusal("=x"), "bad-filter /filter");
  EXPECT_EQ(refusal("name=a,,name=b"), "bad-filter /filter");
  EXPECT_EQ(refusal("colour=red"), "bad-filter /filter");
  EXPECT_EQ(refusal("name>a"), "bad-filter /filter");
  EXPECT_EQ(refusal("size_bytes~1"), "bad-filter /filter");
  EXPECT_EQ(refusal("size_bytes>lots"), "bad-filter /filter");
  EXPECT_EQ(refusal("big=maybe"), "bad-filter /filter");
  EXPECT_EQ(refusal("born>yesterday"), "bad-filter /filter");
  EXPECT_EQ(refusal("", "colour"), "bad-filter /sort");
}

Snapshot snapshot(std::string filter, std::int64_t revision, std::size_t size = 10) {
  return {.key = {"vm.list", std::move(filter), ""},
          .store_id = "st",
          .revision = revision,
          .size = size};
}

std::string why_refused(Snapshots& snapshots, std::string_view cursor, const ListKey& key) {
  try {
    snapshots.resolve(cursor, key, "st");
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::bad_cursor);
    EXPECT_FALSE(error.remedy_text().empty());
    return error.message();
  }
  return "accepted";
}

TEST(Snapshots, ACursorFindsItsPlace) {
  ManualClock clock;
  Snapshots snapshots(clock, "boot1");
  const auto kept = snapshots.add(snapshot("name~a", 7));
  const auto cursor = snapshots.cursor(*kept, 5);
  const auto place = snapshots.resolve(cursor, {"vm.list", "", ""}, "st");
  EXPECT_EQ(place.snapshot, kept);
  EXPECT_EQ(place.offset, 5u);
  EXPECT_EQ(snapshots.find({"vm.list", "name~a", ""}, "st", 7), kept);
  EXPECT_EQ(snapshots.find({"vm.list", "name~a", ""}, "st", 8), nullptr);
}

TEST(Snapshots, RefuseForeignAndStaleCursors) {
  ManualClock clock;
  Snapshots snapshots(clock, "boot1");
  const auto kept = snapshots.add(snapshot("name~a", 7));
  const auto cursor = snapshots.cursor(*kept, 5);
  EXPECT_EQ(why_refused(snapshots, "?", {"vm.list"}), "this cursor is not one we gave");
  EXPECT_EQ(why_refused(snapshots, "abc", {"vm.list"}), "this cursor is not one we gave");
  EXPECT_EQ(why_refused(snapshots, cursor, {"task.list"}), "the cursor is of another list");
  EXPECT_EQ(why_refused(snapshots, cursor, {"vm.list", "name~b", ""}),
            "the cursor has another filter or order");
  EXPECT_EQ(why_refused(snapshots, snapshots.cursor(*kept, 11), {"vm.list"}),
            "this cursor is not one we gave");
  Snapshots later(clock, "boot2");
  EXPECT_EQ(why_refused(later, cursor, {"vm.list"}), "the cursor is older than this daemon");
  EXPECT_THROW(snapshots.resolve(cursor, {"vm.list"}, "other"), Error);
  clock.advance(Snapshots::kKeep + Duration{1});
  EXPECT_EQ(why_refused(snapshots, cursor, {"vm.list"}),
            "the list of this cursor is gone, it was too long ago");
}

TEST(Snapshots, AreBounded) {
  ManualClock clock;
  Snapshots snapshots(clock, "boot1");
  for (int i = 0; i < 100; ++i) snapshots.add(snapshot("", i));
  EXPECT_EQ(snapshots.kept(), Snapshots::kMostSnapshots);
  const auto huge = snapshots.add(snapshot("", 200, Snapshots::kMostItems));
  EXPECT_EQ(snapshots.kept(), 1u);
}

TEST(Base64Url, RoundTrips) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe|0|", "store|boot|12|3|400"}) {
    EXPECT_EQ(parse_base64url(base64url(text)), text);
  }
  EXPECT_EQ(parse_base64url("a+b"), std::nullopt);
}

}  // namespace
}  // namespace ruche::api
