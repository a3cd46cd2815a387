// Whether a transfer of memory still gets anywhere: QEMU says "active" for as long as the storage
// behind its file hangs.
#pragma once

#include <fmt/format.h>

#include <string_view>

#include "base/error.hpp"
#include "base/units.hpp"

namespace ruche::drivers::qemu {

inline constexpr Duration kStallLimit = std::chrono::seconds(60);
// Of what is read QEMU says nothing before its end: slower storage than this counts as none.
inline constexpr Bytes kSlowestReading = mib(8);  // a second

inline Duration patience_with(Bytes unseen) {
  return kStallLimit + std::chrono::seconds(unseen.count / kSlowestReading.count);
}

class StallWatch {
 public:
  StallWatch(Instant now, Duration patience) : patience_(patience), since_(now) {}

  // Throws hypervisor_failed when nothing moved for longer than the patience.
  void note(Instant now, std::string_view status, Bytes done, Bytes total) {
    if (done != done_ || total != total_) {
      since_ = now;
      done_ = done;
      total_ = total;
    }
    if (now - since_ <= patience_) return;
    throw Error(Reason::hypervisor_failed,
                fmt::format("QEMU says '{}' and has moved no memory for {}; {} of {} are done",
                            status, to_text(patience_), to_text(done_), to_text(total_)))
        .remedy("look at the storage that the memory is on: what hangs there holds it up");
  }

 private:
  Duration patience_;
  Instant since_;
  Bytes done_;
  Bytes total_;
};

}  // namespace ruche::drivers::qemu
