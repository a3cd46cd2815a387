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
                      {"KIND", "kind"},
                      {"SIZE", "size_bytes"},
                      {"BOOT", "boot"},
                      {"GUESTS", "guests"},
                      {"DATASTORE", "datastore"},
                      {"AGE", "created_at"}},
          .list_fields = {"id", "name", "description", "datastore", "state", "kind", "size_bytes",
                          "boot", "created_at"},
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
          .role = Role::operator_,
          .summary = "Import an image file",
          .description =
              "Takes a qcow2, raw, VMDK, VHD, VHDX, VDI or ISO file into a datastore: of the host, "
              "from a URL, or uploaded. The host reads files and URLs itself, so these are for "
              "administrators. A raw image must be declared; one that refers to other files is "
              "refused. An ISO becomes a medium for CD-ROM drives.",
          .command = "image import",
          .examples = {{"A qcow2 file", "ruche image import debian /var/tmp/debian-12.qcow2",
                        R"({"name": "debian", "path": "/var/tmp/debian-12.qcow2"})"},
                       {"From a URL", "ruche image import debian https://example.org/debian.qcow2",
                        R"({"name": "debian", "url": "https://example.org/debian.qcow2"})"},
                       {"A raw disk", "ruche image import old /var/tmp/old.img --format raw"}},
      }),
      task_of<model::BuildImageRequest>({
          .id = "image.build",
          .verb = Verb::post,
          .path = "/v1/images/build",
          .role = Role::operator_,
          .summary = "Build an image from packages",
          .description = "`demo`: a tiny Linux; `debian`: a whole one (root, some minutes).",
          .command = "image build",
          .examples = {{"The demo image", "ruche image build demo", R"({"recipe": "demo"})"},
                       {"A real one", "ruche image build debian --name debian12"}},
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
