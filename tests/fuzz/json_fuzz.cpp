// Any bytes are refused with an Error or decode into an object that encodes to text which decodes
// to the same object. Patches leave an object that still encodes.
#include <cstdint>
#include <string_view>

#include "base/json.hpp"
#include "base/json_sample_test.hpp"

namespace {

using ruche::broken_invariant;
using ruche::sample::Guest;
namespace json = ruche::json;

constexpr json::EncodeOptions kReveal{.reveal_secrets = true};

void round_trip(const Guest& guest) {
  const std::string text = json::encode(guest, kReveal);
  const auto again = json::try_decode<Guest>(text, {.max_depth = 64});
  // A patch may leave an object incomplete, but decode alone may not.
  if (!again) broken_invariant("what was encoded does not decode: " + again.error().message());
  if (json::encode(*again, kReveal) != text) broken_invariant("a round trip changed the object");
  const auto& type = ruche::type_of<Guest>();
  if (!json::differences(type, &guest, &*again).empty()) {
    broken_invariant("a round trip shows differences");
  }
  if (const auto valid = json::validate(type, &guest); !valid) {
    broken_invariant("decoded what validate refuses: " + valid.error().message());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto guest = json::try_decode<Guest>(text)) round_trip(*guest);
  json::try_decode<Guest>(
      text, {.unknown_fields = json::UnknownFields::ignore, .allow_read_only = false});
  Guest base;
  base.name = "base";
  base.seed.emplace();
  base.tags = {{"a", "b"}};
  if (json::merge_patch_into(ruche::type_of<Guest>(), &base, text, {})) round_trip(base);
  json::quote(text);
  return 0;
}
