// What apt prints and what module files say: names that come out are harmless in a path and on a
// command line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "drivers/mirror/kernel_modules.hpp"
#include "drivers/mirror/packages.hpp"

using namespace ruche::drivers::mirror;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto package = parse_package_record(text)) {
    const auto file = package->file_name();
    require(file.find('/') == std::string::npos && file.front() != '-' && file.front() != '.');
    for (const auto& name : package->depends) require(!name.empty() && name.front() != '-');
  }
  if (const auto download = parse_download(text)) require(!download->hash.empty());
  for (const auto& name : dependencies_of(text)) require(!name.empty());
  return 0;
}
