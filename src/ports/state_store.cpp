#include "ports/state_store.hpp"

#include <fmt/format.h>

#include <set>

namespace ruche::ports {

const std::string& key_of(const Write& write) {
  return std::visit([](const auto& w) -> const std::string& { return w.key; }, write);
}

namespace {
void check_key(const std::string& key) {
  if (key.empty() || key.size() > kMaxKeyBytes) {
    throw Error(Reason::bad_request, fmt::format("a key of {} bytes", key.size()));
  }
}
}  // namespace

void check_limits(const Commit& commit) {
  if (commit.nonce.empty() || commit.nonce.size() > kMaxKeyBytes) {
    throw Error(Reason::bad_request,
                fmt::format("a commit with a nonce of {} bytes", commit.nonce.size()));
  }
  if (commit.writes.size() > kMaxOperations || commit.compares.size() > kMaxOperations) {
    throw Error(Reason::bad_request,
                fmt::format("a commit of {} writes and {} compares; at most {} each",
                            commit.writes.size(), commit.compares.size(), kMaxOperations));
  }
  std::size_t bytes = 0;
  std::set<std::string_view> seen;
  for (const auto& write : commit.writes) {
    const std::string& key = key_of(write);
    check_key(key);
    if (!seen.insert(key).second) {
      throw Error(Reason::bad_request, fmt::format("the key {} is written twice", key));
    }
    bytes += key.size();
    if (const auto* put = std::get_if<Put>(&write)) {
      if (put->value.size() > kMaxValueBytes) {
        throw Error(Reason::bad_request,
                    fmt::format("the value of {} has {} bytes", key, put->value.size()));
      }
      bytes += put->value.size();
    }
  }
  if (bytes > kMaxCommitBytes) {
    throw Error(Reason::bad_request, fmt::format("a commit of {} bytes", bytes));
  }
  for (const auto& compare : commit.compares) check_key(compare.key);
}

void check_limits(const ListRequest& request) {
  if (request.limit == 0 || request.limit > kMaxPageEntries) {
    throw Error(Reason::bad_request, fmt::format("a list of {} entries; ask for 1 to {}",
                                                 request.limit, kMaxPageEntries));
  }
  if (request.prefix.size() > kMaxKeyBytes || request.after.size() > kMaxKeyBytes) {
    throw Error(Reason::bad_request, "a prefix longer than any key");
  }
  if (request.at.number < 0) throw Error(Reason::bad_request, "a negative revision");
}

void check_lease_ttl(Duration ttl) {
  if (ttl < kMinLeaseTtl) {
    throw Error(Reason::bad_request, fmt::format("a lease of {}; the shortest is {}", to_text(ttl),
                                                 to_text(kMinLeaseTtl)));
  }
}

void check_watch_start(Revision from) {
  if (from.number < 1) throw Error(Reason::bad_request, "a watch starts at revision 1 or later");
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace ruche::ports
