#include "contract/failing_disk.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <list>

namespace ruche::contract {

namespace {

std::atomic<int> failures{0};
sqlite3_vfs* real_layer = nullptr;
sqlite3_vfs failing_layer;

// The database and its write-ahead log have tables of their own, which differ in locking only.
struct Methods {
  const sqlite3_io_methods* real;
  sqlite3_io_methods failing;
};
std::list<Methods> methods;

int flush(sqlite3_file* file, int flags) {
  if (failures > 0) {
    --failures;
    return SQLITE_IOERR_FSYNC;
  }
  return methods.front().real->xSync(file, flags);
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int code = real_layer->xOpen(real_layer, name, file, flags, out_flags);
  if (file->pMethods == nullptr) return code;
  auto found = std::ranges::find(methods, file->pMethods, &Methods::real);
  if (found == methods.end()) {
    found = methods.insert(methods.end(), {file->pMethods, *file->pMethods});
    found->failing.xSync = flush;
  }
  file->pMethods = &found->failing;
  return code;
}

}  // namespace

void install_failing_disk() {
  if (real_layer != nullptr) return;
  real_layer = sqlite3_vfs_find(nullptr);
  failing_layer = *real_layer;
  failing_layer.zName = "failing";
  failing_layer.xOpen = open;
  sqlite3_vfs_register(&failing_layer, 1);
}

void fail_flushes(int count) { failures = count; }

}  // namespace ruche::contract
