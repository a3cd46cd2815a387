#include "model/bulk.hpp"

namespace ruche::model {

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

template const ruche::TypeInfo& ruche::type_of<ruche::model::BulkAction>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BulkVms>();
