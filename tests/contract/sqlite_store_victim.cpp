// A process that commits to a store until it dies. Prints one line per acknowledged commit, so that
// the test which killed it knows what must be there.
//
//   sqlite_store_victim PATH endless          two keys per commit, "done <n>" after each
//   sqlite_store_victim PATH full BYTES       the same with files limited to BYTES, then
//                                             "failed <reason>", reads back, and "read <n>"
#include <signal.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "drivers/sqlite/sqlite_store.hpp"

namespace {

using namespace ruche;  // NOLINT: a program of one page
using namespace ruche::ports;  // NOLINT

Async<void> commit_one(StateStore& store, int number) {
  const std::string value = std::to_string(number) + std::string(3'000, '.');
  Commit commit{"nonce-" + std::to_string(number),
                {},
                {Put{"left/" + std::to_string(number % 50), value},
                 Put{"right/" + std::to_string(number % 50), value}}};
  co_await store.commit(std::move(commit));
  std::printf("done %d\n", number);
}

Async<void> serve(Loop& loop, Log& log, std::string path, bool until_full) {
  const auto store =
      co_await drivers::sqlite::open_store(std::move(path), loop.executor(), loop.clock(), log);
  int number = 0;
  try {
    while (true) co_await commit_one(*store, ++number);
  } catch (const Error& error) {
    std::printf("failed %s %s\n", std::string(error.reason_name()).c_str(),
                error.full_message().c_str());
    if (!until_full) throw;
  }
  ListRequest request{.prefix = "left/", .after = {}};
  const ListPage page = co_await store->list(request);
  std::printf("read %zu\n", page.entries.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const bool until_full = std::string(argv[2]) == "full";
  if (until_full && argc == 4) {
    ::signal(SIGXFSZ, SIG_IGN);  // the write fails with EFBIG instead
    const auto bytes = static_cast<rlim_t>(std::strtoul(argv[3], nullptr, 10));
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  const auto log = stderr_log(LogLevel::warning);
  Loop loop;
  loop.run(serve(loop, *log, argv[1], until_full));
  return 0;
}
