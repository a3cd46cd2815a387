// history.db: the History of one host in an SQLite file with its own thread. Appends are gathered
// while the thread is busy and written together; what was not yet written when the process dies is
// lost.
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "ports/history.hpp"

namespace ruche::drivers::sqlite {

// Never fails: a file that cannot be opened, also a damaged one, is a warning, and is tried again
// at the next append. The executor is the loop on which it is used; the log outlives it.
std::unique_ptr<ports::History> open_history(std::string path, Executor executor, Log& log);

}  // namespace ruche::drivers::sqlite
