#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "model/image_format/foreign_images_test.hpp"
#include "model/image_format/vmdk_descriptor.hpp"

namespace ruche::model::image_format::test {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kFar = std::uint64_t{1} << 40;

std::string verdict_of(const ForeignImage& image, Rules rules = {}) {
  const auto verdict = judge(image.sample(), rules);
  if (!verdict) {
    EXPECT_FALSE(verdict.error().remedy_text().empty()) << verdict.error().message();
    return verdict.error().message();
  }
  return fmt::format("{} {}", enum_name(verdict->format), verdict->virtual_size.count);
}

TEST(ForeignFormats, SoundImagesAreRead) {
  EXPECT_EQ(verdict_of(fixed_vhd()), "vhd 65536");
  EXPECT_EQ(verdict_of(dynamic_vhd()), "vhd 4194304");
  EXPECT_EQ(verdict_of(vdi()), "vdi 3145728");
  EXPECT_EQ(verdict_of(vmdk()), "vmdk 8388608");
  EXPECT_EQ(verdict_of(stream_vmdk()), "vmdk 8388608");
  EXPECT_EQ(verdict_of(vhdx()), "vhdx 3145728");
  EXPECT_EQ(verdict_of(iso()), "iso 65536");
  EXPECT_EQ(verdict_of(udf()), "iso 524800");
  EXPECT_TRUE(judge(iso().sample(), {})->bootable);
  EXPECT_FALSE(judge(udf().sample(), {})->bootable);
}

TEST(ForeignFormats, TheDeclaredFormatIsTheirs) {
  EXPECT_EQ(verdict_of(vdi(), {.declared = ImageFormat::vdi}), "vdi 3145728");
  EXPECT_EQ(verdict_of(vdi(), {.declared = ImageFormat::vhdx}),
            "the image is declared VHDX but its contents are VDI");
  EXPECT_EQ(verdict_of(iso(), {.declared = ImageFormat::raw}),
            "the image is declared raw but its contents are ISO 9660 or UDF");
  EXPECT_EQ(verdict_of(ForeignImage(4096), {.declared = ImageFormat::iso}),
            "the image is declared ISO 9660 or UDF but its contents are not");
}

TEST(ForeignFormats, TwoFormatsAtOnceAreRefused) {
  auto image = fixed_vhd();
  image.text(0, "QFI\xfb\0\0\0\3"sv);
  EXPECT_EQ(verdict_of(image), "the file could be read as qcow2 and as VHD");
  image = fixed_vhd();
  image.text(0x8001, "CD001");
  EXPECT_EQ(verdict_of(image), "the file could be read as VHD and as ISO 9660 or UDF");
}

TEST(ForeignFormats, LargerThanTheLimitIsRefused) {
  for (const auto& image :
       {fixed_vhd(), dynamic_vhd(), vdi(), vmdk(), stream_vmdk(), vhdx(), iso(), udf()}) {
    EXPECT_NE(verdict_of(image, {.size_limit = Bytes{1024}}).find("larger than 1 KiB"),
              std::string::npos);
  }
}

TEST(ForeignFormats, EveryCutIsRefused) {
  for (const auto& whole : {dynamic_vhd(), vdi(), vmdk(), stream_vmdk(), vhdx(), iso(), udf()}) {
    for (std::size_t size = 0; size < whole.bytes.size(); size += whole.bytes.size() / 13 + 1) {
      auto image = whole;
      image.bytes.resize(size);
      EXPECT_FALSE(judge(image.sample(), {})) << size << " of " << whole.bytes.size();
    }
  }
}

// A bent image, and words of its refusal.
struct Bent {
  std::string words;
  std::function<void(ForeignImage&)> bend;
};

void expect_refusals(const ForeignImage& sound, const std::vector<Bent>& all) {
  for (const auto& bent : all) {
    auto image = sound;
    bent.bend(image);
    const auto text = verdict_of(image, {.size_limit = Bytes{INT64_MAX}});
    EXPECT_NE(text.find(bent.words), std::string::npos) << bent.words << " → " << text;
  }
}

std::size_t end_of(const ForeignImage& image) { return image.bytes.size() - 512; }

TEST(ForeignFormats, BentVhds) {
  expect_refusals(
      fixed_vhd(),
      {{"wrong checksum in its footer", [](auto& i) { i.big(end_of(i) + 48, 512, 8); }},
       {"differencing", [](auto& i) { seal_vhd(i.big(end_of(i) + 60, 4, 4)); }},
       {"unknown disk type 9", [](auto& i) { seal_vhd(i.big(end_of(i) + 60, 9, 4)); }},
       {"saved state", [](auto& i) { seal_vhd(i.little(end_of(i) + 84, 1, 1)); }},
       {"unknown version", [](auto& i) { seal_vhd(i.big(end_of(i) + 12, 0x20000, 4)); }},
       {"points to a header", [](auto& i) { seal_vhd(i.big(end_of(i) + 16, 512, 8)); }},
       {"it was cut", [](auto& i) { seal_vhd(i.big(end_of(i) + 48, 131072, 8)); }},
       {"has 0 bytes", [](auto& i) { seal_vhd(i.big(end_of(i) + 48, 0, 8)); }},
       {"has 65535 bytes", [](auto& i) { seal_vhd(i.big(end_of(i) + 48, 65535, 8)); }}});
  expect_refusals(
      dynamic_vhd(),
      {{"contradict each other",
        [](auto& i) {
          // Both are sound, each for itself.
          const auto saved = i.bytes;
          seal_vhd(i.little(end_of(i) + 100, 7, 1));
          std::copy(saved.begin(), saved.begin() + 512, i.bytes.begin());
        }},
       {"wrong checksum in its copy", [](auto& i) { i.little(100, 7, 1); }},
       {"dynamic header outside", [](auto& i) { seal_vhd(i.big(end_of(i) + 16, kFar, 8)); }},
       {"no dynamic header", [](auto& i) { seal_vhd(i.big(end_of(i) + 16, 1536, 8)); }},
       {"wrong checksum in its dynamic", [](auto& i) { i.little(1500, 1, 1); }},
       {"names a parent", [](auto& i) { seal_vhd(i.little(552, 1, 1)); }},
       {"blocks of 3 bytes", [](auto& i) { seal_vhd(i.big(544, 3, 4)); }},
       {"table of 1 blocks where 2", [](auto& i) { seal_vhd(i.big(540, 1, 4)); }},
       {"table of 4294967295", [](auto& i) { seal_vhd(i.big(540, 0xffffffff, 4)); }},
       {"block table outside", [](auto& i) { seal_vhd(i.big(528, kFar, 8)); }},
       {"has block 1 outside", [](auto& i) { i.big(1540, 0xfffffff0, 4); }}});
}

TEST(ForeignFormats, BentVdis) {
  expect_refusals(vdi(), {{"unknown version", [](auto& i) { i.little(0x44, 0x20000, 4); }},
                          {"has the type 4", [](auto& i) { i.little(0x4c, 4, 4); }},
                          {"linked to another", [](auto& i) { i.little(0x1a8, 1, 1); }},
                          {"linked to another", [](auto& i) { i.little(0x1c7, 1, 1); }},
                          {"sectors of 4096", [](auto& i) { i.little(0x168, 4096, 4); }},
                          {"plain blocks", [](auto& i) { i.little(0x178, 1 << 21, 4); }},
                          {"plain blocks", [](auto& i) { i.little(0x17c, 512, 4); }},
                          {"has 0 bytes", [](auto& i) { i.little(0x170, 0, 8); }},
                          {"blocks for a disk", [](auto& i) { i.little(0x180, 2, 4); }},
                          {"blocks for a disk", [](auto& i) { i.little(0x180, ~0u, 4); }},
                          {"map outside", [](auto& i) { i.little(0x154, 0xfffffe00, 4); }},
                          {"map outside", [](auto& i) { i.little(0x154, 513, 4); }},
                          {"map outside", [](auto& i) { i.little(0x158, 512, 4); }},
                          {"has block 1 outside", [](auto& i) { i.little(516, 1, 4); }}});
}

TEST(ForeignFormats, BentVmdks) {
  expect_refusals(
      vmdk(), {{"unknown version 4", [](auto& i) { i.little(4, 4, 4); }},
               {"has 0 sectors", [](auto& i) { i.little(12, 0, 8); }},
               {"grains of 3 sectors", [](auto& i) { i.little(20, 3, 8); }},
               {"tables of 513", [](auto& i) { i.little(44, 513, 4); }},
               {"not closed", [](auto& i) { i.little(72, 1, 1); }},
               {"descriptor is another file", [](auto& i) { i.little(28, 0, 8); }},
               {"descriptor outside", [](auto& i) { i.little(28, kFar, 8); }},
               {"descriptor outside", [](auto& i) { i.little(36, kFar, 8); }},
               {"different sizes", [](auto& i) { i.little(12, 16392, 8); }},
               {"flags contradict", [](auto& i) { i.little(8, 0x10001, 4); }},
               {"directory outside", [](auto& i) { i.little(56, kFar, 8); }},
               {"table outside", [](auto& i) { i.little(4 * 512, 0xffffffff, 4); }},
               {"table outside", [](auto& i) { i.little(4 * 512, 191, 4); }},
               {"has block 1 outside", [](auto& i) { i.little(8 * 512 + 4, 65, 4); }},
               {"only a descriptor",
                [](auto& i) { i.bytes.assign(kVmdkDescriptor.begin(), kVmdkDescriptor.end()); }},
               {"without its descriptor", [](auto& i) { i.text(0, "COWD"); }}});
  expect_refusals(stream_vmdk(),
                  {{"end with its footer", [](auto& i) { i.bytes.resize(i.bytes.size() - 512); }},
                   {"contradict each other", [](auto& i) { i.little(12, 8, 8); }},
                   {"contradict each other",
                    [](auto& i) { i.little(i.bytes.size() - 1024 + 56, ~std::uint64_t{0}, 8); }}});
}

TEST(ForeignFormats, DescriptorsThatLeadElsewhere) {
  const auto change = [](std::string_view from, std::string_view to) {
    std::string text(kVmdkDescriptor);
    text.replace(text.find(from), from.size(), to);
    const auto read = read_vmdk_descriptor(text);
    return read ? std::string("accepted") : read.error().message();
  };
  EXPECT_EQ(change("version=1", "version=1"), "accepted");
  EXPECT_NE(change("ffffffff", "12345678").find("stands on a parent"), std::string::npos);
  EXPECT_NE(change("CID=12345678", "parentFileNameHint=\"/a\"").find("names a parent"),
            std::string::npos);
  EXPECT_NE(change("SPARSE", "FLAT").find("FLAT extent outside"), std::string::npos);
  EXPECT_NE(change("disk.vmdk", "/etc/shadow").find("another directory"), std::string::npos);
  EXPECT_NE(change("monolithicSparse", "fullDevice").find("fullDevice"), std::string::npos);
  EXPECT_NE(change("monolithicSparse", "vmfsRawDeviceMap").find("other files"), std::string::npos);
  EXPECT_NE(change("16384", "x").find("no readable size"), std::string::npos);
  EXPECT_NE(change("ddb.", "RW 1 SPARSE \"b\"\nddb.").find("has 2 extents"), std::string::npos);
  EXPECT_NE(change("createType", "otherType").find("without createType"), std::string::npos);
  EXPECT_NE(change("CID=12345678", "createType=\"monolithicSparse\"").find("twice"),
            std::string::npos);
}

TEST(ForeignFormats, BentVhdxs) {
  constexpr std::size_t kMiB = 1 << 20;
  constexpr std::size_t kHead = 128 << 10;
  constexpr std::size_t kRegions = 192 << 10;
  expect_refusals(
      vhdx(),
      {{"no valid header", [](auto& i) { i.little(kHead + 9, 1, 1).little((64 << 10) + 9, 1, 1); }},
       {"log holds changes", [](auto& i) { seal_vhdx(i.little(kHead + 48, 1, 1)); }},
       {"unknown version 2", [](auto& i) { seal_vhdx(i.little(kHead + 66, 2, 2)); }},
       {"damaged region", [](auto& i) { i.little(kRegions + 100, 1, 1); }},
       {"claims 4000 regions", [](auto& i) { seal_vhdx(i.little(kRegions + 8, 4000, 4)); }},
       {"region that is not known", [](auto& i) { seal_vhdx(i.little(kRegions + 16, 9, 1)); }},
       {"region outside", [](auto& i) { seal_vhdx(i.little(kRegions + 32, kFar, 8)); }},
       {"region outside", [](auto& i) { seal_vhdx(i.little(kRegions + 32, 512, 8)); }},
       {"no block table", [](auto& i) { seal_vhdx(i.little(kRegions + 8, 1, 4)); }},
       {"damaged metadata", [](auto& i) { i.text(kMiB, "x"); }},
       {"claims 9999 items", [](auto& i) { i.little(kMiB + 10, 9999, 2); }},
       {"outside its region", [](auto& i) { i.little(kMiB + 32 + 16, ~0u, 4); }},
       {"metadata that is not known", [](auto& i) { i.little(kMiB + 32, 9, 1); }},
       {"stands on a parent", [](auto& i) { i.little(kMiB + 65536 + 4, 2, 4); }},
       {"stands on a parent",
        [](auto& i) {
          i.text(kMiB + 32, "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"sv);
        }},
       {"blocks of 7 bytes", [](auto& i) { i.little(kMiB + 65536, 7, 4); }},
       {"sectors of 4096", [](auto& i) { i.little(kMiB + 65536 + 32, 4096, 4); }},
       {"has 1 bytes", [](auto& i) { i.little(kMiB + 65536 + 16, 1, 8); }},
       {"too small for its disk", [](auto& i) { i.little(kMiB + 65536 + 16, kFar, 8); }},
       {"parent image completes",
        [](auto& i) { i.little(2 * kMiB + 8, std::uint64_t{3} << 20 | 7, 8); }},
       {"has block 1 outside",
        [](auto& i) { i.little(2 * kMiB + 8, std::uint64_t{5} << 20 | 6, 8); }}});
}

TEST(ForeignFormats, BentIsos) {
  constexpr std::size_t kVolume = 16 * 2048;
  expect_refusals(iso(),
                  {{"contradicts itself", [](auto& i) { i.little(kVolume + 80, 31, 4); }},
                   {"blocks of 512",
                    [](auto& i) { i.little(kVolume + 128, 512, 2).big(kVolume + 130, 512, 2); }},
                   {"it was cut short",
                    [](auto& i) { i.little(kVolume + 80, 33, 4).big(kVolume + 84, 33, 4); }},
                   {"neither a complete", [](auto& i) { i.text(kVolume + 4096 + 1, "XX"); }},
                   {"neither a complete", [](auto& i) { i.little(kVolume, 3, 1); }}});
  expect_refusals(udf(), {{"neither", [](auto& i) { i.little(256 * 2048, 3, 2); }},
                          {"neither", [](auto& i) { i.little(256 * 2048 + 4, 9, 1); }}});
}

}  // namespace
}  // namespace ruche::model::image_format::test
