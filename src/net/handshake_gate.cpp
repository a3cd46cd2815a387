#include "net/handshake_gate.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ruche::net {

HandshakeGate::Place::Place(HandshakeGate& gate, const std::string& user, Stream& stream)
    : gate_(gate), number_(++gate.last_) {
  gate.waiting_.emplace(number_, Guest{user, &stream});
  if (gate.waiting_.size() > gate.most_) gate.make_way();
}

void HandshakeGate::make_way() {
  std::map<std::string, std::size_t> counts;
  for (const auto& [number, guest] : waiting_) ++counts[guest.user];
  const auto greediest = std::ranges::max_element(
      counts, [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto oldest = std::ranges::find_if(
      waiting_, [&](const auto& entry) { return entry.second.user == greediest->first; });
  oldest->second.stream->close();  // its handshake throws, and its coroutine ends
  waiting_.erase(oldest);
}

void HandshakeGate::close_all() {
  for (const auto& [number, guest] : waiting_) guest.stream->close();
}

std::string user_of(const Peer& peer) {
  if (peer.credentials) return fmt::format("uid {}", peer.credentials->uid);
  std::string host = peer.address.substr(0, peer.address.rfind(':'));
  if (!host.starts_with('[')) return host;
  std::array<unsigned char, 16> bytes{};
  const auto plain = host.substr(1, host.find_first_of("]%") - 1);
  if (::inet_pton(AF_INET6, plain.c_str(), bytes.data()) != 1) return host;
  std::string network;
  for (std::size_t i = 0; i < 8; ++i) network += fmt::format("{:02x}", bytes[i]);
  return network;
}

}  // namespace ruche::net
