#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> image_methods() {
  return {
      list_of<model::ImageView>({
          .id = "image.list",
          .path = "/v1/images",
          .request = &type_of<ListRequest>,
          .summary = "List images",
          .description = "The library: what virtual machines can be created from.",
          .command = "image list",
          .examples = {{"All of them", "ruche image list"}},
          .columns = {{"NAME", "name"},
                      {"STATE", "state"},
                      {"SIZE", "size_bytes"},
                      {"BOOT", "boot"},
                      {"GUESTS", "guests"},
                      {"DATASTORE", "datastore"},
                      {"AGE", "created_at"}},
          .list_fields = {"id", "name", "description", "datastore", "state", "size_bytes", "boot",
                          "created_at"},
      }),
      value_of<model::ImageRef, model::ImageView>({
          .id = "image.show",
          .path = "/v1/images/{image}",
          .summary = "Show an image",
          .description = "Where it is, what it was made from and how it boots.",
          .command = "image show",
          .examples = {{"The demo image", "ruche image show demo"}},
      }),
      task_of<model::ImportImageRequest>({
          .id = "image.import",
          .verb = Verb::post,
          .path = "/v1/images",
          .role = Role::administrator,
          .summary = "Import an image file",
          .description = "Reads a qcow2 or raw file of the host, whoever owns it, into a "
                         "datastore. A raw image must be "
                         "declared as such; references to other files inside an image are refused.",
          .command = "image import",
          .examples = {{"A qcow2 file", "ruche image import debian /var/tmp/debian-12.qcow2",
                        R"({"name": "debian", "path": "/var/tmp/debian-12.qcow2"})"},
                       {"A raw disk", "ruche image import old /var/tmp/old.img --format raw"}},
      }),
      task_of<model::BuildImageRequest>({
          .id = "image.build",
          .verb = Verb::post,
          .path = "/v1/images/build",
          .role = Role::operator_,
          .summary = "Build an image from packages",
          .description = "`demo` is a tiny Linux guest made from the host's own package mirror.",
          .command = "image build",
          .examples = {{"The demo image", "ruche image build demo", R"({"recipe": "demo"})"}},
      }),
      task_of<model::ImageRef>({
          .id = "image.delete",
          .verb = Verb::delete_,
          .path = "/v1/images/{image}",
          .role = Role::operator_,
          .summary = "Delete an image",
          .description = "Refused while a guest still stands on it.",
          .command = "image delete",
          .examples = {{"Delete it", "ruche image delete old"}},
      }),
  };
}

}  // namespace ruche::methods
