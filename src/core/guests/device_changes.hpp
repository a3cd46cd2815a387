// From two states of a process's hardware to what makes the second of the first, in order: what
// goes before what comes. Pure; files and ports are filled in by whoever carries it out.
#pragma once

#include <vector>

#include "ports/hypervisor.hpp"

namespace ruche::core {

// `to` is reachable from `from` (model::plan_change). Sizes of disks are not among them: growing is
// a step of its own.
std::vector<ports::DeviceChange> device_changes(const model::VmSpec& from, const model::VmSpec& to);

// What the hardware is after the change was made.
void note_change(model::VmSpec& spec, const ports::DeviceChange& change);

// Whether the guest's own system has to do its part, so that a paused one cannot follow.
bool needs_guest(const ports::DeviceChange& change);

}  // namespace ruche::core
