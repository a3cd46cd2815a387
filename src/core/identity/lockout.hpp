// Slows down those who guess passwords: by user and by source address. What fails too often waits,
// twice as long every time. The tables are bounded, and in memory only: a daemon that starts again
// forgets them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace ruche::core {

class LockedOut : public Error {
 public:
  LockedOut(std::string message, Duration wait)
      : Error(Error(Reason::locked_out, std::move(message)).remedy("wait, then try again")),
        retry_after(wait) {}
  Duration retry_after;
};

class Lockout {
 public:
  explicit Lockout(Clock& clock) : clock_(clock) {}

  // Before a password is checked. The attempt counts as failed until it is known to have
  // succeeded, so that many at once are no way around. Throws LockedOut.
  void begin(const std::string& user, const std::string& address);
  void succeeded(const std::string& user, const std::string& address);
  // The password could not be checked: as if nobody had tried.
  void abandoned(const std::string& user, const std::string& address);

  void unlock(const std::string& user) { users_.erase(user); }
  std::optional<Timestamp> locked_until(const std::string& user) const;

  static constexpr std::size_t kMostEntries = 4096;  // of each table
  static constexpr int kFreeByUser = 5;
  static constexpr int kFreeByAddress = 20;
  static constexpr Duration kFirstWait{1000};
  static constexpr Duration kLongestWait{15 * 60 * 1000};
  static constexpr Duration kForget{60 * 60 * 1000};

 private:
  struct Entry {
    int failures = 0;
    Instant last;
    Instant until;
  };
  using Table = std::map<std::string, Entry>;
  void check(const Table& table, const std::string& key, std::string_view what) const;
  void count(Table& table, const std::string& key, int free);
  void take_back(Table& table, const std::string& key);
  void make_room(Table& table);

  Clock& clock_;
  Table users_;
  Table addresses_;
};

}  // namespace ruche::core
