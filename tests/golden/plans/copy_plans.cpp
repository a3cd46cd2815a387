#include "golden/plans/copy_plans.hpp"

#include <fmt/format.h>

#include "base/json.hpp"
#include "core/snapshots/copy_plans.hpp"

namespace ruche::core {

std::optional<Proposal> propose_copy(const std::string& plan, const std::string& request,
                                     const plans::Site& site, Draft& draft) {
  if (plan == "clone") {
    return plans::clone_many(draft, site, json::decode<model::CloneVm>(request));
  }
  if (plan == "from-template") {
    const auto copy = plans::copy_of_template(json::decode<model::CreateVm>(request));
    return plans::clone_many(draft, site, copy);
  }
  if (plan == "template") {
    return plans::make_template(draft, json::decode<model::TemplateVm>(request));
  }
  if (plan == "schedule-set") {
    return plans::set_schedule(draft, json::decode<model::SetSchedule>(request));
  }
  if (plan == "schedule-remove") {
    return plans::remove_schedule(draft, json::decode<model::ScheduleRef>(request));
  }
  return std::nullopt;
}

std::string describe_source(const Proposal& proposal) {
  std::string text;
  if (proposal.source) {
    text += fmt::format("\nholds {}:", to_text(proposal.source->object));
    for (const auto facet : proposal.source->claims) text += fmt::format(" {}", enum_name(facet));
  }
  for (const auto layer : proposal.reads) text += fmt::format("\nreads {}", to_text(layer));
  return text;
}

}  // namespace ruche::core
