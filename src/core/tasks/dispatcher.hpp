// Starts the engine on every open task of this host, oldest first where tasks claim the same part
// of an object.
#pragma once

#include <set>

#include "core/tasks/engine.hpp"

namespace ruche::core {

class Dispatcher {
 public:
  Dispatcher(Executor executor, Writer& writer, Engine& engine, Log& log, model::HostId self);
  ~Dispatcher();
  // Until cancelled. Tasks that are under way when it is cancelled stay open for the next daemon.
  Async<void> run();
  std::size_t running() const { return running_.size(); }

 private:
  void start_what_can_run();
  bool must_wait(const model::Task& task) const;
  Async<void> work(model::TaskId id);
  bool is_ours(model::TaskId id) const;

  Writer& writer_;
  Engine& engine_;
  Log& log_;
  model::HostId self_;
  std::set<model::TaskId> running_;
  Scope scope_;
};

}  // namespace ruche::core
