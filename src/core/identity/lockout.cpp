#include "core/identity/lockout.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ruche::core {

void Lockout::check(const Table& table, const std::string& key, std::string_view what) const {
  const auto found = table.find(key);
  if (found == table.end() || found->second.until <= clock_.now()) return;
  const auto left = std::chrono::ceil<Duration>(found->second.until - clock_.now());
  throw LockedOut(fmt::format("too many log-ins failed {}", what), left);
}

void Lockout::begin(const std::string& user, const std::string& address) {
  check(users_, user, "for this user");
  check(addresses_, address, "from this address");
  count(users_, user, kFreeByUser);
  count(addresses_, address, kFreeByAddress);
}

void Lockout::count(Table& table, const std::string& key, int free) {
  const auto now = clock_.now();
  if (!table.contains(key)) make_room(table);
  Entry& entry = table[key];
  if (now - entry.last > kForget) entry = {};
  ++entry.failures;
  entry.last = now;
  const int beyond = entry.failures - free;
  if (beyond < 0) return;
  const auto wait = beyond > 20 ? kLongestWait : std::min(kFirstWait * (1 << beyond), kLongestWait);
  entry.until = now + wait;
}

// The one that was quiet for longest goes.
void Lockout::make_room(Table& table) {
  if (table.size() < kMostEntries) return;
  const auto oldest = std::ranges::min_element(
      table, {}, [](const auto& entry) { return entry.second.last.since_start; });
  table.erase(oldest);
}

void Lockout::take_back(Table& table, const std::string& key) {
  const auto found = table.find(key);
  if (found == table.end()) return;
  if (--found->second.failures <= 0) {
    table.erase(found);
  } else {
    found->second.until = {};
  }
}

void Lockout::succeeded(const std::string& user, const std::string& address) {
  users_.erase(user);
  // Who has an account of his own must not wipe out what else his address tried.
  take_back(addresses_, address);
}

void Lockout::abandoned(const std::string& user, const std::string& address) {
  take_back(users_, user);
  take_back(addresses_, address);
}

std::optional<Timestamp> Lockout::locked_until(const std::string& user) const {
  const auto found = users_.find(user);
  if (found == users_.end() || found->second.until <= clock_.now()) return std::nullopt;
  const auto left = std::chrono::ceil<Duration>(found->second.until - clock_.now());
  return Timestamp{clock_.wall().unix_ms + left.count()};
}

}  // namespace ruche::core
