// The edge to other people's servers: files that are fetched by URL.
#pragma once

#include <string>

#include "base/async.hpp"
#include "base/units.hpp"
#include "ports/volumes.hpp"

namespace ruche::ports {

struct DownloadRequest {
  std::string url;
  std::string path;  // an existing file of this host; what it holds already is gone on from
  Bytes size_limit;  // of the whole file
};

class Downloads {
 public:
  virtual ~Downloads() = default;
  // Fetches the whole file. What an earlier call left in it, also one that was killed, is kept when
  // the server still has the same file (If-Range) and fetched anew when not. A connection that
  // breaks or stands still is tried again with back-off. Progress counts the bytes of the file.
  // Throws bad_format (no http or https URL, or one with a password), download_refused (the server
  // does not give it), body_too_large, download_failed (it broke off too often) and
  // not_enough_space. Cancellable; what came stays in the file. The bytes are not to be trusted.
  virtual Async<void> fetch(DownloadRequest request, ProgressSink progress) = 0;
};

// Throws bad_format at /url unless it is a URL that may be fetched: http or https, a host, no user
// and no password, no control characters.
void check_url(const std::string& url);
// Without its query and fragment, which may hold secrets.
std::string shown_url(const std::string& url);

}  // namespace ruche::ports
