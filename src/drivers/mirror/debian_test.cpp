#include <gtest/gtest.h>

#include "drivers/mirror/apt_sources.hpp"
#include "drivers/mirror/debian_guest.hpp"

namespace ruche::drivers::mirror {
namespace {

TEST(AptSources, KeepsTheReleaseAndNothingElse) {
  const std::vector<AptFile> files{
      {"/etc/apt/sources.list",
       "# a comment\n"
       "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
       "http://mirror.example/debian bookworm main contrib # here\n"
       "deb-src http://mirror.example/debian bookworm main\n"
       "deb cdrom:[Debian 12]/ bookworm main\n"
       "deb http://mirror.example/debian bookworm-backports main\n"
       "deb http://mirror.example/debian trixie main\n"},
      {"/etc/apt/sources.list.d/security.sources",
       "Types: deb deb-src\r\nURIs: http://mirror.example/security\r\n"
       "Suites: bookworm-security\r\nComponents: main non-free\r\n"},
      {"/etc/apt/sources.list.d/other.list",
       "deb [signed-by=/usr/share/keyrings/other.gpg] https://other.example bookworm main\n"},
      {"/etc/apt/sources.list.d/off.sources",
       "Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n"},
  };
  EXPECT_EQ(debian_sources(files, "bookworm"),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
            "Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n"
            "Components: main\n\n");
  EXPECT_EQ(debian_sources(files, "sid"), "");
}

TEST(AptSources, KeepsKeysThatStandInTheFile) {
  const std::vector<AptFile> files{
      {"debian.sources",
       "Types: deb\nURIs: file:///srv/mirror copy:/srv/other\nSuites: trixie trixie-updates\n"
       "Components: main\nTrusted: yes\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"
       " debian\n -----END PGP PUBLIC KEY BLOCK-----\n\n\n# more\n"}};
  const auto sources = debian_sources(files, "trixie");
  EXPECT_EQ(sources,
            "Types: deb\nURIs: file:///srv/mirror copy:/srv/other\nSuites: trixie trixie-updates\n"
            "Components: main\nSigned-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n debian\n"
            " -----END PGP PUBLIC KEY BLOCK-----\nTrusted: yes\n\n");
  EXPECT_EQ(local_mirrors(sources), (std::vector<std::string>{"/srv/mirror", "/srv/other"}));
}

TEST(AptSources, TakesAnotherKeyWhenThereIsNoDebianOne) {
  const std::vector<AptFile> files{
      {"inner.list", "deb [signed-by=/etc/apt/keyrings/inner.gpg] http://inner bookworm main\n"}};
  EXPECT_NE(debian_sources(files, "bookworm").find("URIs: http://inner\n"), std::string::npos);
}

std::uint64_t number_at(const std::string& bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = width; i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + i - 1]);
  }
  return value;
}

// What sfdisk and the firmware look at; that they accept it is shown by a guest that boots.
TEST(DebianDisk, HasATableAtBothEnds) {
  const auto table = make_debian_table();
  ASSERT_EQ(table.head.size(), 34u * 512);
  ASSERT_EQ(table.tail.size(), 33u * 512);
  EXPECT_EQ(number_at(table.head, 510, 2), 0xaa55u);
  EXPECT_EQ(table.head.substr(512, 8), "EFI PART");
  EXPECT_EQ(table.tail.substr(table.tail.size() - 512, 8), "EFI PART");
  EXPECT_EQ(table.head.substr(1024), table.tail.substr(0, 32 * 512));
  const auto sectors = static_cast<std::uint64_t>(kDebianDisk.count / kSector);
  EXPECT_EQ(number_at(table.head, 512 + 32, 8), sectors - 1);
  // The root partition is the last, ends before the second table and begins on a MiB.
  const auto first = number_at(table.head, 1024 + 2 * 128 + 32, 8);
  const auto last = number_at(table.head, 1024 + 2 * 128 + 40, 8);
  EXPECT_EQ(first % 2048, 0u);
  EXPECT_LT(last, sectors - 33);
  EXPECT_EQ(number_at(table.head, 1024 + 3 * 128, 8), 0u);
}

TEST(DebianBuild, SaysHowFarItIs) {
  EXPECT_EQ(debian_progress("", 3), "Starting");
  std::string log = "==> Fetching and unpacking packages\nGet:1 http://x y\n";
  EXPECT_EQ(debian_progress(log, 3), "Fetching and unpacking packages");
  log += "Unpacking a (1) ...\nUnpacking b (1) ...\n";
  EXPECT_EQ(debian_progress(log, 3), "Unpacking packages (2 of 3)");
  log += "Setting up a (1) ...\n";
  EXPECT_EQ(debian_progress(log, 3), "Setting up packages (1 of 3)");
  log += "==> Compressing\x1b the image\n";
  EXPECT_EQ(debian_progress(log, 3), "Compressing? the image");
}

TEST(DebianBuild, SaysWhyItFailed) {
  EXPECT_EQ(debian_failure(""), "it printed nothing");
  EXPECT_EQ(debian_failure("one\nlast words\n\n"), "last words");
  EXPECT_EQ(debian_failure("E: Unable to locate package x\nrest\nE: mmdebstrap failed\n"),
            "E: Unable to locate package x; E: mmdebstrap failed");
}

TEST(DebianBuild, ReadsWhatAptWouldInstall) {
  EXPECT_EQ(parse_simulation("Reading package lists...\nInst b (2:1-1 Debian:12.1/oldstable "
                             "[amd64])\nInst a [1] (1.0~rc1 Debian [all])\nConf a (1.0)\nInst x"),
            (std::vector<std::string>{"a 1.0~rc1", "b 2:1-1"}));
}

TEST(DebianBuild, TheScriptNamesEveryPlace) {
  const auto script = debian_script();
  for (const char* name : {"GRUB_FIRST", "GRUB_COUNT", "SYSTEM_", "ROOT_FIRST", "ROOT_COUNT"}) {
    EXPECT_EQ(script.find(name), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace ruche::drivers::mirror
