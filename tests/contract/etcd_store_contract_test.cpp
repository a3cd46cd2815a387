// The contract on a real etcd, and what is special about a store behind a network.
#include "base/log.hpp"
#include "base/loop.hpp"
#include "contract/etcd_server.hpp"
#include "contract/fault_proxy.hpp"
#include "contract/state_store_suite.hpp"
#include "drivers/etcd/gateway.hpp"

namespace ruche::contract {
namespace {

using namespace ports;  // NOLINT: the test speaks of nothing else
using drivers::etcd::EtcdOptions;
using std::chrono::milliseconds;

// One server for all tests of this program; every test has a prefix of its own on it.
class SharedServer : public testing::Environment {
 public:
  void SetUp() override {
    if (!EtcdServer::installed()) GTEST_SKIP() << "etcd is not installed";
    server = std::make_unique<EtcdServer>();
    server->start();
  }
  void TearDown() override { server.reset(); }
  static inline std::unique_ptr<EtcdServer> server;
};
const auto* const environment = testing::AddGlobalTestEnvironment(new SharedServer);

EtcdOptions options_for(const std::string& prefix) {
  static int stores = 0;
  EtcdOptions options;
  options.prefix = prefix.empty() ? "test-" + std::to_string(++stores) + "/" : prefix;
  options.endpoints.push_back(
      drivers::etcd::tcp_endpoint({"127.0.0.1", SharedServer::server->port()}));
  options.watch_check = milliseconds(500);
  return options;
}

// A server that has just started needs a moment until it has elected itself.
Async<std::unique_ptr<StateStore>> open_when_ready(EtcdOptions options, Loop& loop, Random& random,
                                                   Log& log) {
  for (int tries = 0;; ++tries) {
    std::exception_ptr failure;
    try {
      co_return co_await drivers::etcd::open_store(options, loop.clock(), random, log);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    if (tries == 200) std::rethrow_exception(failure);
    co_await sleep_for(loop.clock(), milliseconds(50));
  }
}

class EtcdHarness : public StoreHarness {
 public:
  EtcdHarness() { open(); }
  StateStore& store() override { return *store_; }
  Clock& loop_clock() override { return loop_.clock(); }
  void run(Async<void> work) override { loop_.run(std::move(work)); }
  Async<void> pass(Duration time) override { co_await sleep_for(loop_.clock(), time); }
  void restart() override {
    SharedServer::server->kill();
    SharedServer::server->start();
    store_.reset();
    open();
  }
  Async<void> compact(Revision revision) override {
    drivers::etcd::Gateway gateway(options_, loop_.clock(), *random_, log_);
    json::Object body{{"revision", std::to_string(revision.number)}, {"physical", true}};
    co_await gateway.call("/v3/kv/compaction", std::move(body));
  }

 private:
  void open() { store_ = run_now(loop_, open_when_ready(options_, loop_, *random_, log_)); }

  EtcdOptions options_ = options_for("");
  MemoryLog log_;
  std::unique_ptr<Random> random_ = system_random();
  Loop loop_;
  std::unique_ptr<StateStore> store_;
};

class EtcdStoreTest : public testing::Test {
 protected:
  std::unique_ptr<StateStore> open(EtcdOptions options) {
    return run_now(loop_, open_when_ready(std::move(options), loop_, *random_, log_));
  }
  CommitResult put(StateStore& store, std::string key, std::string value) {
    Commit commit{"n" + std::to_string(++nonces_), {}, {Put{std::move(key), std::move(value)}}};
    return run_now(loop_, store.commit(std::move(commit)));
  }
  Batch next(Watch& watch) {
    auto item =
        run_now(loop_, with_deadline(loop_.clock(), Duration(20'000), "a batch", watch.next()));
    return std::get<Batch>(item);
  }
  template <class F>
  std::string reason_of(F action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_FALSE(error.message().empty());
      return std::string(error.reason_name());
    }
    return "nothing was thrown";
  }

  // Repeats what throws store_unavailable while a server starts.
  template <class F>
  void eventually(F action) {
    for (int tries = 0; tries < 200; ++tries) {
      const std::string reason = reason_of(action);
      if (reason == "nothing was thrown") return;
      EXPECT_TRUE(reason == "store-unavailable" || reason == "store-outcome-unknown") << reason;
      loop_.run(sleep_for(loop_.clock(), milliseconds(50)));
    }
    ADD_FAILURE() << "etcd did not come back";
  }

  MemoryLog log_;
  std::unique_ptr<Random> random_ = system_random();
  Loop loop_;
  int nonces_ = 0;
};

TEST_F(EtcdStoreTest, stores_under_different_prefixes_do_not_see_each_other) {
  const auto one = open(options_for("one/"));
  const auto two = open(options_for("two/"));
  EXPECT_NE(one->store_id(), two->store_id());
  put(*one, "a", "1");
  EXPECT_FALSE(run_now(loop_, two->get("a")).has_value());
  const auto same = open(options_for("one/"));
  EXPECT_EQ(same->store_id(), one->store_id());
  EXPECT_TRUE(run_now(loop_, same->get("a")).has_value());
}

TEST_F(EtcdStoreTest, a_refused_connection_means_that_nothing_happened) {
  const auto store = open(options_for(""));
  put(*store, "a", "1");
  SharedServer::server->kill();
  EXPECT_EQ(reason_of([&] { put(*store, "a", "2"); }), "store-unavailable");
  EXPECT_EQ(reason_of([&] { run_now(loop_, store->get("a")); }), "store-unavailable");
  SharedServer::server->start();
  std::optional<Entry> entry;
  eventually([&] { entry = run_now(loop_, store->get("a")); });
  EXPECT_EQ(entry->value, "1");
  EXPECT_TRUE(std::holds_alternative<Committed>(put(*store, "a", "3")));
}

TEST_F(EtcdStoreTest, no_answer_in_time_is_unknown_and_the_same_commit_settles_it) {
  EtcdOptions options = options_for("");
  options.timeout = Duration(500);
  const auto store = open(options);
  put(*store, "a", "1");
  Commit wanted{"the-one", {}, {Put{"a", "2"}}};
  SharedServer::server->freeze();
  EXPECT_EQ(reason_of([&] { run_now(loop_, store->commit(wanted)); }), "store-outcome-unknown");
  EXPECT_EQ(reason_of([&] { run_now(loop_, store->get("a")); }), "store-unavailable");
  SharedServer::server->thaw();
  const auto again = run_now(loop_, store->commit(wanted));
  ASSERT_TRUE(std::holds_alternative<Committed>(again));
  const auto entry = run_now(loop_, store->get("a"));
  EXPECT_EQ(entry->value, "2");
  EXPECT_EQ(entry->revision, std::get<Committed>(again).revision);
  const auto settled = run_now(loop_, store->settled("the-one"));
  EXPECT_EQ(settled, std::get<Committed>(again).revision);
}

// The answer is lost; the commit is not.
TEST_F(EtcdStoreTest, a_lost_answer_is_found_again_by_the_nonce) {
  FaultProxy proxy(loop_, {"127.0.0.1", SharedServer::server->port()});
  EtcdOptions options = options_for("");
  options.endpoints = {drivers::etcd::tcp_endpoint(proxy.address())};
  options.timeout = Duration(300);
  const auto store = open(options);
  const Revision first = std::get<Committed>(put(*store, "a", "1")).revision;
  Commit wanted{"the-one", {{"a", first}}, {Put{"a", "2"}}};
  proxy.drop_answers();
  EXPECT_EQ(reason_of([&] { run_now(loop_, store->commit(wanted)); }), "store-outcome-unknown");
  EXPECT_EQ(reason_of([&] { run_now(loop_, store->get("a")); }), "store-unavailable");
  proxy.forward();
  const auto entry = run_now(loop_, store->get("a"));
  EXPECT_EQ(entry->value, "2");
  const auto again = run_now(loop_, store->commit(wanted));
  EXPECT_EQ(std::get<Committed>(again).revision, entry->revision);
}

// The request is stuck in the network while its sender is told of a conflict. When it arrives, what
// it compares would hold again, and still it must not happen.
TEST_F(EtcdStoreTest, a_late_copy_of_a_commit_that_was_a_conflict_does_not_happen) {
  FaultProxy proxy(loop_, {"127.0.0.1", SharedServer::server->port()});
  EtcdOptions options = options_for("late/");
  options.endpoints = {drivers::etcd::tcp_endpoint(proxy.address())};
  options.timeout = Duration(300);
  const auto store = open(options);
  const auto direct = open(options_for("late/"));
  put(*store, "warm", "1");
  for (const bool conflict_first : {true, false}) {
    Commit wanted{
        conflict_first ? "refused" : "never answered", {{"name", {}}}, {Put{"name", "late"}}};
    proxy.hold_requests();
    EXPECT_EQ(reason_of([&] { run_now(loop_, store->commit(wanted)); }), "store-outcome-unknown");
    if (conflict_first) {
      put(*direct, "name", "somebody else's");
      proxy.forward_new_connections();
      const auto again = run_now(loop_, store->commit(wanted));
      EXPECT_TRUE(std::holds_alternative<Conflict>(again));
      Commit erase{"erase", {}, {Delete{"name"}}};
      run_now(loop_, direct->commit(erase));
    }
    proxy.forward();  // the held ones arrive
    loop_.run(sleep_for(loop_.clock(), milliseconds(300)));
    const auto entry = run_now(loop_, direct->get("name"));
    EXPECT_EQ(entry.has_value(), !conflict_first);
    EXPECT_EQ(run_now(loop_, store->settled(wanted.nonce)).has_value(), !conflict_first);
  }
}

TEST_F(EtcdStoreTest, a_member_that_is_gone_costs_one_attempt) {
  EtcdOptions options = options_for("");
  // Nothing listens on the discard port.
  options.endpoints.insert(options.endpoints.begin(),
                           drivers::etcd::tcp_endpoint({"127.0.0.1", 9}));
  const auto store = open(options);
  const auto watch = store->watch("", {1});
  EXPECT_TRUE(std::holds_alternative<Committed>(put(*store, "a", "1")));
  EXPECT_EQ(next(*watch).changes[0].key, "a");
}

// Each member in turn is killed and comes back, among them the leader and the one that is talked
// to.
TEST_F(EtcdStoreTest, a_cluster_of_three_loses_one_member_and_nothing_else) {
  std::vector<std::unique_ptr<EtcdServer>> members;
  std::string cluster;
  EtcdOptions options;
  for (int i = 0; i < 3; ++i) {
    members.push_back(std::make_unique<EtcdServer>("m" + std::to_string(i)));
    cluster += (i == 0 ? "" : ",") + members.back()->peer();
    options.endpoints.push_back(drivers::etcd::tcp_endpoint({"127.0.0.1", members.back()->port()}));
  }
  for (const auto& member : members) member->start(cluster);
  const auto store = open(options);
  const auto watch = store->watch("n", {1});
  int number = 0;
  const auto commit_and_see = [&] {
    const std::string value = std::to_string(++number);
    Commit wanted{"nonce-" + value, {}, {Put{"n", value}}};
    // The same commit until it is answered: it happens once, however often it is sent.
    eventually([&] { run_now(loop_, store->commit(wanted)); });
    std::string seen;
    eventually([&] { seen = *next(*watch).changes[0].value; });
    EXPECT_EQ(seen, value);
  };
  for (const auto& member : members) {
    commit_and_see();
    member->kill();
    for (int i = 0; i < 5; ++i) commit_and_see();
    member->start(cluster);
    for (int i = 0; i < 5; ++i) commit_and_see();
  }
  EXPECT_EQ(run_now(loop_, store->get("n"))->value, std::to_string(number));
}

TEST_F(EtcdStoreTest, a_watch_outlives_a_restart_of_its_member_without_a_gap) {
  const auto store = open(options_for(""));
  put(*store, "a", "1");
  const auto watch = store->watch("", {1});
  EXPECT_EQ(next(*watch).changes[0].value, "1");
  put(*store, "a", "2");
  SharedServer::server->kill();
  SharedServer::server->start();
  for (const char* expected : {"2", "3", "4"}) {
    std::string value;
    eventually([&] { value = *next(*watch).changes[0].value; });
    EXPECT_EQ(value, expected);
    const std::string following = std::to_string(std::stoi(expected) + 1);
    const Commit wanted{"following-" + following, {}, {Put{"a", following}}};
    eventually([&] { run_now(loop_, store->commit(wanted)); });
  }
}

TEST_F(EtcdStoreTest, a_silent_watch_checks_its_member_and_stays) {
  const auto store = open(options_for(""));
  put(*store, "a", "1");
  const auto watch = store->watch("", {1});
  next(*watch);
  // Three checks of half a second each.
  const auto waited = reason_of([&] {
    run_now(loop_, with_deadline(loop_.clock(), Duration(1'800), "silence", watch->next()));
  });
  EXPECT_EQ(waited, "deadline");
  put(*store, "a", "2");
  EXPECT_EQ(next(*watch).changes[0].value, "2");
}

}  // namespace

std::unique_ptr<StoreHarness> make_store_harness() { return std::make_unique<EtcdHarness>(); }

}  // namespace ruche::contract
