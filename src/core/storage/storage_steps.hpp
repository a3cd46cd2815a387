// The steps of storage: volumes and datastores.
#pragma once

#include "core/storage/datastore_pool.hpp"
#include "core/tasks/engine.hpp"

namespace ruche::core {

class StorageSteps : public StepHandler {
 public:
  StorageSteps(DatastorePool& pool, const Inventory& inventory)
      : pool_(pool), inventory_(inventory) {}

  bool handles(const model::Step& step) const override;
  Async<Observation> observe(const model::Step& step, const StepContext& context) override;
  Async<void> apply(const model::Step& step, const StepContext& context) override;
  Async<void> revert(const model::Step& step, const StepContext& context) override;
  void settle(const model::Step& step, Outcome outcome, const Error* why, Draft& draft) override;
  bool is_pivot(const model::Step& step) const override;
  // A copy may take long, and after a pivot too it is taken back.
  bool can_be_cancelled(const model::Step& step) const override;
  bool found_by_name(const model::Step& step) const override;

 private:
  // The layer's document, or null when an earlier attempt removed it.
  const model::Layer* find(model::LayerId id) const;

  DatastorePool& pool_;
  const Inventory& inventory_;
};

}  // namespace ruche::core
