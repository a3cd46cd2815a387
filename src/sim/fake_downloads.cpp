#include "sim/fake_downloads.hpp"

namespace ruche::sim {

namespace {

constexpr auto kPiecePause = std::chrono::milliseconds(20);
constexpr auto kRetryPause = std::chrono::seconds(1);
constexpr int kAttempts = 6;

Bytes bytes(std::size_t count) { return Bytes{static_cast<std::int64_t>(count)}; }

}  // namespace

// False: the connection broke.
Async<bool> FakeDownloads::attempt(const ports::DownloadRequest& request,
                                   const ports::ProgressSink& progress) {
  auto& storage = handle_.storage();
  while (true) {
    co_await sleep_for(clock_, kPiecePause);
    auto* remote = storage.remote(request.url);
    if (remote == nullptr) throw Error(Reason::download_refused, "the server answered 404");
    auto* file = storage.incoming_at(request.path);
    if (file == nullptr) throw Error(Reason::io_failed, "the file is gone");
    if (bytes(remote->content.size()) > request.size_limit) {
      throw Error(Reason::body_too_large, "the file is larger than allowed");
    }
    if (!remote->content.starts_with(*file)) {  // another file than the one that was begun
      handle_.effect("download anew " + request.url, [&] { file->clear(); });
      continue;
    }
    if (progress) progress(bytes(file->size()), bytes(remote->content.size()));
    if (file->size() == remote->content.size()) co_return true;
    if (remote->breaks > 0 && file->size() >= remote->content.size() / 2) {
      --remote->breaks;
      co_return false;
    }
    const auto piece = remote->content.substr(file->size(), remote->piece);
    handle_.effect("download " + request.url, [&] { *file += piece; });
  }
}

Async<void> FakeDownloads::fetch(ports::DownloadRequest request, ports::ProgressSink progress) {
  ports::check_url(request.url);
  for (int i = 0; i < kAttempts; ++i) {
    const bool whole = co_await attempt(request, progress);
    if (whole) co_return;
    co_await sleep_for(clock_, kRetryPause);
  }
  throw Error(Reason::download_failed, "the connection broke too often");
}

}  // namespace ruche::sim
