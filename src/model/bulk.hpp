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

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BulkAction>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BulkVms>();
