// What the daemon and its pump (apps/pump) say to each other, one message a packet
// (SOCK_SEQPACKET). The first byte is the kind.
//   pump → daemon: 'D' serial output; 'G' and eight bytes, little-endian: that much output was
//   dropped just before the next 'D'; 'P': answers 'S', after all output that QEMU had sent by
//   then. daemon → pump: 'W' serial input; 'S' sync.
// Either end closing ends the pump.
#pragma once

#include <cstddef>

namespace ruche::drivers::qemu::pump {

inline constexpr char kOutput = 'D';
inline constexpr char kGap = 'G';
inline constexpr char kSynced = 'P';
inline constexpr char kInput = 'W';
inline constexpr char kSync = 'S';

inline constexpr std::size_t kLongestMessage = 16 * 1024 + 1;
inline constexpr int kSerialDescriptor = 3;  // of the pump: QEMU's end
inline constexpr int kDaemonDescriptor = 4;

}  // namespace ruche::drivers::qemu::pump
