#include "model/image_format/foreign_images_test.hpp"

namespace ruche::model::image_format::test {

using namespace std::string_view_literals;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

void sum_vhd(ForeignImage& image, std::size_t at, std::size_t size, std::size_t own) {
  std::uint32_t sum = 0;
  image.big(at + own, 0, 4);
  for (std::size_t i = 0; i < size; ++i) sum += image.bytes[at + i];
  image.big(at + own, ~sum, 4);
}

// Bit by bit: another way than the parser's.
void crc_vhdx(ForeignImage& image, std::size_t at, std::size_t size) {
  image.little(at + 4, 0, 4);
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= image.bytes[at + i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  image.little(at + 4, ~crc, 4);
}

void vhd_footer(ForeignImage& image, std::size_t at, std::uint64_t data, std::uint64_t size,
                std::uint32_t type) {
  image.text(at, "conectix").big(at + 8, 2, 4).big(at + 12, 0x10000, 4).big(at + 16, data, 8);
  image.text(at + 28, "win ").big(at + 40, size, 8).big(at + 48, size, 8).big(at + 60, type, 4);
}

}  // namespace

ForeignImage& seal_vhd(ForeignImage& image) {
  sum_vhd(image, image.bytes.size() - 512, 512, 64);
  if (image.bytes[0] == 'c') {
    sum_vhd(image, 512, 1024, 36);
    image.copy(image.bytes.size() - 512, 0, 512);
  }
  return image;
}

ForeignImage fixed_vhd() {
  ForeignImage image(65536 + 512);
  vhd_footer(image, 65536, ~std::uint64_t{0}, 65536, 2);
  return seal_vhd(image);
}

ForeignImage dynamic_vhd() {
  constexpr std::size_t kBlock = 2 * kMiB;
  ForeignImage image(2048 + 512 + kBlock + 512);
  const auto end = image.bytes.size() - 512;
  vhd_footer(image, end, 512, 2 * kBlock, 3);
  image.text(0, "c").text(512, "cxsparse").big(520, ~std::uint64_t{0}, 8).big(528, 1536, 8);
  image.big(536, 0x10000, 4).big(540, 2, 4).big(544, kBlock, 4);
  image.big(1536, 0xffffffff, 4).big(1540, 4, 4);
  return seal_vhd(image);
}

ForeignImage vdi() {
  ForeignImage image(1024 + kMiB);
  image.text(0, "<<< Oracle VM VirtualBox Disk Image >>>\n").little(0x40, 0xbeda107f, 4);
  image.little(0x44, 0x10001, 4).little(0x48, 0x190, 4).little(0x4c, 1, 4);
  image.little(0x154, 512, 4).little(0x158, 1024, 4).little(0x168, 512, 4);
  image.little(0x170, 3 * kMiB, 8).little(0x178, kMiB, 4).little(0x180, 3, 4).little(0x184, 1, 4);
  return image.little(512, 0, 4).little(516, 0xffffffff, 4).little(520, 0xfffffffe, 4);
}

ForeignImage vmdk() {
  ForeignImage image(64 * 512 + 65536);
  image.text(0, "KDMV").little(4, 1, 4).little(8, 3, 4).little(12, 16384, 8).little(20, 128, 8);
  image.little(28, 1, 8).little(36, 2, 8).little(44, 512, 4).little(56, 4, 8).little(64, 64, 8);
  image.text(512, kVmdkDescriptor);
  return image.little(4 * 512, 8, 4).little(8 * 512 + 4, 64, 4);  // directory, table
}

ForeignImage stream_vmdk() {
  auto image = vmdk();
  image.bytes.resize(image.bytes.size() + 3 * 512);
  const auto end = image.bytes.size();
  image.little(8, 0x30001, 4).little(77, 1, 2).text(512, std::string(1024, '\0'));
  std::string words(kVmdkDescriptor);
  words.replace(words.find("monolithicSparse"), 16, "streamOptimized");
  image.text(512, words).copy(0, end - 1024, 512).little(56, ~std::uint64_t{0}, 8);
  return image.little(end - 1536, 1, 8).little(end - 1536 + 12, 3, 4);
}

ForeignImage& seal_vhdx(ForeignImage& image) {
  crc_vhdx(image, 64 << 10, 4096);
  crc_vhdx(image, 128 << 10, 4096);
  crc_vhdx(image, 192 << 10, 65536);
  return image;
}

ForeignImage vhdx() {
  ForeignImage image(4 * kMiB);
  image.text(0, "vhdxfile");
  for (const std::size_t at : {64 << 10, 128 << 10}) {
    image.text(at, "head").little(at + 8, at >> 16, 8).little(at + 66, 1, 2);
  }
  const std::size_t regions = 192 << 10;
  image.text(regions, "regi").little(regions + 8, 2, 4);
  image.text(regions + 16, "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"sv);
  image.little(regions + 32, 2 * kMiB, 8).little(regions + 40, kMiB, 4).little(regions + 44, 1, 4);
  image.text(regions + 48, "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"sv);
  image.little(regions + 64, kMiB, 8).little(regions + 72, kMiB, 4).little(regions + 76, 1, 4);
  const std::size_t meta = kMiB;
  image.text(meta, "metadata").little(meta + 10, 3, 2);
  struct Item {
    std::string_view guid;
    std::uint64_t value;
    std::size_t width;
  };
  const Item items[] = {
      {"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"sv, kMiB, 8},
      {"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"sv, 3 * kMiB, 8},
      {"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"sv, 512, 4}};
  std::size_t number = 0;
  for (const auto& item : items) {
    const auto at = meta + 32 + 32 * number;
    image.text(at, item.guid)
        .little(at + 16, 65536 + 16 * number, 4)
        .little(at + 20, item.width, 4);
    image.little(at + 24, 4, 4).little(meta + 65536 + 16 * number, item.value, item.width);
    ++number;
  }
  image.little(2 * kMiB + 8, std::uint64_t{3} << 20 | 6, 8);
  return seal_vhdx(image);
}

ForeignImage iso() {
  ForeignImage image(65536);
  const std::size_t at = 16 * 2048;
  image.little(at, 1, 1).text(at + 1, "CD001\x01").little(at + 80, 32, 4).big(at + 84, 32, 4);
  image.little(at + 128, 2048, 2).big(at + 130, 2048, 2);
  image.text(at + 2048,
             "\0CD001\x01"
             "EL TORITO SPECIFICATION"sv);
  return image.text(at + 4096,
                    "\xff"
                    "CD001\x01"sv);
}

ForeignImage udf() {
  ForeignImage image(256 * 2048 + 512);
  image.text(16 * 2048 + 1, "BEA01").text(17 * 2048 + 1, "NSR02").text(18 * 2048 + 1, "TEA01");
  return image.little(256 * 2048, 2, 2).little(256 * 2048 + 4, 2, 1);
}

}  // namespace ruche::model::image_format::test
