// The programs and kernel abilities that this driver stands on.
#pragma once

#include <string>

#include "ports/networks.hpp"

namespace ruche::drivers::bridge {

struct Tools {
  std::string nft;
  std::string dnsmasq;
  std::string user = "nobody";  // of dnsmasq
  std::string group = "nogroup";
};

// Blocks; `tools` is filled as far as they are there. Bridges and taps are tried in a network
// namespace of a thread that ends, so that the host's own is not touched.
ports::NetworkCapabilities find_tools(Tools& tools, bool disabled);

// Replaces a file that other users may read. Throws io_failed.
void write_public(const std::string& path, const std::string& content);
// At most 64 KiB of it; empty when it cannot be read.
std::string read_text(const std::string& path);
void make_public_directory(const std::string& path);

}  // namespace ruche::drivers::bridge
