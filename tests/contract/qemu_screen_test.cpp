// A guest's screen, as the confined QEMU of a guest user shows it: viewers that are handed in, and
// pictures that leave nothing behind.
#include <gtest/gtest.h>

#include "contract/hypervisor_suite.hpp"
#include "contract/qemu_host.hpp"
#include "drivers/qemu/screen.hpp"

namespace ruche::contract {
namespace {

using namespace std::string_literals;

ports::MachineSpec with_screen(QemuHost& host) {
  auto spec = host.machine();
  spec.spec.display = model::DisplayKind::vga;
  return spec;
}

// Reads exactly so much.
class Reader {
 public:
  explicit Reader(ports::ScreenSession& session) : session_(session) {}
  Async<std::string> read(std::size_t size) {
    while (bytes_.size() < size) {
      const auto more = co_await session_.read();
      if (more.empty()) throw Error(Reason::peer_gone, "the screen ended");
      bytes_ += more;
    }
    auto out = bytes_.substr(0, size);
    bytes_.erase(0, size);
    co_return out;
  }

 private:
  ports::ScreenSession& session_;
  std::string bytes_;
};

// RFC 6143, 7.1 and 7.3: no authentication, the size of the screen (the firmware may change it at
// any moment).
Async<std::string> shake_hands(ports::ScreenSession& session) {
  Reader reader(session);
  const auto version = co_await reader.read(12);
  EXPECT_EQ(version, "RFB 003.008\n");
  co_await session.write(version);
  const auto kinds = co_await reader.read(2);
  EXPECT_EQ(kinds, "\1\1"s);
  co_await session.write("\1");
  const auto result = co_await reader.read(4);
  EXPECT_EQ(result, "\0\0\0\0"s);
  co_await session.write("\1");
  const auto init = co_await reader.read(24);
  co_return init.substr(0, 4);
}

Async<void> expect_a_screen(ports::ScreenSession& session) {
  const auto size = co_await shake_hands(session);
  EXPECT_NE(size.substr(0, 2), "\0\0"s);
  EXPECT_NE(size.substr(2, 2), "\0\0"s);
}

TEST(Screens, are_there_exactly_for_guests_with_a_display) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto blind = here.machine();
    const auto without = co_await launch_running(here, blind);
    EXPECT_EQ(without->screens(), nullptr);
    const auto seeing = with_screen(here);
    const auto with = co_await launch_running(here, seeing);
    EXPECT_NE(with->screens(), nullptr);
  });
}

TEST(Screens, serve_viewers_side_by_side_and_after_a_new_daemon) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_screen(here);
    std::unique_ptr<ports::Machine> machine = co_await launch_running(here, spec);
    const auto first = co_await machine->screens()->open();
    co_await expect_a_screen(*first);
    const auto second = co_await machine->screens()->open();
    co_await expect_a_screen(*second);
    machine.reset();
    co_await here.restart();
    machine = co_await here.engine().adopt(spec.guest);
    EXPECT_NE(machine, nullptr);
    if (!machine || machine->screens() == nullptr) co_return;
    const auto third = co_await machine->screens()->open();
    co_await expect_a_screen(*third);
    co_await machine->power(ports::PowerAction::kill);
    std::string rest = co_await third->read();
    while (!rest.empty()) rest = co_await third->read();
  });
}

TEST(Screens, give_pictures_of_running_and_paused_guests) {
  QemuHost host;
  host.run([](QemuHost& here) -> Async<void> {
    const auto spec = with_screen(here);
    const auto machine = co_await launch_running(here, spec);
    const auto running = co_await machine->screens()->screenshot();
    EXPECT_TRUE(drivers::qemu::is_png(running));
    co_await machine->power(ports::PowerAction::pause);
    const auto paused = co_await machine->screens()->screenshot();
    EXPECT_TRUE(drivers::qemu::is_png(paused));
  });
}

TEST(Screens, believe_no_bytes_to_be_a_picture) {
  using drivers::qemu::is_png;
  EXPECT_FALSE(is_png(""));
  EXPECT_FALSE(is_png("\x89PNG\r\n\x1a\n"s));
  EXPECT_TRUE(is_png("\x89PNG\r\n\x1a\nanything\0\0\0\0IEND\xae\x42\x60\x82"s));
}

}  // namespace
}  // namespace ruche::contract
