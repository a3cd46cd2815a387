#include "methods/tables.hpp"

namespace ruche::methods {

std::vector<Method> upload_methods() {
  return {
      list_of<model::UploadView>({
          .id = "upload.list",
          .path = "/v1/uploads",
          .role = Role::operator_,
          .request = &type_of<ListRequest>,
          .summary = "List uploads",
          .description = "Files on their way in: your own, and everybody's for an administrator.",
          .command = "upload list",
          .examples = {{"All of them", "ruche upload list"}},
          .columns = {{"ID", "id"},
                      {"NAME", "name"},
                      {"USER", "user"},
                      {"THERE", "offset_bytes"},
                      {"SIZE", "size_bytes"},
                      {"AGE", "created_at"}},
          .list_fields = {"id", "name", "user", "datastore", "size_bytes", "checksum",
                          "created_at"},
      }),
      value_of<model::UploadRef, model::UploadView>({
          .id = "upload.show",
          .path = "/v1/uploads/{upload}",
          .role = Role::operator_,
          .summary = "Show an upload",
          .description = "`offset_bytes` is where it goes on: so much is on the disk for good.",
          .command = "upload show",
          .examples = {{"One of them", "ruche upload show 019d5b1e-0000-7000-8000-000000000001"}},
      }),
      value_of<model::CreateUpload, model::UploadView>({
          .id = "upload.create",
          .verb = Verb::post,
          .path = "/v1/uploads",
          .role = Role::operator_,
          .recorded_first = true,
          .summary = "Begin an upload",
          .description =
              "Announces a file. Send it in pieces to its content, then import it with `upload`. "
              "An upload that stands still is given up after `upload_expiry_ms`.",
          .command = "upload create",
          .examples = {{"Announce a file (`image import --upload` does it all)",
                        "ruche upload create --size 64MiB --checksum "
                        "sha256:3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"}},
      }),
      value_of<model::WriteUpload, model::UploadView>({
          .id = "upload.write",
          .verb = Verb::put,
          .path = "/v1/uploads/{upload}/content",
          .role = Role::operator_,
          .raw_body = true,
          .summary = "Send the next piece of an upload",
          .description = "The body is the piece, of any size. The answer comes when it is on the "
                         "disk. After a "
                         "failure ask for the upload and go on from its `offset_bytes`.",
          .command = "",
      }),
      value_of<model::UploadRef, model::UploadView>({
          .id = "upload.delete",
          .verb = Verb::delete_,
          .path = "/v1/uploads/{upload}",
          .role = Role::operator_,
          .dry_runs = true,
          .recorded_first = true,
          .summary = "Delete an upload",
          .description = "Refused while it is being imported. Answers what it was.",
          .command = "upload delete",
          .examples = {{"Give it up", "ruche upload delete 019d5b1e-0000-7000-8000-000000000001"}},
      }),
  };
}

}  // namespace ruche::methods
