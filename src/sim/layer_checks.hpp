// Layers at rest: who needs which, what their files say, and what they show (docs/adr/0025).
#pragma once

#include <string>
#include <vector>

#include "sim/checkers.hpp"

namespace ruche::sim {

// Layers of its guest stay as they are for a while.
bool is_failed_tidying(const model::Task& task);

// Every layer counts its users, belongs to somebody, and could not be merged or removed.
void check_layers(const StoreTruth& truth, std::vector<std::string>& findings);

// Trees: parents are there and of the same guest, names are unique, all are complete.
void check_snapshots(const StoreTruth& truth, std::vector<std::string>& findings);

// Files stand on what their documents say; a layer shows what it ever showed and what was written
// to it; and no guest's disk shows less than the guest has written, unless somebody took it back to
// a snapshot: then it shows exactly what that has.
void check_contents(const FakeStorage& storage, const StoreTruth& truth,
                    std::vector<std::string>& findings);

}  // namespace ruche::sim
