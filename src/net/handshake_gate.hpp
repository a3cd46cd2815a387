// The connections of a server whose handshake is not done. They cost their sender as little as they
// cost us, so they are bounded: when there are too many, the oldest of whoever has the most makes
// way. A client that is merely quick always gets through. Internal to net.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "net/stream.hpp"

namespace ruche::net {

class HandshakeGate {
 public:
  explicit HandshakeGate(std::size_t most) : most_(most) {}

  // One waiting connection; leaves by being destroyed. The stream outlives it.
  class Place {
   public:
    Place(HandshakeGate& gate, const std::string& user, Stream& stream);
    ~Place() { gate_.waiting_.erase(number_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    HandshakeGate& gate_;
    std::uint64_t number_;
  };

  std::size_t waiting() const { return waiting_.size(); }
  void close_all();

 private:
  struct Guest {
    std::string user;
    Stream* stream = nullptr;
  };
  void make_way();

  std::size_t most_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Guest> waiting_;  // the oldest first
};

// Whose connections count together: a uid, an IPv4 address, or an IPv6 network of 64 bits, which
// is what a single customer gets.
std::string user_of(const Peer& peer);

}  // namespace ruche::net
