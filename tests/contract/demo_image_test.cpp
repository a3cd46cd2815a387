// The demo image, built from this machine's package mirror and booted for real. Skipped where there
// is no mirror.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "contract/dir_fixture.hpp"
#include "drivers/mirror/mirror_builder.hpp"

namespace ruche::contract {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// QEMU with the image, its serial line in a file and its monitor on a socket.
class BootedGuest {
 public:
  BootedGuest(const ports::BuiltImage& image, std::string directory) : directory_(directory) {
    serial_ = directory + "/serial";
    std::filesystem::remove(serial_);
    const auto drive = "if=none,id=d,format=raw,file=" + image.disk_path;
    const auto serial = "file:" + serial_;
    const auto monitor = "unix:" + directory + "/qmp,server=on,wait=off";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl("/usr/bin/qemu-system-x86_64", "qemu", "-accel", "tcg", "-M", "q35", "-m", "256",
              "-cpu", "Nehalem", "-nodefaults", "-display", "none", "-kernel",
              image.kernel_path.c_str(), "-initrd", image.initrd_path.c_str(), "-append",
              (image.command_line + " ruche.name=web1").c_str(), "-drive", drive.c_str(), "-device",
              "virtio-blk-pci,drive=d", "-netdev", "user,id=n", "-device",
              "virtio-net-pci,netdev=n", "-serial", serial.c_str(), "-qmp", monitor.c_str(),
              static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  ~BootedGuest() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  BootedGuest(const BootedGuest&) = delete;
  BootedGuest& operator=(const BootedGuest&) = delete;

  bool says(const std::string& words, std::chrono::seconds limit = std::chrono::seconds(60)) {
    return eventually(limit, [&] { return file_text(serial_).find(words) != std::string::npos; });
  }
  std::string all() const { return file_text(serial_); }
  void press_power_button() {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory_ + "/qmp").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string commands =
        "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_powerdown\"}\n";
    ASSERT_EQ(::send(socket, commands.data(), commands.size(), 0),
              static_cast<ssize_t>(commands.size()));
    monitor_ = socket;  // QEMU reads on as long as it is open
  }
  bool ends(std::chrono::seconds limit = std::chrono::seconds(60)) {
    const bool ended = eventually(limit, [&] { return ::waitpid(pid_, nullptr, WNOHANG) == pid_; });
    if (ended) pid_ = 0;
    if (monitor_ >= 0) ::close(monitor_);
    return ended;
  }

 private:
  static bool eventually(std::chrono::seconds limit, const std::function<bool()>& holds) {
    for (int i = 0; i < limit.count() * 50; ++i) {
      if (holds()) return true;
      const timespec pause{0, 20'000'000};
      ::nanosleep(&pause, nullptr);
    }
    return holds();
  }

  std::string directory_;
  std::string serial_;
  pid_t pid_ = 0;
  int monitor_ = -1;
};

TEST(DemoImage, BuildsFromTheMirrorBootsTalksAndPowersOff) {
  DirPlace place;
  DirDaemon daemon(place);
  drivers::mirror::MirrorBuilder builder(
      *daemon.processes, daemon.loop.clock(),
      {place.options.helper_user, place.options.helper_group, {}});
  std::vector<std::string> said;
  const auto build = [&](const std::string& name) {
    return run_now(daemon.loop, builder.build("demo", place.path(name),
                                              [&](std::string line) { said.push_back(line); }));
  };
  ports::BuiltImage image;
  try {
    image = build("first");
  } catch (const Error& error) {
    if (::getenv("RUCHE_REQUIRE_MIRROR") != nullptr) throw;
    GTEST_SKIP() << "no package mirror: " << error.full_message();
  }
  const auto lines = said.size();
  EXPECT_GT(lines, 1u);
  const auto again = build("second");
  EXPECT_EQ(said.size(), lines + 1) << "everything was there already";
  EXPECT_EQ(file_text(image.initrd_path), file_text(again.initrd_path));
  EXPECT_EQ(again.source, image.source);

  const std::string kBoots[] = {"boot 1 of disk /dev/vda", "boot 2 of disk /dev/vda"};
  for (const auto& boot : kBoots) {
    BootedGuest guest(image, place.directory);
    ASSERT_TRUE(guest.says("ruche-demo ready: web1")) << guest.all();
    ASSERT_TRUE(guest.says("ruche-demo tick 2")) << guest.all();
    ASSERT_TRUE(guest.says("ruche-demo address 10.0.2.15 on eth0")) << guest.all();
    ASSERT_TRUE(guest.says(boot)) << guest.all();
    guest.press_power_button();
    ASSERT_TRUE(guest.ends()) << guest.all();
    EXPECT_NE(guest.all().find("going down: poweroff"), std::string::npos) << guest.all();
  }
  daemon.loop.run(builder.clean(place.path("first")));
  daemon.loop.run(builder.clean(place.path("first")));
  EXPECT_FALSE(std::filesystem::exists(place.path("first")));
}

// The whole build is shown by tests/system/test_debian.py.
TEST(DebianImage, NeedsRootAndSaysSo) {
  DirPlace place;
  DirDaemon daemon(place);
  drivers::mirror::MirrorBuilder builder(*daemon.processes, daemon.loop.clock(), {});
  try {
    run_now(daemon.loop, builder.build("debian", place.path("x"), {}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::host_cannot);
    EXPECT_EQ(error.field(), "/recipe");
    EXPECT_FALSE(error.remedy_text().empty());
  }
  EXPECT_FALSE(std::filesystem::exists(place.path("x")));
}

TEST(DemoImage, AnUnknownRecipeIsNamed) {
  DirPlace place;
  DirDaemon daemon(place);
  drivers::mirror::MirrorBuilder builder(*daemon.processes, daemon.loop.clock(), {});
  try {
    run_now(daemon.loop, builder.build("windows", place.path("x"), {}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.reason(), Reason::no_such_object);
    EXPECT_EQ(error.field(), "/recipe");
  }
}

}  // namespace
}  // namespace ruche::contract
