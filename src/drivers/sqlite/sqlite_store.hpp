// The state of a single host, embedded: a StateStore in one SQLite file with its own thread. Its
// layout is documented in store_file.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "ports/state_store.hpp"

namespace ruche::drivers::sqlite {

struct StoreOptions {
  // Called on the store's thread before a commit begins and after it is on the disk, with its
  // number from 1 since the store was opened; the crash sweep ends the process here.
  std::function<void(std::uint64_t number, bool done)> commit_hook;
};

// Creates the file when there is none. Throws store_unavailable with what to do: another process
// has it, it is damaged, it was written by a newer version, the disk is full. The executor is the
// loop on which the store is used; clock and log outlive the store. Users and watches end before
// the store does.
Async<std::unique_ptr<ports::StateStore>> open_store(std::string path, Executor executor,
                                                     Clock& clock, Log& log,
                                                     StoreOptions options = {});

}  // namespace ruche::drivers::sqlite
