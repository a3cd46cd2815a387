#include "upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/descriptor.hpp"
#include "base/sha256.hpp"
#include "methods/tables.hpp"

namespace ruche::cli {

namespace {

constexpr std::size_t kFirstPiece = std::size_t{1} << 20;
constexpr std::size_t kLargestPiece = std::size_t{16} << 20;
constexpr Duration kQuick{1'000};     // a piece that took less is followed by a larger one
constexpr Duration kPause{500};
constexpr Duration kPatience{120'000};  // without any progress

const methods::Method& method_named(std::string_view id) {
  const auto* method = methods::find(id);
  if (method == nullptr) throw Error(Reason::internal_error, fmt::format("no method {}", id));
  return *method;
}

Error unreadable(const std::string& path, const std::string& why) {
  return Error(Reason::io_failed, fmt::format("cannot read {}: {}", path, why))
      .remedy("give the path of a file on this machine");
}

// What passes when one waits, or asks where the upload stands.
bool goes_on(const Error& error) {
  switch (error.reason()) {
    case Reason::peer_gone:
    case Reason::host_unavailable:
    case Reason::store_unavailable:
    case Reason::deadline:
    case Reason::wrong_offset:
      return true;
    default:
      return false;
  }
}

class Sender {
 public:
  Sender(client::ApiClient& client, ProgressBar& bar, UploadOrder order)
      : client_(client), bar_(bar), order_(std::move(order)) {
    name_ = std::filesystem::path(order_.path).filename().string();
    shown_.summary = "Upload " + name_;
    shown_.created_at = client_.clock().wall();
    shown_.progress.steps = 2;
    open();
  }

  Async<std::string> run() {
    const auto checksum = take_checksum();
    auto upload = co_await find_or_begin(checksum);
    Bytes offset = upload.offset;
    std::size_t piece = kFirstPiece;
    Instant give_up = client_.clock().now() + kPatience;
    while (offset < size_) {
      show(1, offset, "sending");
      const Instant began = client_.clock().now();
      std::optional<Error> failure;
      try {
        offset = co_await send(upload.id, offset, piece);
      } catch (const Error& error) {
        if (!goes_on(error) || client_.clock().now() > give_up) throw;
        failure = error;
      }
      if (!failure) {
        give_up = client_.clock().now() + kPatience;
        const bool quick = client_.clock().now() - began < kQuick;
        piece = quick ? std::min(piece * 2, kLargestPiece) : std::max(piece / 2, kFirstPiece);
        continue;
      }
      piece = kFirstPiece;
      offset = co_await ask_again(upload.id, offset, *failure);
    }
    co_return to_text(upload.id);
  }

 private:
  void open() {
    file_ = Descriptor(::open(order_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file_.open()) throw unreadable(order_.path, std::strerror(errno));
    struct stat info{};
    if (::fstat(file_.get(), &info) != 0) throw unreadable(order_.path, std::strerror(errno));
    if (!S_ISREG(info.st_mode)) throw unreadable(order_.path, "it is not a regular file");
    if (info.st_size == 0) throw unreadable(order_.path, "it is empty");
    size_ = Bytes{info.st_size};
  }

  std::string read(Bytes offset, std::size_t most) const {
    const auto left = static_cast<std::uint64_t>((size_ - offset).count);
    std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(left, most)), '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
      const auto got = ::pread(file_.get(), bytes.data() + have, bytes.size() - have,
                               static_cast<off_t>(offset.count) + static_cast<off_t>(have));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw unreadable(order_.path, std::strerror(errno));
      if (got == 0) throw unreadable(order_.path, "it became shorter");
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  void show(std::uint32_t step, Bytes done, const char* doing) {
    shown_.progress.step = step;
    shown_.progress.done = done;
    shown_.progress.total = size_;
    shown_.progress.text = doing;
    bar_.show(shown_);
  }

  std::string take_checksum() {
    Sha256 sum;
    for (Bytes at; at < size_;) {
      show(0, at, "reading");
      const auto bytes = read(at, kLargestPiece);
      sum.add({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      at += Bytes{static_cast<std::int64_t>(bytes.size())};
    }
    return "sha256:" + sum.hex();
  }

  Async<model::UploadView> find_or_begin(std::string checksum) {
    client::Arguments arguments;
    arguments.query = {{"limit", "1000"}, {"filter", "checksum=" + checksum}};
    const auto open = co_await client_.call_as<methods::Page<model::UploadView>>(
        method_named("upload.list"), std::move(arguments));
    for (const auto& upload : open.items) {
      const bool there = order_.datastore.empty() || order_.datastore == upload.datastore;
      if (there && upload.size == size_ && !upload.task) co_return upload;
    }
    const model::CreateUpload request{name_, size_, checksum, order_.datastore};
    const auto& create = method_named("upload.create");
    auto begin = client::arguments_of(create, request);
    co_return co_await client_.call_as<model::UploadView>(create, std::move(begin));
  }

  Async<Bytes> send(model::UploadId id, Bytes offset, std::size_t most) {
    client::Arguments arguments;
    arguments.path = {{"upload", to_text(id)}};
    arguments.query = {{"offset_bytes", std::to_string(offset.count)}};
    arguments.body = read(offset, most);
    const auto view = co_await client_.call_as<model::UploadView>(method_named("upload.write"),
                                                                  std::move(arguments));
    co_return view.offset;
  }

  Async<Bytes> ask_again(model::UploadId id, Bytes before, const Error& why) {
    if (why.reason() != Reason::wrong_offset) {
      bar_.say("the connection broke; the upload goes on when it is back");
      co_await sleep_for(client_.clock(), kPause);
    }
    client::Arguments arguments;
    arguments.path = {{"upload", to_text(id)}};
    try {
      const auto view = co_await client_.call_as<model::UploadView>(method_named("upload.show"),
                                                                    std::move(arguments));
      co_return view.offset;
    } catch (const Error& error) {
      if (!goes_on(error)) throw;
    }
    co_return before;
  }

  client::ApiClient& client_;
  ProgressBar& bar_;
  UploadOrder order_;
  std::string name_;
  Descriptor file_;
  Bytes size_;
  model::TaskView shown_;
};

}  // namespace

Async<std::string> upload_file(client::ApiClient& client, ProgressBar& bar, UploadOrder order) {
  Sender sender(client, bar, std::move(order));
  co_return co_await sender.run();
}

}  // namespace ruche::cli
