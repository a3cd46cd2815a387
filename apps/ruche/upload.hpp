// Sends a file to the daemon in pieces, and goes on where it was when the connection or the daemon
// went away; also when an earlier `ruche` was interrupted over the same file.
#pragma once

#include <string>

#include "client/api_client.hpp"
#include "progress_bar.hpp"

namespace ruche::cli {

struct UploadOrder {
  std::string path;
  std::string datastore;  // empty: the server chooses
};

// The id of the complete upload. Errors: io_failed for the file, and what the server says.
Async<std::string> upload_file(client::ApiClient& client, ProgressBar& bar, UploadOrder order);

}  // namespace ruche::cli
