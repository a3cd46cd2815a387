#include "methods/tables.hpp"
#include "model/host_facts.hpp"
#include "model/passthrough.hpp"

namespace ruche::methods {

std::vector<Method> host_methods() {
  Method show = value_of<model::HostRef, model::HostView>({
      .id = "host.show",
      .path = "/v1/hosts/{host}",
      .summary = "Show a host",
      .description = "What it has, what it has promised, and what runs guest code on it and why. "
                     "`self` is the host that answers.",
      .command = "host show",
      .default_argument = "self",
      .examples = {{"The one you talk to", "ruche host show"},
                   {"Another", "ruche host show host2"}},
  });
  Method check = value_of<model::HostRef, model::HostCheck>({
      .id = "host.check",
      .path = "/v1/hosts/{host}/check",
      .summary = "Say what a host can do, and why it matters",
      .description =
          "Processor, memory, devices, kernel and QEMU, each ok, degraded or missing, with "
          "what was found and what to do about it. Nothing is remembered: it is read when "
          "asked. The command ends with 11 when something is missing that guests need.",
      .command = "host check",
      .default_argument = "self",
      .examples = {{"The one you talk to", "ruche host check"}},
  });
  Method devices = list_of<model::HostDeviceView>({
      .id = "host.devices",
      .path = "/v1/hosts/{host}/devices",
      .request = &type_of<model::HostRef>,
      .summary = "List the devices of a host that a VM could be given",
      .description =
          "USB and PCI devices, with the IOMMU group of what is passed through together, whether a "
          "VM could be given them, and if not why and what to do about it. Nothing is remembered: "
          "it is read when asked.",
      .command = "host devices",
      .default_argument = "self",
      .examples = {{"Of the one you talk to", "ruche host devices"}},
      .columns = {{"KIND", "kind"},
                  {"DEVICE", "device"},
                  {"SERIAL", "serial"},
                  {"MEDIATED", "mediated"},
                  {"WHAT", "what"},
                  {"DRIVER", "driver"},
                  {"GROUP", "iommu_group"},
                  {"USABLE", "usable"},
                  {"NEXT", "remedy"}},
  });
  return {
      list_of<model::HostView>({
          .id = "host.list",
          .path = "/v1/hosts",
          .request = &type_of<ListRequest>,
          .summary = "List hosts",
          .description = "The machines that run ruched.",
          .command = "host list",
          .examples = {{"All of them", "ruche host list"}},
          .columns = {{"NAME", "name"},
                      {"ACCEL", "status.accelerator"},
                      {"THREADS", "status.threads"},
                      {"MEMORY", "ledger.memory_total_bytes"},
                      {"PROMISED", "ledger.memory_reserved_bytes"},
                      {"GUESTS", "guests"},
                      {"RUNNING", "running"},
                      {"VERSION", "status.version"}},
          .list_fields = {"id", "name", "accelerator", "version", "threads", "created_at"},
      }),
      std::move(show),
      std::move(check),
      std::move(devices),
  };
}

}  // namespace ruche::methods
