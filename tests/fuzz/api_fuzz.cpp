// Whatever a client sends as filter, sort, cursor, event id, query or body: it is understood or
// refused with an Error, and what is understood survives.
#include <cstdint>
#include <string_view>

#include "api/decode.hpp"
#include "api/events.hpp"
#include "api/listing.hpp"
#include "base/stepped_loop.hpp"
#include "methods/tables.hpp"

using namespace ruche;

namespace {

void try_decode(std::string_view id, const net::Query& query, std::string_view body) {
  const auto& method = *methods::find(id);
  const TypeInfo& type = method.request();
  std::vector<std::max_align_t> storage(type.bytes / sizeof(std::max_align_t) + 1);
  type.construct(storage.data());
  try {
    net::Query rest = query;
    api::take_common_query(method, rest);
    api::PathParameters parameters;
    for (const auto name : method.path_parameters()) parameters.emplace_back(name, "web1");
    api::decode_request(method, parameters, rest, body, storage.data());
  } catch (const Error&) {
  }
  type.destroy(storage.data());
}

void try_list_words(std::string_view text) {
  try {
    for (const auto& condition : api::parse_filter(text)) {
      for (const auto kind : {api::FieldKind::text, api::FieldKind::size, api::FieldKind::time}) {
        try {
          const api::Test test(condition, kind);
          test(api::FieldValue(std::string("x")));
          test(api::FieldValue(std::int64_t{1}));
        } catch (const Error&) {
        }
      }
    }
    api::parse_sort(text);
  } catch (const Error&) {
  }
}

void try_cursor(std::string_view text) {
  static ManualClock clock;
  api::Snapshots snapshots(clock, "boot");
  const auto kept = snapshots.add({.key = {"vm.list", "", ""}, .store_id = "st", .size = 10});
  try {
    const auto place = snapshots.resolve(text, {"vm.list", "", ""}, "st");
    if (place.offset > kept->size) broken_invariant("a cursor leads out of its list");
  } catch (const Error&) {
  }
  const auto plain = api::parse_base64url(text);
  if (plain && api::parse_base64url(api::base64url(*plain)) != plain) {
    broken_invariant("base64url does not survive");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_list_words(text);
  try_cursor(text);
  if (const auto id = api::parse_event_id(text)) {
    const auto again = api::parse_event_id(api::event_id(id->store_id, id->position));
    if (!again) broken_invariant("an event id does not survive");
  }
  const auto target = net::parse_target(text);
  try_decode("vm.list", target ? target->query : net::Query{{"filter", std::string(text)}}, "");
  try_decode("vm.delete", target ? target->query : net::Query{}, text);
  try_decode("vm.create", {}, text);
  try_decode("vm.shutdown", {}, text);
  return 0;
}
