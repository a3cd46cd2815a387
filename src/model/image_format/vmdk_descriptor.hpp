// The text descriptor of a VMDK ("Virtual Disk Format 5.0", The Descriptor File).
#pragma once

#include <expected>
#include <string_view>

#include "base/error.hpp"

namespace ruche::model::image_format {

struct VmdkDescriptor {
  bool stream_optimized = false;  // else monolithicSparse
  std::uint64_t sectors = 0;      // of its one extent
};
// Refuses every other type, more than one extent, and parents.
std::expected<VmdkDescriptor, Error> read_vmdk_descriptor(std::string_view text);

Error refuse_vmdk(std::string what);

}  // namespace ruche::model::image_format
