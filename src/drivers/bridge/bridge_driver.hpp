// Networks of a host as Linux bridges: taps for guests, nftables for NAT, forwards and
// anti-spoofing, dnsmasq for DHCP and DNS. Needs root, nft(8) and dnsmasq(8); without them it is
// there and says why it can do nothing.
#pragma once

#include <memory>
#include <string>

#include "base/async.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "ports/networks.hpp"
#include "ports/processes.hpp"

namespace ruche::drivers::bridge {

struct BridgeOptions {
  std::string label;  // the instance's eight hexadecimal digits
  // What dnsmasq reads, as a user of its own: every folder above must let it pass. Made when the
  // first network is realized.
  std::string run_directory;
  bool disabled = false;  // by the administrator
};

struct BridgeServices {
  ports::Processes& processes;
  Clock& clock;
  Log& log;
  Scope& scope;  // owns what looks after the name servers; cancelled and joined by the daemon
  Lane& lane;
};

// Finds out what this host can do; changes nothing.
Async<std::unique_ptr<ports::NetworkDriver>> open_bridge(BridgeOptions options,
                                                         BridgeServices services);

}  // namespace ruche::drivers::bridge
