#include "methods/tables.hpp"

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
  };
}

}  // namespace ruche::methods
