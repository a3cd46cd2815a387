// Settings of the whole cluster, and what follows from them at once.
#pragma once

#include <functional>

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/host.hpp"

namespace ruche::core {

class SettingsService {
 public:
  SettingsService(Writer& writer, model::HostId self) : writer_(writer), self_(self) {}

  // Changes the settings and, in the same commit, what every host may promise. Lowering a limit
  // below what is promised already stops nothing; it only refuses what comes next. The callback
  // throws on a bad patch; nothing is changed then. `if_match` of the caller is the settings'
  // revision.
  Async<ports::Revision> edit(Caller caller, std::function<void(model::Settings&)> change);

 private:
  Writer& writer_;
  model::HostId self_;  // whose audit log tells of it
};

}  // namespace ruche::core
