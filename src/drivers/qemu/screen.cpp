#include "drivers/qemu/screen.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ruche::drivers::qemu {

namespace {

constexpr std::size_t kPiece = 64 << 10;
// A picture of the largest screen of a VGA adapter of 16 MiB is smaller whatever is on it, and one
// of 3840 × 2160 of a virtio GPU.
constexpr std::int64_t kLargestPicture = 32 << 20;
constexpr Duration kPictureLimit{10'000};

[[noreturn]] void fail(const char* what) {
  throw Error(Reason::io_failed, fmt::format("{}: {}", what, std::strerror(errno)));
}

class Session : public ports::ScreenSession {
 public:
  explicit Session(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}

  Async<std::string> read() override {
    std::string piece(kPiece, '\0');
    std::size_t got = 0;
    try {
      got = co_await stream_->read_some({piece.data(), piece.size()});
    } catch (const Error& error) {
      if (error.reason() != Reason::peer_gone) throw;
    }
    piece.resize(got);
    co_return piece;
  }
  Async<void> write(std::string data) override { co_await stream_->write_all(data); }

 private:
  std::unique_ptr<net::Stream> stream_;
};

struct Memory {
  Descriptor ours;  // for reading
  Descriptor theirs;  // for QEMU, which opens it anew for writing
};

Memory make_memory() {
  Memory memory;
  memory.ours = Descriptor(::memfd_create("screenshot", MFD_CLOEXEC));
  if (!memory.ours.open()) fail("cannot make room for a picture");
  // Whoever has the descriptor may open it again, also another user.
  if (::fchmod(memory.ours.get(), 0666) != 0) fail("cannot make room for a picture");
  memory.theirs = Descriptor(::fcntl(memory.ours.get(), F_DUPFD_CLOEXEC, 3));
  if (!memory.theirs.open()) fail("cannot make room for a picture");
  return memory;
}

std::string read_memory(int file) {
  struct stat info{};
  if (::fstat(file, &info) != 0) fail("cannot look at the picture");
  if (info.st_size > kLargestPicture) {
    throw Error(Reason::hypervisor_failed, "QEMU's picture of the screen is too large to be one");
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  const auto got = ::pread(file, bytes.data(), bytes.size(), 0);
  if (got < 0) fail("cannot read the picture");
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

std::int64_t number_member(const json::Value& value, std::string_view name) {
  const auto* found = as_object(value).if_contains(name);
  if (found == nullptr || !found->is_int64() || found->get_int64() < 0) {
    throw Error(Reason::hypervisor_failed, fmt::format("QEMU's answer lacks {}", name));
  }
  return found->get_int64();
}

// Whatever became of the command: the descriptor does not stay with QEMU.
Async<void> take_back(std::shared_ptr<QmpSession> qmp, std::string command,
                      json::Object arguments) {
  try {
    co_await qmp->execute(std::move(command), std::move(arguments));
  } catch (const Error&) {
    // A monitor that is gone took the descriptor with it.
  }
}

}  // namespace

bool is_png(std::string_view bytes) {
  using namespace std::string_view_literals;
  constexpr auto kSignature = "\x89PNG\r\n\x1a\n"sv;
  constexpr auto kEnd = "\0\0\0\0IEND\xae\x42\x60\x82"sv;
  return bytes.starts_with(kSignature) && bytes.ends_with(kEnd);
}

Async<std::unique_ptr<ports::ScreenSession>> QemuScreens::open() {
  const auto core = core_;
  const auto qmp = core->qmp_session();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("cannot open a socket");
  Descriptor ours(ends[0]);
  const Descriptor theirs(ends[1]);
  const auto name = core->next_name("viewer");
  co_await qmp->execute_with("getfd", {{"fdname", name}}, {theirs.get()});
  std::optional<Error> failure;
  try {
    json::Object client{{"protocol", "vnc"}, {"fdname", name}, {"skipauth", true}};
    co_await qmp->execute("add_client", std::move(client));
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    co_await take_back(qmp, "closefd", {{"fdname", name}});
    throw std::move(*failure);
  }
  const int socket = ours.release();
  co_return std::make_unique<Session>(net::adopt_socket(co_await current_executor(), socket));
}

Async<std::string> QemuScreens::screenshot() {
  const auto core = core_;
  const auto qmp = core->qmp_session();
  const auto memory = make_memory();
  const auto added =
      co_await qmp->execute_with("add-fd", {{"opaque", "screenshot"}}, {memory.theirs.get()});
  const auto set = number_member(added, "fdset-id");
  const auto number = number_member(added, "fd");
  std::exception_ptr failure;
  try {
    // Not through /dev/fdset: QEMU would remember each use of it for ever.
    json::Object dump{{"filename", fmt::format("/proc/self/fd/{}", number)}, {"format", "png"}};
    co_await qmp->execute("screendump", std::move(dump), kPictureLimit);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  co_await uninterrupted(take_back(qmp, "remove-fd", {{"fdset-id", set}}));
  if (failure) std::rethrow_exception(failure);
  auto bytes = read_memory(memory.ours.get());
  if (!is_png(bytes)) {
    throw Error(Reason::hypervisor_failed, "what QEMU wrote of the screen is no picture");
  }
  co_return bytes;
}

}  // namespace ruche::drivers::qemu
