// What users can ask of images.
#pragma once

#include "core/inventory/writer.hpp"
#include "core/tasks/request.hpp"
#include "model/requests.hpp"
#include "ports/volumes.hpp"

namespace ruche::core {

class ImageService {
 public:
  struct Parts {
    Writer& writer;
    model::HostId self;
    std::vector<ports::ImageRecipe> recipes;  // what can be built here
  };
  explicit ImageService(Parts parts) : parts_(std::move(parts)) {}

  Async<Accepted> import(Caller caller, model::ImportImageRequest request);
  Async<Accepted> build(Caller caller, model::BuildImageRequest request);
  Async<Accepted> remove(Caller caller, model::ImageRef request);

 private:
  Parts parts_;
};

// Throws bad_format at /checksum.
void check_checksum(const std::string& checksum);

}  // namespace ruche::core
