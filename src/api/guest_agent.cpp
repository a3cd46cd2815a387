// What goes to the agent inside a guest at once, and never through the store.
#include <fmt/format.h>

#include "api/call.hpp"
#include "base/base64.hpp"
#include "model/views.hpp"

namespace ruche::api {

namespace {

std::shared_ptr<ports::Machine> machine_of(const Context& context,
                                           const core::GuestRecord& record) {
  const auto& guest = record.spec->value;
  auto machine = context.parts.live.find(guest.id);
  if (machine) return machine;
  if (record.placement->value.host != context.parts.self) {
    const auto host = context.renderer().host_name(record.placement->value.host);
    throw Error(Reason::not_owner, fmt::format("{} is on host {}", guest.name, host))
        .remedy("ask that host");
  }
  throw Error(Reason::wrong_state, fmt::format("{} does not run", guest.name))
      .remedy(fmt::format("start it: ruche vm start {}", guest.name));
}

ports::GuestAgents& agents_of(ports::Machine& machine, const core::GuestRecord& record) {
  const auto& name = record.spec->value.name;
  if (record.status && record.status->value.thaw_at) {
    throw Error(Reason::wrong_state, fmt::format("the file systems of {} are frozen", name))
        .remedy(fmt::format("thaw them: ruche vm thaw {}", name));
  }
  auto* agents = machine.agents();
  if (agents != nullptr && agents->connected()) return *agents;
  throw Error(Reason::no_agent, fmt::format("{} has no agent that answers", name))
      .remedy("wait until it has booted (--wait agent); it needs qemu-guest-agent");
}

void check_environment(const std::vector<std::string>& environment) {
  for (std::size_t i = 0; i < environment.size(); ++i) {
    const auto equals = environment[i].find('=');
    if (equals != 0 && equals != std::string::npos) continue;
    throw Error(Reason::bad_format, "must be NAME=value").at(fmt::format("/environment/{}", i));
  }
}

ports::AgentCommand command_of(const model::ExecVm& request) {
  if (request.command.empty() || request.command.front().empty()) {
    throw Error(Reason::missing_field, "there is no program to run").at("/command");
  }
  check_environment(request.environment);
  auto input = parse_base64(request.input_base64);
  if (!input) throw Error(Reason::bad_format, "must be base64").at("/input_base64");
  return {request.command, request.environment, std::move(*input), request.timeout};
}

Async<void> exec(Call& call, Context& context) {
  const auto request = call.decode<model::ExecVm>();
  auto command = command_of(request);
  const auto record = find_vm(context, request.vm);
  const auto machine = machine_of(context, *record);
  auto& agents = agents_of(*machine, *record);
  const auto ended = co_await agents.run(std::move(command));
  model::ExecResult result;
  result.exit_code = ended.exit_code;
  result.output_base64 = to_base64(ended.output);
  result.error_output_base64 = to_base64(ended.error_output);
  result.output_cut = ended.output_cut;
  result.error_output_cut = ended.error_output_cut;
  co_await respond_value(call, result);
}

}  // namespace

void add_guest_agent_handlers(Registry& registry, Context& context) {
  registry.add("vm.exec", [&context](Call& call) { return exec(call, context); });
}

}  // namespace ruche::api
