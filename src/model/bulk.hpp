// One request for many guests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"

namespace ruche::model {

// Each is called as the method that does it to one guest: vm.start.
enum class BulkAction {
  start,
  shutdown,
  stop,
  reset,
  pause,
  resume,
  suspend,
  freeze,
  thaw,
  delete_,
  undelete
};
constexpr auto describe(Type<BulkAction>) {
  return enumeration<BulkAction>(
      "BulkAction", "What can be done to many guests at once.",
      value(BulkAction::start, "start", "Start them."),
      value(BulkAction::shutdown, "shutdown", "Shut them down in order."),
      value(BulkAction::stop, "stop", "Stop them at once."),
      value(BulkAction::reset, "reset", "Reset them."),
      value(BulkAction::pause, "pause", "Pause them."),
      value(BulkAction::resume, "resume", "Resume those that are paused or suspended."),
      value(BulkAction::suspend, "suspend", "Save their memory and end their processes."),
      value(BulkAction::freeze, "freeze", "Freeze their file systems."),
      value(BulkAction::thaw, "thaw", "Thaw their file systems."),
      value(BulkAction::delete_, "delete", "Into the recycle bin, or for good."),
      value(BulkAction::undelete, "undelete", "Take them out of the recycle bin."));
}

inline constexpr std::size_t kMostBulkVms = 1000;

// Exactly one of vms and filter is given; the others are what the method for one guest has.
struct BulkVms {
  BulkAction action = BulkAction::start;
  std::vector<std::string> vms;
  std::string filter;
  std::optional<Duration> timeout;  // of a shutdown
  bool then_stop = false;
  bool force = false;              // of a stop
  std::optional<Duration> hold;    // of a freeze
  bool purge = false;              // of a deletion
  bool stop = false;
};
constexpr auto describe(Type<BulkVms>) {
  return structure<BulkVms>(
      "BulkVms", "One action for many virtual machines.",
      field<&BulkVms::action>("action", "What shall happen to each.", {.required = true}),
      field<&BulkVms::vms>("vms", "Names or ids.",
                           {.max_length = kMostBulkVms, .format = "reference", .positional = true}),
      field<&BulkVms::filter>("filter",
                              "In place of names: all that it finds, as in a list; at most 1000.",
                              {.max_length = 4096, .example = "tag=web"}),
      field<&BulkVms::timeout>("timeout_ms", "Of `shutdown`: how long each guest may take.",
                               {.min = 1000, .max = 3'600'000}),
      field<&BulkVms::then_stop>("then_stop", "Of `shutdown`: stop it the hard way after that."),
      field<&BulkVms::force>("force", "Of `stop`: cancel the task that holds its power state."),
      field<&BulkVms::hold>("hold_ms", "Of `freeze`: thaw after this time, whatever happens.",
                            {.min = 1000, .max = 600'000}),
      field<&BulkVms::purge>("purge", "Of `delete`: for good, now."),
      field<&BulkVms::stop>("stop", "Of `delete`: stop it first when it runs."));
}

}  // namespace ruche::model
