// The configuration of a guest, and the name of a backing file, as an enemy might write them: what
// is taken can be written and read again, and names nothing but a layer of the datastore.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.hpp"
#include "core/guests/found_guest.hpp"
#include "drivers/dir/found.hpp"

using namespace ruche;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const model::GuestId id{*parse_uuid("018f0000-0000-7000-8000-000000000001")};
  if (const auto guest = core::read_configuration(text, id)) {
    require(guest->id == id && guest->uid == 0 && !guest->seed);
    const auto again = core::read_configuration(json::encode(*guest), id);
    require(again && again->name == guest->name);
  }
  if (const auto layer = drivers::dir::layer_named(text)) {
    require(drivers::dir::path_from_sibling(*layer) == text);
    require(text.find("..", 6) == std::string_view::npos);
  }
  return 0;
}
