// The contract of ports::StateStore as tests. Each store links the suite's sources with its own
// make_store_harness(), so every store runs exactly the same tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/async.hpp"
#include "ports/state_store.hpp"

namespace ruche::contract {

// One empty store and the loop it lives on.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual ports::StateStore& store() = 0;
  virtual Clock& loop_clock() = 0;  // for deadlines of the tests themselves
  virtual void run(Async<void> work) = 0;
  // Time passes for the store: at once where its clock is ours, for real otherwise.
  virtual Async<void> pass(Duration time) = 0;
  // The store's server (or the process around it) ends and starts again on the same data.
  virtual void restart() = 0;
  // History up to the revision goes, by whatever makes it go in this store.
  virtual Async<void> compact(ports::Revision revision) = 0;
};
std::unique_ptr<StoreHarness> make_store_harness();  // each test program defines it

class StateStoreContract : public testing::Test {
 protected:
  void SetUp() override { harness_ = make_store_harness(); }
  void TearDown() override { harness_.reset(); }

  ports::StateStore& store() { return harness_->store(); }

  // Runs a coroutine lambda `(Self&) -> Async<void>`; its captures live as long as it runs.
  template <class Body>
  void run(Body body) {
    harness_->run(invoke(std::move(body)));
  }

  ports::Commit commit_of(std::vector<ports::Write> writes,
                          std::vector<ports::Compare> compares = {}) {
    return {"nonce-" + std::to_string(++nonces_), std::move(compares), std::move(writes)};
  }
  // The commit must succeed.
  Async<ports::Revision> commit(std::vector<ports::Write> writes,
                                std::vector<ports::Compare> compares = {}) {
    ports::Commit wanted = commit_of(std::move(writes), std::move(compares));
    const ports::CommitResult result = co_await store().commit(std::move(wanted));
    if (const auto* conflict = std::get_if<ports::Conflict>(&result)) {
      throw std::runtime_error("unexpected conflict on " + conflict->key);
    }
    co_return std::get<ports::Committed>(result).revision;
  }
  Async<ports::Revision> put(std::string key, std::string value, ports::LeaseId lease = {}) {
    std::vector<ports::Write> writes{ports::Put{std::move(key), std::move(value), lease}};
    co_return co_await commit(std::move(writes));
  }
  Async<ports::Revision> erase(std::string key) {
    std::vector<ports::Write> writes{ports::Delete{std::move(key)}};
    co_return co_await commit(std::move(writes));
  }
  // The key of the conflict; the commit must not succeed.
  Async<std::string> conflict(ports::Commit wanted) {
    const ports::CommitResult result = co_await store().commit(std::move(wanted));
    const auto* found = std::get_if<ports::Conflict>(&result);
    if (found == nullptr) throw std::runtime_error("the commit should have been a conflict");
    co_return found->key;
  }
  // "(absent)" when there is none.
  Async<std::string> value_of(std::string key) {
    const auto entry = co_await store().get(std::move(key));
    co_return entry ? entry->value : "(absent)";
  }
  // The next batch, which must come soon.
  Async<ports::Batch> next(ports::Watch& watch) {
    auto item = co_await next_item(watch);
    if (!std::holds_alternative<ports::Batch>(item)) throw std::runtime_error("compacted");
    co_return std::move(std::get<ports::Batch>(item));
  }
  Async<std::variant<ports::Batch, ports::Compacted>> next_item(ports::Watch& watch) {
    co_return co_await with_deadline(harness_->loop_clock(), Duration(30'000), "the next batch",
                                     watch.next());
  }
  // All pages, checking that they agree about the revision.
  Async<std::vector<ports::Entry>> list_all(ports::ListRequest request) {
    std::vector<ports::Entry> entries;
    while (true) {
      ports::ListPage page = co_await store().list(request);
      if (request.at.number > 0) EXPECT_EQ(page.revision.number, request.at.number);
      EXPECT_LE(page.entries.size(), request.limit);
      for (auto& entry : page.entries) entries.push_back(std::move(entry));
      if (!page.more) co_return entries;
      if (page.entries.empty()) throw std::runtime_error("an empty page says there is more");
      request.after = entries.back().key;
      request.at = page.revision;
    }
  }
  Async<std::vector<std::string>> keys_under(std::string prefix) {
    ports::ListRequest request{.prefix = std::move(prefix), .after = {}};
    const auto entries = co_await list_all(std::move(request));
    std::vector<std::string> keys;
    for (const auto& entry : entries) keys.push_back(entry.key);
    co_return keys;
  }
  template <class T>
  Async<void> expect_error(Reason reason, Async<T> work) {
    try {
      co_await std::move(work);
      ADD_FAILURE() << "expected " << reason_info(reason).name;
    } catch (const Error& error) {
      EXPECT_EQ(error.reason_name(), reason_info(reason).name) << error.full_message();
    }
  }
  Async<void> pass(Duration time) { return harness_->pass(time); }

  std::unique_ptr<StoreHarness> harness_;

 private:
  template <class Body>
  static Async<void> invoke(Body body) {
    co_await body();
  }
  int nonces_ = 0;
};

using Keys = std::vector<std::string>;

}  // namespace ruche::contract
