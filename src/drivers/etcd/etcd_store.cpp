#include "drivers/etcd/etcd_store.hpp"

#include <fmt/format.h>

#include <set>

#include "base/ids.hpp"
#include "drivers/etcd/etcd_watch.hpp"

namespace ruche::drivers::etcd {

using ports::Commit;
using ports::CommitResult;
using ports::Committed;
using ports::Conflict;
using ports::Delete;
using ports::Entry;
using ports::LeaseId;
using ports::LeaseStatus;
using ports::ListPage;
using ports::ListRequest;
using ports::Put;
using ports::Revision;
using ports::Watch;

namespace {

// Nonces expire by the leases that they are put under: a new one every minute, so that no expiry
// has many keys to delete at once.
constexpr std::chrono::minutes kNonceLeaseUse{1};
constexpr std::chrono::minutes kNonceLeaseTtl{63};
// The value of a nonce whose commit was refused for good; a nonce that was committed has none.
constexpr std::string_view kSpent = "spent";
constexpr std::size_t kMaxDoubtful = 10'000;

Revision header_revision(const json::Value& answer) {
  return {integer_at(object_at(as_object(answer), "header"), "revision")};
}

class EtcdStore : public ports::StateStore {
 public:
  EtcdStore(EtcdOptions options, Clock& clock, Random& random, Log& log)
      : keys_(options.prefix),
        clock_(clock),
        random_(random),
        gateway_(std::make_shared<Gateway>(std::move(options), clock, random, log)) {}

  Async<void> open();

  const std::string& store_id() const override { return store_id_; }
  Async<CommitResult> commit(Commit commit) override;
  Async<std::optional<Revision>> settled(std::string nonce) override;
  Async<std::optional<Entry>> get(std::string key) override;
  Async<ListPage> list(ListRequest request) override;
  std::unique_ptr<Watch> watch(std::string prefix, Revision from) override;
  Async<LeaseId> grant(Duration ttl) override;
  Async<LeaseStatus> keep_alive(LeaseId lease) override;
  Async<void> revoke(LeaseId lease) override;

 private:
  struct Attempt {
    std::optional<CommitResult> result;
    std::optional<Error> lease_ended;  // the nonces' or one that a put names
  };
  Async<Attempt> try_commit(const Commit& commit, LeaseId nonce_lease);
  json::Object transaction(const Commit& commit, LeaseId nonce_lease, bool in_doubt) const;
  CommitResult outcome(const Commit& commit, const json::Value& answer) const;
  Async<LeaseId> nonce_lease();
  Async<LeaseId> grant_seconds(std::int64_t seconds);
  Entry entry_of(const json::Object& found) const;
  Async<json::Value> range(ListRequest request, std::size_t limit);

  Keys keys_;
  Clock& clock_;
  Random& random_;
  std::shared_ptr<Gateway> gateway_;
  std::string store_id_;
  LeaseId nonce_lease_;
  Instant nonce_lease_until_;
  bool granting_ = false;
  Signal granted_;
  std::set<std::string> doubtful_;  // nonces of commits whose outcome is unknown
};

// Whoever comes first writes the id; everybody reads it in the same transaction.
Async<void> EtcdStore::open() {
  const std::string key = keys_.id();
  const std::string mine = to_text(make_uuid7(clock_.wall(), random_));
  const json::Object range{{"request_range", json::Object{{"key", key}}}};
  const json::Object put{{"request_put", json::Object{{"key", key}, {"value", to_base64(mine)}}}};
  json::Object body{{"compare", json::Array{json::Object{{"target", "MOD"}, {"key", key}}}},
                    {"success", json::Array{put, range}},
                    {"failure", json::Array{range}}};
  const json::Value answer = co_await gateway_->call("/v3/kv/txn", std::move(body));
  const json::Array& responses = array_at(as_object(answer), "responses");
  for (const auto& response : responses) {
    const json::Object& found = object_at(as_object(response), "response_range");
    for (const auto& entry : array_at(found, "kvs")) {
      store_id_ = bytes_at(as_object(entry), "value");
    }
  }
  if (store_id_.empty()) {
    throw Error(Reason::store_unavailable, "etcd did not keep the store's id");
  }
}

Async<CommitResult> EtcdStore::commit(Commit commit) {
  ports::check_limits(commit);
  LeaseId lease = co_await nonce_lease();
  Attempt attempt = co_await try_commit(commit, lease);
  if (attempt.lease_ended && lease == nonce_lease_) {
    // It may be ours that has ended, after a long suspension or a restored etcd.
    nonce_lease_ = {};
    lease = co_await nonce_lease();
    attempt = co_await try_commit(commit, lease);
  }
  if (!attempt.result) {
    throw Error(Reason::no_such_object, "a lease of this commit has ended")
        .caused_by(*attempt.lease_ended);
  }
  co_return *attempt.result;
}

// May be sent more than once (to other members, and again after store_outcome_unknown): the nonce
// lets only the first one happen. When an earlier copy may still be on its way and this one is a
// conflict, the nonce is spent, so that the earlier one cannot happen after the answer.
Async<EtcdStore::Attempt> EtcdStore::try_commit(const Commit& commit, LeaseId nonce_lease) {
  Attempt attempt;
  bool may_have_happened = false;
  std::optional<Error> failure;
  try {
    const bool sent_before = doubtful_.contains(commit.nonce);
    Gateway::MakeBody body = [&](bool sent_now) {
      return transaction(commit, nonce_lease, sent_before || sent_now);
    };
    const json::Value answer =
        co_await gateway_->call("/v3/kv/txn", std::move(body), may_have_happened);
    attempt.result = outcome(commit, answer);
    doubtful_.erase(commit.nonce);
  } catch (const Refusal& refusal) {
    if (refusal.code() == Code::not_found) {
      attempt.lease_ended = refusal;
    } else {
      failure = refusal;
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return attempt;
  if (!may_have_happened) throw Error(*failure);
  if (doubtful_.size() == kMaxDoubtful) doubtful_.erase(doubtful_.begin());
  doubtful_.insert(commit.nonce);
  throw Error(Reason::store_outcome_unknown, "etcd did not say whether a commit happened")
      .remedy("send the same commit again, with the same nonce")
      .caused_by(*failure);
}

json::Object EtcdStore::transaction(const Commit& commit, LeaseId nonce_lease,
                                    bool in_doubt) const {
  const auto range = [](const std::string& key, bool keys_only) {
    return json::Object{{"request_range", json::Object{{"key", key}, {"keys_only", keys_only}}}};
  };
  const auto put_nonce = [&](std::string_view value) {
    return json::Object{
        {"request_put", json::Object{{"key", keys_.nonce(commit.nonce)},
                                     {"value", to_base64(value)},
                                     {"lease", std::to_string(nonce_lease.number)}}}};
  };
  const std::string nonce = keys_.nonce(commit.nonce);
  const json::Object unused{{"target", "MOD"}, {"key", nonce}};
  json::Array compares{unused};
  json::Array failure{range(nonce, false)};
  for (const auto& compare : commit.compares) {
    const std::string key = keys_.data(compare.key);
    compares.push_back(json::Object{{"target", "MOD"},
                                    {"key", key},
                                    {"mod_revision", std::to_string(compare.revision.number)}});
    failure.push_back(range(key, true));
  }
  if (in_doubt) {
    failure.push_back(
        json::Object{{"request_txn", json::Object{{"compare", json::Array{unused}},
                                                  {"success", json::Array{put_nonce(kSpent)}}}}});
  }
  json::Array success{put_nonce("")};
  for (const auto& write : commit.writes) {
    if (const auto* put = std::get_if<Put>(&write)) {
      json::Object body{{"key", keys_.data(put->key)}, {"value", to_base64(put->value)}};
      if (put->lease != LeaseId{}) body["lease"] = std::to_string(put->lease.number);
      success.push_back(json::Object{{"request_put", std::move(body)}});
    } else {
      const auto& key = std::get<Delete>(write).key;
      success.push_back(
          json::Object{{"request_delete_range", json::Object{{"key", keys_.data(key)}}}});
    }
  }
  return {{"compare", std::move(compares)},
          {"success", std::move(success)},
          {"failure", std::move(failure)}};
}

CommitResult EtcdStore::outcome(const Commit& commit, const json::Value& answer) const {
  const json::Object& body = as_object(answer);
  if (flag_at(body, "succeeded")) return Committed{header_revision(answer)};
  // The ranges of the failure branch: the nonce first, then the compared keys in their order.
  const json::Array& responses = array_at(body, "responses");
  if (responses.size() <= commit.compares.size()) {
    throw Error(Reason::protocol_violation, "etcd refused a transaction without a reason");
  }
  const auto found_at = [&](std::size_t i) -> const json::Object* {
    const json::Array& found =
        array_at(object_at(as_object(responses[i]), "response_range"), "kvs");
    return found.empty() ? nullptr : &as_object(found[0]);
  };
  const json::Object* nonce = found_at(0);
  if (nonce != nullptr && bytes_at(*nonce, "value").empty()) {
    return Committed{{integer_at(*nonce, "mod_revision")}};
  }
  for (std::size_t i = 0; i < commit.compares.size(); ++i) {
    const json::Object* found = found_at(i + 1);
    const Revision actual{found == nullptr ? 0 : integer_at(*found, "mod_revision")};
    if (actual != commit.compares[i].revision) return Conflict{commit.compares[i].key};
  }
  // It was a conflict before, under the same nonce, and stays one.
  if (nonce != nullptr && !commit.compares.empty()) return Conflict{commit.compares[0].key};
  throw Error(Reason::protocol_violation, "etcd refused a transaction without a reason");
}

Async<LeaseId> EtcdStore::nonce_lease() {
  while (granting_) co_await granted_.wait();
  if (nonce_lease_ != LeaseId{} && clock_.now() < nonce_lease_until_) co_return nonce_lease_;
  granting_ = true;
  std::exception_ptr failure;
  try {
    const Instant sent = clock_.now();
    nonce_lease_ = co_await grant_seconds(std::chrono::seconds(kNonceLeaseTtl).count());
    nonce_lease_until_ = sent + kNonceLeaseUse;
  } catch (const std::exception&) {
    failure = std::current_exception();  // also a cancellation: the others must not wait for ever
  }
  granting_ = false;
  granted_.notify();
  if (failure) std::rethrow_exception(failure);
  co_return nonce_lease_;
}

Async<std::optional<Revision>> EtcdStore::settled(std::string nonce) {
  json::Object body{{"key", keys_.nonce(nonce)}};
  const json::Value answer = co_await gateway_->call("/v3/kv/range", std::move(body));
  const json::Array& found = array_at(as_object(answer), "kvs");
  if (found.empty() || !bytes_at(as_object(found[0]), "value").empty()) co_return std::nullopt;
  co_return Revision{integer_at(as_object(found[0]), "mod_revision")};
}

Entry EtcdStore::entry_of(const json::Object& found) const {
  return {keys_.ours(bytes_at(found, "key")),
          bytes_at(found, "value"),
          {integer_at(found, "mod_revision")},
          {integer_at(found, "lease")}};
}

Async<std::optional<Entry>> EtcdStore::get(std::string key) {
  json::Object body{{"key", keys_.data(key)}};
  const json::Value answer = co_await gateway_->call("/v3/kv/range", std::move(body));
  const json::Array& found = array_at(as_object(answer), "kvs");
  if (found.empty()) co_return std::nullopt;
  co_return entry_of(as_object(found[0]));
}

Async<json::Value> EtcdStore::range(ListRequest request, std::size_t limit) {
  const std::string start = request.after < request.prefix ? request.prefix : request.after + '\0';
  json::Object body{{"key", keys_.data(start)},
                    {"range_end", keys_.end(request.prefix)},
                    {"limit", std::to_string(limit)}};
  if (request.at != Revision{}) body["revision"] = std::to_string(request.at.number);
  co_return co_await gateway_->call("/v3/kv/range", std::move(body));
}

Async<ListPage> EtcdStore::list(ListRequest request) {
  ports::check_limits(request);
  ListPage page;
  page.revision = request.at;
  std::size_t bytes = 0;
  // A thousand of the largest values would not fit into one answer: etcd has no limit in bytes, so
  // a large page is put together from smaller ones.
  constexpr std::size_t kStep = 250;
  do {
    const json::Value answer =
        co_await range(request, std::min(kStep, request.limit - page.entries.size()));
    if (page.revision == Revision{}) page.revision = header_revision(answer);
    request.at = page.revision;
    const json::Object& body = as_object(answer);
    for (const auto& each : array_at(body, "kvs")) {
      page.entries.push_back(entry_of(as_object(each)));
      bytes += page.entries.back().value.size();
    }
    page.more = flag_at(body, "more");
    if (page.more) request.after = page.entries.back().key;
  } while (page.more && page.entries.size() < request.limit && bytes < ports::kMaxPageBytes);
  co_return page;
}

std::unique_ptr<Watch> EtcdStore::watch(std::string prefix, Revision from) {
  ports::check_watch_start(from);
  return std::make_unique<EtcdWatch>(gateway_, keys_, std::move(prefix), from);
}

Async<LeaseId> EtcdStore::grant_seconds(std::int64_t seconds) {
  json::Object body{{"TTL", std::to_string(seconds)}};
  const json::Value answer = co_await gateway_->call("/v3/lease/grant", std::move(body));
  const LeaseId lease{integer_at(as_object(answer), "ID")};
  if (lease == LeaseId{}) throw Error(Reason::protocol_violation, "etcd granted no lease");
  co_return lease;
}

Async<LeaseId> EtcdStore::grant(Duration ttl) {
  ports::check_lease_ttl(ttl);
  co_return co_await grant_seconds(std::chrono::ceil<std::chrono::seconds>(ttl).count());
}

Async<LeaseStatus> EtcdStore::keep_alive(LeaseId lease) {
  json::Object body{{"ID", std::to_string(lease.number)}};
  const json::Value answer = co_await gateway_->call("/v3/lease/keepalive", std::move(body));
  if (as_object(answer).contains("error")) {
    throw Error(Reason::store_unavailable, "etcd could not keep a lease alive");
  }
  // A lease that has ended answers 200, without a TTL.
  const std::int64_t seconds = integer_at(object_at(as_object(answer), "result"), "TTL");
  if (seconds <= 0) {
    throw Error(Reason::no_such_object, fmt::format("lease {} has ended", lease.number));
  }
  co_return LeaseStatus{std::chrono::seconds(seconds)};
}

Async<void> EtcdStore::revoke(LeaseId lease) {
  json::Object body{{"ID", std::to_string(lease.number)}};
  try {
    co_await gateway_->call("/v3/lease/revoke", std::move(body));
  } catch (const Refusal& refusal) {
    if (refusal.code() != Code::not_found) throw;
  }
}

}  // namespace

Async<std::unique_ptr<ports::StateStore>> open_store(EtcdOptions options, Clock& clock,
                                                     Random& random, Log& log) {
  if (options.endpoints.empty()) {
    throw Error(Reason::bad_request, "no member of etcd was named");
  }
  auto store = std::make_unique<EtcdStore>(std::move(options), clock, random, log);
  co_await store->open();
  co_return store;
}

}  // namespace ruche::drivers::etcd
