#include "net/stream.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "base/stepped_loop.hpp"

namespace ruche::net {
namespace {

class Streams : public testing::Test {
 protected:
  Streams() {
    std::string pattern = testing::TempDir() + "ruche-stream-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~Streams() override { std::filesystem::remove_all(directory_); }

  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      found.push_back(entry.path().filename());
    }
    return found;
  }
  std::unique_ptr<Listener> listen(const std::string& where) {
    UnixListenOptions options;
    options.path = where;
    return listen_unix(loop_.executor(), options);
  }

  SteppedLoop loop_;
  std::string directory_;
};

Async<std::string> read_all(Stream& stream) {
  std::string all;
  while (true) {
    std::array<char, 4096> piece;
    const std::size_t count = co_await stream.read_some(piece);
    if (count == 0) co_return all;
    all.append(piece.data(), count);
  }
}

template <class F>
Reason failure_of(F work) {
  try {
    work();
  } catch (const Error& error) {
    return error.reason();
  }
  return Reason::internal_error;
}

TEST_F(Streams, UnixSocketsCarryBytesAndCredentials) {
  const auto listener = listen(path("s"));
  EXPECT_EQ(listener->address(), "unix:" + path("s"));
  struct stat found{};
  ASSERT_EQ(::stat(path("s").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0660U);

  const auto client = run_now(loop_, connect_unix(path("s")));
  const auto server = run_now(loop_, listener->accept());
  ASSERT_TRUE(server->peer().credentials);
  EXPECT_EQ(server->peer().credentials->uid, ::getuid());
  EXPECT_EQ(server->peer().credentials->pid, ::getpid());
  EXPECT_EQ(server->peer().address, "unix");

  loop_.run(client->write_all("hello ", "world"));
  client->shutdown_write();
  EXPECT_EQ(run_now(loop_, read_all(*server)), "hello world");
  loop_.run(server->write_all("back"));
  server->close();
  EXPECT_EQ(run_now(loop_, read_all(*client)), "back");
}

TEST_F(Streams, TcpCarriesBytes) {
  TcpListenOptions options;
  const auto listener = listen_tcp(loop_.executor(), options);
  const std::string address = listener->address();
  ASSERT_TRUE(address.starts_with("tcp:127.0.0.1:")) << address;
  TcpAddress where{"127.0.0.1", 0};
  where.port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));

  const auto client = run_now(loop_, connect_tcp(where));
  const auto server = run_now(loop_, listener->accept());
  EXPECT_TRUE(server->peer().address.starts_with("127.0.0.1:"));
  EXPECT_FALSE(server->peer().credentials);
  loop_.run(client->write_all("hello"));
  client->close();
  EXPECT_EQ(run_now(loop_, read_all(*server)), "hello");

  TcpListenOptions taken;
  taken.port = where.port;
  EXPECT_EQ(failure_of([&] { listen_tcp(loop_.executor(), taken); }), Reason::already_listening);
  listener->close();
  EXPECT_EQ(failure_of([&] { run_now(loop_, connect_tcp(where)); }), Reason::host_unavailable);
}

TEST_F(Streams, TheSocketLeavesNothingBehind) {
  {
    const auto listener = listen(path("s"));
    EXPECT_EQ(names().size(), 2U);  // with its lock
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(Streams, ASecondInstanceIsRefused) {
  const auto listener = listen(path("s"));
  EXPECT_EQ(failure_of([&] { listen(path("s")); }), Reason::already_listening);
  EXPECT_EQ(names().size(), 2U);
  const auto client = run_now(loop_, connect_unix(path("s")));  // the first one still works
  EXPECT_TRUE(client->idle());
}

TEST_F(Streams, AForeignLiveServerIsRefusedAndADeadOneReplaced) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("s").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int foreign = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(foreign, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(foreign, 4), 0);
  EXPECT_EQ(failure_of([&] { listen(path("s")); }), Reason::already_listening);
  ::close(foreign);  // as after kill -9: the path stays
  const auto listener = listen(path("s"));
  EXPECT_NO_THROW(run_now(loop_, connect_unix(path("s"))));
}

TEST_F(Streams, OtherFilesAreNeverReplaced) {
  ::close(::open(path("file").c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(failure_of([&] { listen(path("file")); }), Reason::io_failed);
  EXPECT_EQ(names().size(), 1U);
  EXPECT_EQ(failure_of([&] { listen(path(std::string(200, 'x'))); }), Reason::bad_format);
  EXPECT_EQ(failure_of([&] { run_now(loop_, connect_unix(path("absent"))); }),
            Reason::host_unavailable);
}

TEST_F(Streams, AReadCanBeCancelledWithoutLoss) {
  auto [one, two] = stream_pair(loop_.executor());
  const auto read = [](Stream& stream) -> Async<std::string> {
    std::array<char, 16> piece;
    const std::size_t count = co_await stream.read_some(piece);
    co_return std::string(piece.data(), count);
  };
  auto limited = with_deadline(loop_.clock(), Duration(100), "reading", read(*one));
  EXPECT_EQ(failure_of([&] { run_now(loop_, std::move(limited)); }), Reason::deadline);
  loop_.run(two->write_all("late"));
  EXPECT_EQ(run_now(loop_, read(*one)), "late");
}

TEST_F(Streams, CloseEndsWaiters) {
  auto [one, two] = stream_pair(loop_.executor());
  Scope scope(loop_.executor());
  std::optional<Reason> seen;
  scope.spawn("reader", [](Stream& stream, std::optional<Reason>& reason) -> Async<void> {
    try {
      co_await read_all(stream);
    } catch (const Error& error) {
      reason = error.reason();
    }
  }(*one, seen));
  loop_.run_ready();
  one->close();
  loop_.run(scope.join());
  EXPECT_EQ(seen, Reason::peer_gone);
  EXPECT_EQ(failure_of([&] { run_now(loop_, read_all(*one)); }), Reason::peer_gone);
  EXPECT_FALSE(two->idle());
}

TEST_F(Streams, TheEndStaysTheEnd) {
  auto [one, two] = stream_pair(loop_.executor());
  two->shutdown_write();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run_now(loop_, read_all(*one)), "");
  two->close();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run_now(loop_, read_all(*one)), "");
}

TEST_F(Streams, HalfCloseIsNoHangUp) {
  auto [one, two] = stream_pair(loop_.executor());
  two->shutdown_write();
  EXPECT_EQ(run_now(loop_, read_all(*one)), "");
  Scope scope(loop_.executor());
  scope.spawn("watch", one->wait_hang_up());
  loop_.run_ready();
  EXPECT_EQ(scope.running(), 1U);
  two->close();
  loop_.run(scope.join());
  loop_.run(one->wait_hang_up());  // and at once, when it has already happened
}

TEST_F(Streams, DescriptorsTravel) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const auto stream = adopt_socket(loop_.executor(), ends[0]);
  const int sent = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  loop_.run(stream->write_with_descriptors("add-fd", std::span(&sent, 1)));
  ::close(sent);

  std::array<char, 16> bytes{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec piece{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  EXPECT_EQ(::recvmsg(ends[1], &message, 0), 6);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  ASSERT_NE(header, nullptr);
  EXPECT_EQ(header->cmsg_type, SCM_RIGHTS);
  int received = -1;
  std::memcpy(&received, CMSG_DATA(header), sizeof(received));
  EXPECT_GE(::fcntl(received, F_GETFD), 0);
  ::close(received);
  ::close(ends[1]);
}

TEST_F(Streams, LinesComeWhole) {
  auto [one, two] = stream_pair(loop_.executor());
  LineReader lines(*one, 20);
  loop_.run(two->write_all("first\r\n\nthi"));
  EXPECT_EQ(run_now(loop_, lines.next()), "first");
  EXPECT_EQ(run_now(loop_, lines.next()), "");
  auto waiting = with_deadline(loop_.clock(), Duration(10), "a line", lines.next());
  EXPECT_EQ(failure_of([&] { run_now(loop_, std::move(waiting)); }), Reason::deadline);
  loop_.run(two->write_all("rd\n12345678901234567890\n"));
  EXPECT_EQ(run_now(loop_, lines.next()), "third");
  EXPECT_EQ(run_now(loop_, lines.next()), "12345678901234567890");
  two->close();
  EXPECT_EQ(run_now(loop_, lines.next()), std::nullopt);
}

TEST_F(Streams, LinesAreBounded) {
  auto [one, two] = stream_pair(loop_.executor());
  LineReader lines(*one, 20);
  loop_.run(two->write_all("123456789012345678901"));
  EXPECT_EQ(failure_of([&] { run_now(loop_, lines.next()); }), Reason::protocol_violation);

  auto [three, four] = stream_pair(loop_.executor());
  LineReader cut(*three, 20);
  loop_.run(four->write_all("half"));
  four->close();
  EXPECT_EQ(failure_of([&] { run_now(loop_, cut.next()); }), Reason::peer_gone);
}

}  // namespace
}  // namespace ruche::net
