// Datastores of kind dir under the contract of volumes, with real files and tools.
#include "contract/dir_fixture.hpp"
#include "contract/volume_suite.hpp"

namespace ruche::contract {
namespace {

class DirHarness : public VolumeHarness {
 public:
  DirHarness() { DirHarness::restart(); }

  ports::VolumeDriver& driver() override { return *daemon_->driver; }
  void run(Async<void> work) override { daemon_->loop.run(std::move(work)); }
  void restart() override { daemon_ = std::make_unique<DirDaemon>(place_); }
  std::unique_ptr<ports::VolumeDriver> other_datastore() override {
    auto other = place_.datastore;
    other.id.value.bytes[15] ^= 1;
    return daemon_->drivers.open(other);
  }
  void put_foreign_file() override {
    std::filesystem::create_directories(place_.datastore.path);
    std::ofstream(place_.datastore.path + "/precious.txt") << "not ours\n";
  }
  void unmount() override {
    std::filesystem::rename(place_.datastore.path, place_.path("elsewhere"));
    std::filesystem::create_directory(place_.datastore.path);
  }
  void mount() override {
    std::filesystem::remove(place_.datastore.path);  // fails unless it stayed empty
    std::filesystem::rename(place_.path("elsewhere"), place_.datastore.path);
  }
  void fill() override {
    place_.options.reserve = gib(1 << 20);
    restart();
  }
  void drain() override {
    place_.options.reserve = mib(1);
    restart();
  }
  void leave_partial(const ports::VolumeRef& volume) override {
    const auto path = driver().file(volume).path;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path + ".partial") << "half";
    std::filesystem::create_directories(path + ".import");
    std::ofstream(path + ".import/source") << "half";
  }
  // QEMU's own lock: a shared one on byte 100 + 1, "I write".
  void hold(const ports::VolumeRef& volume) override {
    held_ = ::open(driver().file(volume).path.c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock{};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 101;
    lock.l_len = 1;
    ASSERT_EQ(::fcntl(held_, F_OFD_SETLK, &lock), 0);
  }
  void let_go(const ports::VolumeRef&) override { ::close(held_); }
  std::string qcow2_source() override {
    const auto path = place_.path("source.qcow2");
    shell("qemu-img create -q -f qcow2 " + path + " 64M && qemu-io -c 'write -P 7 1M 2M' " + path);
    return path;
  }
  std::string raw_source() override {
    const auto path = place_.path("source.raw");
    shell("qemu-img create -q -f raw " + path + " 64M && qemu-io -f raw -c 'write -P 7 1M 2M' " +
          path);
    return path;
  }
  std::string refused_source() override {
    const auto path = place_.path("refused.qcow2");
    shell("qemu-img create -q -f qcow2 -u -b /etc/shadow -F raw " + path + " 64M");
    return path;
  }
  std::string kernel_source() override {
    const auto path = place_.path("vmlinuz");
    shell("head -c 1048576 /dev/urandom > " + path);
    return path;
  }
  // A checksum is part of an imported volume.
  std::size_t files() override {
    auto found = files_in(place_.datastore.path);
    std::erase_if(found, [](const std::string& name) { return name.ends_with(".checksum"); });
    return found.size();
  }

 private:
  DirPlace place_;
  std::unique_ptr<DirDaemon> daemon_;
  int held_ = -1;
};

}  // namespace

std::unique_ptr<VolumeHarness> make_volume_harness() { return std::make_unique<DirHarness>(); }

}  // namespace ruche::contract
