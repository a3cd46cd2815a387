#include <gtest/gtest.h>

#include <functional>

#include "model/image_format/detect.hpp"
#include "model/image_format/qcow2.hpp"

namespace ruche::model::image_format {
namespace {

using namespace std::string_view_literals;

// An image in memory that tests bend.
struct Image {
  std::vector<std::uint8_t> bytes;
  std::uint64_t file_size = 0;

  Sample sample() const {
    const std::span<const std::uint8_t> all(bytes);
    return {all.first(std::min(all.size(), kHeadBytes)), all.last(std::min(all.size(), kTailBytes)),
            std::max<std::uint64_t>(file_size, all.size())};
  }
  Image& put(std::size_t offset, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
      bytes[offset + i] = static_cast<std::uint8_t>(value >> 8 * (width - 1 - i));
    }
    return *this;
  }
  Image& put(std::size_t offset, std::string_view text) {
    if (bytes.size() < offset + text.size()) bytes.resize(offset + text.size());
    std::copy(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return *this;
  }
};

Image good_qcow2(NewQcow2 wanted = {mib(64), "", ""}) {
  const auto file = make_qcow2(wanted);
  Image image{file.head, file.file_size};
  image.bytes.resize(file.file_size);
  return image;
}

std::string refusal(const Image& image, Rules rules = {}) {
  const auto verdict = judge(image.sample(), rules);
  if (verdict) return "accepted";
  return std::string(verdict.error().reason_name()) + ": " + verdict.error().message();
}

TEST(ImageFormat, OwnQcow2IsAcceptedAndDescribed) {
  const auto verdict = judge(good_qcow2().sample(), {});
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ(verdict->format, ImageFormat::qcow2);
  EXPECT_EQ(verdict->virtual_size, mib(64));
  EXPECT_EQ(verdict->version, 3u);
  EXPECT_EQ(verdict->cluster_bits, 16u);
  EXPECT_FALSE(verdict->dirty);
}

TEST(ImageFormat, BackingFileIsReadBackFromOwnLayersAndRefusedFromOthers) {
  const auto image = good_qcow2({gib(3), "../../images/a/b.qcow2", "qcow2"});
  const auto own = read_own_qcow2(image.sample());
  ASSERT_TRUE(own) << own.error().message();
  EXPECT_EQ(own->backing_file, "../../images/a/b.qcow2");
  EXPECT_EQ(own->backing_format, "qcow2");
  EXPECT_EQ(own->info.virtual_size, gib(3));
  EXPECT_NE(refusal(image).find("image-refused: the image stands on a backing file"),
            std::string::npos);
}

TEST(ImageFormat, DeclaredFormatMustMatchAndBothAreNamed) {
  EXPECT_EQ(refusal(good_qcow2(), {.declared = ImageFormat::raw}),
            "format-mismatch: the image is declared raw but its contents are qcow2");
  Image vhd;
  vhd.bytes.resize(4096);
  vhd.put(4096 - 512, "conectix"sv);
  EXPECT_EQ(refusal(vhd, {.declared = ImageFormat::raw}),
            "format-mismatch: the image is declared raw but its contents are VHD");
  EXPECT_EQ(refusal(vhd), "image-refused: the VHD image has a wrong checksum in its footer");
  Image plain;
  plain.bytes.resize(4096);
  EXPECT_EQ(refusal(plain, {.declared = ImageFormat::qcow2}),
            "format-mismatch: the image is declared qcow2 but its contents are not");
}

TEST(ImageFormat, RawOnlyWhenDeclared) {
  Image plain;
  plain.bytes.resize(1000);
  EXPECT_NE(refusal(plain).find("image-refused: the file has no marks"), std::string::npos);
  const auto verdict = judge(plain.sample(), {.declared = ImageFormat::raw});
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->virtual_size, Bytes{1024});
  EXPECT_NE(refusal({}, {.declared = ImageFormat::raw}).find("empty"), std::string::npos);
  plain.file_size = 1u << 30;
  EXPECT_NE(
      refusal(plain, {.declared = ImageFormat::raw, .size_limit = mib(1)}).find("larger than"),
      std::string::npos);
}

struct Marked {
  Kind kind;
  std::size_t offset;
  std::string_view magic;
};
const std::vector<Marked> kMarked{{Kind::qcow1, 0, "QFI\xfb\0\0\0\1"sv},
                                  {Kind::vmdk, 0, "KDMV"sv},
                                  {Kind::vmdk, 0, "COWD"sv},
                                  {Kind::vmdk, 0, "# Disk DescriptorFile\n"sv},
                                  {Kind::vhdx, 0, "vhdxfile"sv},
                                  {Kind::vhd, 0, "conectix"sv},
                                  {Kind::vhd, 65536 - 512, "conectix"sv},
                                  {Kind::vhd, 65536 - 511, "conectix"sv},
                                  {Kind::vdi, 64, "\x7f\x10\xda\xbe"sv},
                                  {Kind::iso, 0x8001, "CD001"sv},
                                  {Kind::iso, 0x8001, "BEA01"sv},
                                  {Kind::luks, 0, "LUKS\xba\xbe"sv},
                                  {Kind::qed, 0, "QED\0"sv},
                                  {Kind::parallels, 0, "WithoutFreeSpace"sv},
                                  {Kind::bochs, 0, "Bochs Virtual HD Image"sv},
                                  {Kind::cow, 0, "OOOM"sv},
                                  {Kind::cloop, 0, "#!/bin/sh\n#V2.0 Format\nmodprobe"sv},
                                  {Kind::dmg, 65536 - 512, "koly"sv},
                                  {Kind::gzip, 0, "\x1f\x8b\x08"sv},
                                  {Kind::xz, 0,
                                   "\xfd"
                                   "7zXZ\0"sv},
                                  {Kind::zstd, 0, "\x28\xb5\x2f\xfd"sv},
                                  {Kind::zip, 0, "PK\3\4"sv},
                                  {Kind::tar, 257, "ustar"sv},
                                  {Kind::bzip2, 0, "BZh9"sv},
                                  {Kind::seven_zip, 0, "7z\xbc\xaf\x27\x1c"sv}};

TEST(ImageFormat, EveryKnownMagicIsSeenAndNeverTakenForRaw) {
  for (const auto& marked : kMarked) {
    Image image;
    image.bytes.resize(65536);
    image.put(marked.offset, marked.magic);
    EXPECT_EQ(detect(image.sample()), marked.kind) << name_of(marked.kind);
    EXPECT_TRUE(refusal(image, {.declared = ImageFormat::raw}).starts_with("format-mismatch"))
        << name_of(marked.kind);
    EXPECT_TRUE(refusal(image).starts_with("image-refused")) << name_of(marked.kind);
  }
}

struct Bent {
  std::string what;
  std::function<void(Image&)> bend;
};
const std::vector<Bent> kBent{
    {"unknown version", [](Image& i) { i.put(4, 7, 4); }},
    {"cluster_bits 8", [](Image& i) { i.put(20, 8, 4); }},
    {"cluster_bits 22", [](Image& i) { i.put(20, 22, 4); }},
    {"cluster_bits 4294967295", [](Image& i) { i.put(20, ~0u, 4); }},
    {"no size", [](Image& i) { i.put(24, 0, 8); }},
    {"no multiple of 512", [](Image& i) { i.put(24, 513, 8); }},
    {"entries are needed|L1 table", [](Image& i) { i.put(24, ~std::uint64_t{511}, 8); }},
    {"encrypted", [](Image& i) { i.put(32, 1, 4); }},
    {"encrypted", [](Image& i) { i.put(32, 2, 4); }},
    {"L1 table of 4294967295 entries", [](Image& i) { i.put(36, ~0u, 4); }},
    {"L1 table of 0 entries", [](Image& i) { i.put(36, 0, 4); }},
    {"L1 table outside", [](Image& i) { i.put(40, 0, 8); }},
    {"L1 table outside", [](Image& i) { i.put(40, 0x30001, 8); }},
    {"L1 table outside", [](Image& i) { i.put(40, 0xffffffffffff0000, 8); }},
    {"reference table outside", [](Image& i) { i.put(48, 0xffffffffffff0000, 8); }},
    {"reference table outside", [](Image& i) { i.put(48, 0, 8); }},
    {"reference table of an absurd size", [](Image& i) { i.put(56, 0, 4); }},
    {"reference table of an absurd size", [](Image& i) { i.put(56, ~0u, 4); }},
    {"claims 65536 snapshots", [](Image& i) { i.put(60, 65536, 4); }},
    {"snapshot table outside", [](Image& i) { i.put(60, 1, 4).put(64, 0xff0000, 8); }},
    {"corrupt", [](Image& i) { i.put(72, 2, 8); }},
    {"another file", [](Image& i) { i.put(72, 4, 8); }},
    {"compression type", [](Image& i) { i.put(72, 8, 8); }},
    {"compression type", [](Image& i) { i.put(104, 1, 1); }},
    {"compression type", [](Image& i) { i.put(72, 8, 8).put(104, 2, 1); }},
    {"not known (0x20)", [](Image& i) { i.put(72, 0x20, 8); }},
    {"not known (0x8000000000000000)", [](Image& i) { i.put(72, std::uint64_t{1} << 63, 8); }},
    {"refcount_order 7", [](Image& i) { i.put(96, 7, 4); }},
    {"says it has 96 bytes", [](Image& i) { i.put(100, 96, 4); }},
    {"says it has 109 bytes", [](Image& i) { i.put(100, 109, 4); }},
    {"longer than a cluster", [](Image& i) { i.put(100, 0xfffffff8, 4); }},
    {"backing file", [](Image& i) { i.put(8, 512, 8).put(16, 11, 4).put(512, "/etc/shadow"sv); }},
    {"backing file", [](Image& i) { i.put(16, 4, 4); }},
    {"names another file", [](Image& i) { i.put(112, 0x44415441, 4).put(116, 11, 4); }},
    {"encrypted", [](Image& i) { i.put(112, 0x0537be77, 4).put(116, 16, 4); }},
    {"beyond its end", [](Image& i) { i.put(112, 0x6803f857, 4).put(116, ~0u, 4); }},
    {"backing format", [](Image& i) { i.put(112, 0xE2792ACA, 4).put(116, 17, 4); }},
    {"cut short",
     [](Image& i) {
       i.bytes.resize(71);
       i.file_size = 0;
     }},
    {"cut short",
     [](Image& i) {
       i.bytes.resize(103);
       i.file_size = 0;
     }},
    {"outside the file",
     [](Image& i) {
       i.bytes.resize(0x30000);
       i.file_size = 0;
     }},
};

TEST(ImageFormat, BentHeadersAreRefusedWithTheirReason) {
  for (const auto& bent : kBent) {
    auto image = good_qcow2();
    bent.bend(image);
    const auto text = refusal(image, {.size_limit = Bytes{INT64_MAX}});
    EXPECT_TRUE(text.starts_with("image-refused")) << bent.what << " → " << text;
    const auto wanted = bent.what.substr(bent.what.find('|') + 1);
    EXPECT_NE(text.find(wanted), std::string::npos) << bent.what << " → " << text;
  }
}

TEST(ImageFormat, VersionTwoDirtySnapshotsAndLimits) {
  auto old = good_qcow2();
  old.put(4, 2, 4);
  for (std::size_t i = 72; i < 112; ++i) old.bytes[i] = 0;
  EXPECT_EQ(refusal(old), "accepted");
  auto dirty = good_qcow2();
  EXPECT_TRUE(judge(dirty.put(72, 1, 8).sample(), {})->dirty);
  auto zstd = good_qcow2();
  EXPECT_EQ(refusal(zstd.put(72, 8, 8).put(104, 1, 1)), "accepted");
  auto snapshots = good_qcow2();
  EXPECT_EQ(judge(snapshots.put(60, 3, 4).put(64, 0x30000, 8).sample(), {})->snapshots, 3u);
  EXPECT_NE(refusal(good_qcow2(), {.size_limit = mib(63)}).find("larger than 63 MiB"),
            std::string::npos);
}

TEST(ImageFormat, EntriesOutsideTheFileAreFound) {
  const TableCheck check{.file_size = 0x100000, .cluster_bits = 16};
  Image table;
  table.bytes.resize(64);
  EXPECT_TRUE(check_l1(table.bytes, check)->empty());
  table.put(8, 0x8000000000050000, 8);
  EXPECT_EQ(*check_l1(table.bytes, check), std::vector<std::uint64_t>{0x50000});
  EXPECT_TRUE(check_l2(table.bytes, check));
  auto unaligned = table;
  EXPECT_FALSE(check_l1(unaligned.put(16, 0x50200, 8).bytes, check));
  table.put(16, 0x8000000000100000, 8);
  EXPECT_FALSE(check_l1(table.bytes, check));
  EXPECT_FALSE(check_l2(table.bytes, check));
  // A compressed cluster: a byte offset in the low 54 bits (64 KiB clusters), sectors above.
  table.put(16, 0x4000000000000000 | std::uint64_t{3} << 54 | 0xfffff, 8);
  EXPECT_TRUE(check_l2(table.bytes, check));
  table.put(16, 0x4000000000000000 | std::uint64_t{3} << 54 | 0x100001, 8);
  EXPECT_FALSE(check_l2(table.bytes, check));
}

TEST(ImageFormat, NewImagesOfAllSizesAgreeWithTheirOwnParser) {
  for (const auto size : {Bytes{512}, mib(1), gib(1), gib(4096), gib(2'000'000)}) {
    const auto verdict = judge(good_qcow2({size, "", ""}).sample(), {.size_limit = gib(3'000'000)});
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->virtual_size, size);
  }
}

}  // namespace
}  // namespace ruche::model::image_format
