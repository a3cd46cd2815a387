// What the embedded store costs on this disk: commits per second, and the latency of a commit, a
// get and a watch. Medians and 99th percentiles in microseconds; nothing passes or fails here.
//
//   store_bench [directory]
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "drivers/sqlite/sqlite_store.hpp"

namespace {

using namespace ruche;         // NOLINT: a program of one page
using namespace ruche::ports;  // NOLINT

constexpr int kRounds = 1'000;
constexpr std::size_t kValueBytes = 1'500;  // about a guest's status

struct Latencies {
  std::vector<std::int64_t> us;
  void add(std::chrono::microseconds time) { us.push_back(time.count()); }
  std::int64_t at(double quantile) {
    std::ranges::sort(us);
    return us.at(static_cast<std::size_t>(quantile * static_cast<double>(us.size() - 1)));
  }
  void print(const char* what) {
    fmt::print("{:44} median {:7} us   p99 {:7} us\n", what, at(0.5), at(0.99));
  }
};

Commit status_commit(int number) {
  const std::string guest = std::to_string(number % 100);
  return {"nonce-" + std::to_string(number),
          {},
          {Put{"guests/" + guest + "/status", std::string(kValueBytes, 'v')},
           Put{"placements/host/" + guest, std::string(200, 'p')}}};
}

Async<void> measure_commits(StateStore& store, Clock& clock, int& number) {
  Latencies commits;
  const Instant start = clock.now();
  for (int i = 0; i < kRounds; ++i) {
    const Instant sent = clock.now();
    Commit commit = status_commit(++number);
    co_await store.commit(std::move(commit));
    commits.add(clock.now() - sent);
  }
  const auto seconds = static_cast<double>((clock.now() - start).count()) / 1e6;
  fmt::print("{:44} {:.0f} per second\n", "commits, one writer, two keys each", kRounds / seconds);
  commits.print("commit");
}

Async<void> measure_gets(StateStore& store, Clock& clock) {
  Latencies gets;
  for (int i = 0; i < 10 * kRounds; ++i) {
    const Instant sent = clock.now();
    const auto entry = co_await store.get("guests/" + std::to_string(i % 100) + "/status");
    gets.add(clock.now() - sent);
  }
  gets.print("get, idle store");
}

Async<void> measure_watch(StateStore& store, Clock& clock, int& number) {
  Latencies from_commit, from_answer;
  const auto entry = co_await store.get("guests/1/status");
  const auto now = co_await store.list({.prefix = "none", .after = {}, .limit = 1});
  const auto watch = store.watch("placements/host/", {now.revision.number + 1});
  Scope scope(co_await current_executor(), "watch");
  Instant seen;
  Signal noticed;
  scope.spawn("watch", [](Watch& watched, Clock& time, Instant& at, Signal& tell) -> Async<void> {
    while (true) {
      co_await watched.next();
      at = time.now();
      tell.notify();
    }
  }(*watch, clock, seen, noticed));
  for (int i = 0; i < kRounds; ++i) {
    const Instant sent = clock.now();
    Commit commit = status_commit(++number);
    co_await store.commit(std::move(commit));
    const Instant answered = clock.now();
    while (seen < sent) co_await noticed.wait();
    from_commit.add(seen - sent);
    from_answer.add(std::chrono::abs(seen - answered));
  }
  from_commit.print("watch, from the sending of the commit");
  from_answer.print("watch, apart from the commit's answer");
  scope.cancel(CancelReason::shutdown);
  co_await scope.join();
}

Async<void> measure_list(StateStore& store, Clock& clock) {
  Latencies lists;
  for (int i = 0; i < 100; ++i) {
    const Instant sent = clock.now();
    ListRequest request{.prefix = "guests/", .after = {}};
    const auto page = co_await store.list(std::move(request));
    lists.add(clock.now() - sent);
  }
  lists.print("list of 100 entries of 1.5 KB");
}

Async<void> measure(Loop& loop, Log& log, std::string directory) {
  const std::string path = directory + "/store_bench.db";
  for (const char* suffix : {"", "-wal"}) std::filesystem::remove(path + suffix);
  const auto store = co_await drivers::sqlite::open_store(path, loop.executor(), loop.clock(), log);
  int number = 0;
  co_await measure_commits(*store, loop.clock(), number);
  co_await measure_gets(*store, loop.clock());
  co_await measure_list(*store, loop.clock());
  co_await measure_watch(*store, loop.clock(), number);
  for (const char* suffix : {"", "-wal"}) std::filesystem::remove(path + suffix);
}

}  // namespace

int main(int argc, char** argv) {
  const auto log = stderr_log(LogLevel::warning);
  Loop loop;
  loop.run(measure(loop, *log, argc > 1 ? argv[1] : "."));
  return 0;
}
