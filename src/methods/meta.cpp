#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> meta_methods() {
  return {
      {
          .id = "meta.show",
          .path = "/v1",
          .answer = Answer::value,
          .result = &type_of<ApiInfo>,
          .summary = "Say who answers",
          .description = "Version, features and the state that answers are made from.",
          .command = {},
      },
      {
          .id = "meta.openapi",
          .path = "/v1/openapi.json",
          .answer = Answer::document,
          .summary = "The OpenAPI 3.1 document of this API",
          .description = "Made from the records that the server itself runs on.",
          .command = {},
      },
  };
}

}  // namespace ruche::methods
