// The answer of a list method: from records to a page of JSON, without a document in between.
#pragma once

#include <string>
#include <vector>

#include "api/call.hpp"

namespace ruche::api {

struct PageRequest {
  ListKey key;
  std::size_t limit = 0;
  std::string cursor;
};

template <class Request>
PageRequest page_request(const Call& call, const Request& request) {
  return {{call.method().id, request.filter, request.sort, false},
          static_cast<std::size_t>(request.limit),
          request.cursor};
}

// `all` gives the records to choose from; it is called only when no snapshot fits. `render` encodes
// one record.
template <class R>
struct ListSource {
  std::function<std::vector<std::shared_ptr<const R>>()> all;
  const std::vector<ListField<R>>& fields;
  std::string_view default_sort;
  std::function<void(std::string& out, const R& record)> encode;
};

template <class R>
Snapshots::Position find_snapshot(Context& context, const PageRequest& page,
                                  const ListSource<R>& source) {
  const auto& inventory = context.parts.inventory;
  const auto& store = inventory.store_id();
  if (!page.cursor.empty()) return context.snapshots.resolve(page.cursor, page.key, store);
  const auto revision = inventory.revision().number;
  if (auto kept = context.snapshots.find(page.key, store, revision)) return {std::move(kept), 0};
  const auto sort = page.key.sort.empty() ? source.default_sort : std::string_view(page.key.sort);
  auto items = std::make_shared<std::vector<std::shared_ptr<const R>>>(
      select<R>(source.all(), source.fields, page.key.filter, sort));
  Snapshot snapshot{.key = page.key,
                    .store_id = store,
                    .revision = revision,
                    .size = items->size(),
                    .items = items};
  // A list of one page needs no memory of it.
  if (snapshot.size <= page.limit) return {std::make_shared<Snapshot>(std::move(snapshot)), 0};
  return {context.snapshots.add(std::move(snapshot)), 0};
}

template <class R>
std::string list_answer(Context& context, const PageRequest& page, const ListSource<R>& source) {
  const auto [snapshot, offset] = find_snapshot(context, page, source);
  const auto& items =
      *static_cast<const std::vector<std::shared_ptr<const R>>*>(snapshot->items.get());
  const std::size_t end = std::min(items.size(), offset + page.limit);
  std::string out = R"({"items":[)";
  for (std::size_t i = offset; i < end; ++i) {
    if (i > offset) out += ',';
    source.encode(out, *items[i]);
  }
  out += R"(],"next":)";
  out += json::quote(end < items.size() ? context.snapshots.cursor(*snapshot, end) : "");
  out += '}';
  return out;
}

template <class View>
void encode_view(std::string& out, const View& view) {
  json::encode_to(out, type_of<View>(), &view, {});
}

}  // namespace ruche::api
