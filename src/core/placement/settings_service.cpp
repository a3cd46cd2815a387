#include "core/placement/settings_service.hpp"

#include "core/placement/admission.hpp"
#include "core/tasks/accept.hpp"

namespace ruche::core {

namespace {

void follow_settings(Draft& draft, const model::Settings& settings) {
  for (const auto& [id, host] : draft.inventory().hosts()) {
    if (!host->ledger || !host->status) continue;
    const auto totals = make_ledger(host->status->value, settings);
    auto& ledger = draft.ledger({id});
    ledger.memory_total = totals.memory_total;
    ledger.cpus_total = totals.cpus_total;
  }
}

}  // namespace

Async<ports::Revision> SettingsService::edit(Caller caller,
                                             std::function<void(model::Settings&)> change) {
  co_return co_await writer_.transact([&](Draft& draft) {
    const std::string key(keys::kSettings);
    check_if_match(caller, draft.inventory().key_revision(key));
    model::Settings settings = draft.inventory().settings();
    change(settings);
    if (caller.dry_run) return;
    follow_settings(draft, settings);
    draft.replace(key, std::move(settings));
    draft.was(key, draft.inventory().settings());
    draft.record(self_, audit_record(caller, "setting.set"));
  });
}

}  // namespace ruche::core
