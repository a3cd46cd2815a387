#include "methods/tables.hpp"
#include "model/host.hpp"

namespace ruche::methods {

std::vector<Method> setting_methods() {
  return {
      {
          .id = "setting.show",
          .path = "/v1/settings",
          .answer = Answer::value,
          .result = &type_of<model::Settings>,
          .summary = "Show the settings",
          .description = "Settings of the whole cluster. The answer's ETag goes into If-Match.",
          .command = "setting show",
          .examples = {{"All of them", "ruche setting show"}},
      },
      {
          .id = "setting.set",
          .verb = Verb::patch,
          .path = "/v1/settings",
          .role = Role::administrator,
          .answer = Answer::value,
          .request = &type_of<model::Settings>,
          .result = &type_of<model::Settings>,
          .patch = true,
          .summary = "Change settings",
          .description = "A merge patch (RFC 7396): what is absent stays. Takes effect at once; "
                         "what is promised already stays promised.",
          .command = "setting set",
          .examples = {{"Eight virtual CPUs for each hardware thread",
                        "ruche setting set --cpu-overcommit 8", R"({"cpu_overcommit": 8})"}},
      },
  };
}

}  // namespace ruche::methods
