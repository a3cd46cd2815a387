// SQLite's view of a disk whose flushes fail: the default file layer with one function replaced.
#pragma once

namespace ruche::contract {

// For connections that are opened from now on in this process.
void install_failing_disk();
// The next flushes fail with an I/O error, after the data was written.
void fail_flushes(int count);

}  // namespace ruche::contract
