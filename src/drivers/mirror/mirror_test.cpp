#include <gtest/gtest.h>

#include "drivers/mirror/cpio.hpp"
#include "drivers/mirror/demo_guest.hpp"
#include "drivers/mirror/packages.hpp"

namespace ruche::drivers::mirror {
namespace {

using namespace std::string_literals;

TEST(Cpio, WritesWhatTheKernelReads) {
  CpioArchive archive;
  archive.add_directory("dev", 0755);
  archive.add_character_device("dev/console", 0600, 5, 1);
  archive.add_file("hello", 0644, "hi\n");
  archive.add_link("init", "/bin/sh");
  const auto bytes = archive.finish();
  ASSERT_EQ(bytes.size() % 512, 0u);
  const auto expected =
      "07070100000001000041ed0000000000000000000000020000000000000000000000000000000000000000000000"
      "00"
      "0000000400000000dev\0\0\0"
      "07070100000002000021800000000000000000000000010000000000000000000000000000000000000005000000"
      "01"
      "0000000c00000000dev/console\0\0\0"
      "07070100000003000081a40000000000000000000000010000000000000003000000000000000000000000000000"
      "00"
      "0000000600000000hello\0hi\n\0"
      "070701000000040000a1ff0000000000000000000000010000000000000007000000000000000000000000000000"
      "00"
      "0000000500000000init\0\0/bin/sh\0"
      "07070100000000000000000000000000000000000000010000000000000000000000000000000000000000"
      "000000000000000b00000000TRAILER!!!\0"s;
  EXPECT_EQ(bytes.substr(0, expected.size()), expected);
  EXPECT_EQ(bytes.find_first_not_of('\0', expected.size()), std::string::npos);
}

std::string module_with(const std::string& depends) {
  return "\x7f"
         "ELF...\0license=GPL\0depends="s +
         depends + "\0name=x\0"s;
}

TEST(KernelModules, DependenciesComeFirstAndOnce) {
  const std::map<std::string, std::string> files{{"net", module_with("ring,fail-over")},
                                                 {"fail_over", module_with("")},
                                                 {"ring", module_with("ring2")},
                                                 {"ring2", module_with("ring")},
                                                 {"blk", module_with("ring,builtin")}};
  const auto lookup = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = files.find(name);
    if (found == files.end()) return std::nullopt;
    return found->second;
  };
  std::vector<std::string> names;
  for (const auto& module : load_order({"net", "blk", "missing"}, lookup))
    names.push_back(module.name);
  EXPECT_EQ(names, (std::vector<std::string>{"ring2", "ring", "fail_over", "net", "blk"}));
  EXPECT_TRUE(dependencies_of("no such section").empty());
  EXPECT_TRUE(dependencies_of("\0depends="s).empty());
  EXPECT_EQ(dependencies_of("\0depends=a,,b"s), (std::vector<std::string>{"a", "b"}));
}

TEST(DemoGuest, IsReproducibleAndLeavesOutWhatIsBuiltIn) {
  const auto lookup = [](const std::string& name) -> std::optional<std::string> {
    if (name == "virtio_net") return module_with("");
    return std::nullopt;
  };
  const auto first = make_demo_initramfs("busybox", lookup);
  EXPECT_EQ(first, make_demo_initramfs("busybox", lookup));
  EXPECT_NE(first.find("lib/virtio_net.ko"), std::string::npos);
  EXPECT_EQ(first.find("lib/virtio_blk.ko"), std::string::npos);
  EXPECT_NE(first.find("0x1041 virtio_net\n0x1000 virtio_net\n"), std::string::npos);
}

TEST(Packages, RecordsOfAptAreRead) {
  const auto record = parse_package_record(
      "Package: linux-image-cloud-amd64\nVersion: 6.1.192-2\nDepends: foo | bar, "
      "linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\nDescription: x\n more\n\nPackage: other\n");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->name, "linux-image-cloud-amd64");
  EXPECT_EQ(record->version, "6.1.192-2");
  EXPECT_EQ(record->depends, (std::vector<std::string>{"foo", "linux-image-6.1.0-56-cloud-amd64"}));
  EXPECT_FALSE(parse_package_record(""));
  EXPECT_FALSE(parse_package_record("Package: x\n"));
  EXPECT_EQ((Package{"busybox-static", "1:1.35.0-4", "amd64", {}}).file_name(),
            "busybox-static_1%3a1.35.0-4_amd64.deb");
}

TEST(Packages, PlacesOfFilesAreRead) {
  const auto download =
      parse_download("'http://m/pool/x_1%2b1_amd64.deb' x_1+1_amd64.deb 928 SHA256:3d\n");
  ASSERT_TRUE(download);
  EXPECT_EQ(download->uri, "http://m/pool/x_1%2b1_amd64.deb");
  EXPECT_EQ(download->hash, "SHA256:3d");
  EXPECT_EQ(parse_download("'file:/m/x.deb' x.deb 9 SHA256:3d")->uri, "copy:/m/x.deb");
  EXPECT_FALSE(parse_download("'http://m/x.deb' x.deb 9 MD5Sum:3d"));
  EXPECT_FALSE(parse_download("'http://m/x.deb"));
  EXPECT_FALSE(parse_download("E: no such package"));
  EXPECT_FALSE(parse_download(""));
}

TEST(Packages, NamesFromListsAreNotBelievedBlindly) {
  EXPECT_FALSE(parse_package_record("Package: ../x\nVersion: 1\n"));
  EXPECT_FALSE(parse_package_record("Package: -oDir=/\nVersion: 1\n"));
  EXPECT_FALSE(parse_package_record("Package: x\nVersion: 1/2\n"));
  EXPECT_FALSE(parse_package_record("Package: x\nVersion: 1\nArchitecture: a/b\n"));
}

}  // namespace
}  // namespace ruche::drivers::mirror
