#include "methods/tables.hpp"
#include "model/pool_requests.hpp"

namespace ruche::methods {

namespace {

std::vector<Method> pools_changed() {
  return {
      value_of<model::CreatePool, model::PoolView>({
          .id = "pool.create",
          .verb = Verb::post,
          .path = "/v1/pools",
          .role = Role::administrator,
          .summary = "Make a resource pool",
          .description =
              "Its VMs together stay within its limits, whatever is done to each: a start, more "
              "hardware or a larger disk beyond them is refused. What is reserved is kept by the "
              "host that takes the request, also while no VM of it runs.",
          .command = "pool create",
          .examples = {{"For a team that tries things out",
                        "ruche pool create dev --cpus 8 --memory 16GiB --storage 200GiB",
                        R"({"name": "dev", "cpus": 8, "memory_bytes": 17179869184, )"
                        R"("storage_bytes": 214748364800})"},
                       {"With memory that nobody else gets, and twice the CPU time",
                        "ruche pool create prod --reserve-memory 4GiB --shares 200"}},
      }),
      {
          .id = "pool.set",
          .verb = Verb::patch,
          .path = "/v1/pools/{pool}",
          .role = Role::administrator,
          .answer = Answer::value,
          .request = &type_of<model::PoolEdit>,
          .result = &type_of<model::PoolView>,
          .patch = true,
          .summary = "Change a resource pool",
          .description = "A merge patch (RFC 7396): what is absent stays. A limit below what its "
                         "VMs use is refused. Shares count from each VM's next start.",
          .command = "pool set",
          .examples = {{"More memory", "ruche pool set dev --memory 32GiB",
                        R"({"memory_bytes": 34359738368})"},
                       {"No limit of its CPUs any more", "ruche pool set dev --cpus 0"}},
      },
      value_of<model::PoolRef, model::PoolView>({
          .id = "pool.delete",
          .verb = Verb::delete_,
          .path = "/v1/pools/{pool}",
          .role = Role::administrator,
          .dry_runs = true,
          .summary = "Remove a resource pool",
          .description = "Refused while VMs are in it, also in the recycle bin. The answer is the "
                         "pool as it was.",
          .command = "pool delete",
          .examples = {{"Remove it", "ruche pool delete dev"}},
      }),
  };
}

}  // namespace

std::vector<Method> pool_methods() {
  std::vector<Method> methods = {
      list_of<model::PoolView>({
          .id = "pool.list",
          .path = "/v1/pools",
          .request = &type_of<ListRequest>,
          .summary = "List resource pools",
          .description = "What groups of VMs may use together, and what is kept for them.",
          .command = "pool list",
          .examples = {{"All of them", "ruche pool list"}},
          .columns = {{"NAME", "name"},
                      {"VMS", "vms"},
                      {"CPUS", "used.cpus"},
                      {"CPU LIMIT", "limits.cpus"},
                      {"MEMORY", "used.memory_bytes"},
                      {"MEMORY LIMIT", "limits.memory_bytes"},
                      {"STORAGE", "used.storage_bytes"},
                      {"STORAGE LIMIT", "limits.storage_bytes"},
                      {"RESERVED", "reservation.memory_bytes"},
                      {"SHARES", "shares"}},
          .list_fields = {"id", "name", "description", "host", "shares", "created_at"},
      }),
      value_of<model::PoolRef, model::PoolView>({
          .id = "pool.show",
          .path = "/v1/pools/{pool}",
          .summary = "Show a resource pool",
          .description = "Its limits, what is kept for it, and what its VMs use.",
          .command = "pool show",
          .examples = {{"One of them", "ruche pool show dev"}},
      }),
  };
  for (auto& method : pools_changed()) methods.push_back(std::move(method));
  return methods;
}

}  // namespace ruche::methods
