// The commands for many VMs: the verbs of one, with several names or a filter.
#pragma once

#include <string>
#include <string_view>

#include "methods/method.hpp"
#include "model/bulk.hpp"
#include "model/views.hpp"
#include "output.hpp"

namespace ruche::cli {

inline constexpr std::string_view kBulk = "vm.bulk";

// What vm.bulk calls this method; none: it is for one object at a time.
std::optional<model::BulkAction> bulk_action(const methods::Method& method);
// Guests lose something by it: where a filter chooses them, a person is asked first.
bool is_destructive(model::BulkAction action);

// What a dry run says, part by part.
std::string plan_text(const model::PlanView& plan);
// A line for each guest with what became of it.
std::string outcome_text(const model::TaskView& task, const Look& look);
// Any task; of one for many, what became of each.
std::string task_text(model::TaskView task, const Look& look);
// "Stop 2 VMs: web1, web2 (refuses: web2 is stopped)?"
std::string bulk_question(const model::BulkVms& request, const model::PlanView& plan);

}  // namespace ruche::cli
