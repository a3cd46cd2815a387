#include "model/image_format/detect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/image_format/iso.hpp"
#include "model/image_format/qcow2.hpp"
#include "model/image_format/raw.hpp"
#include "model/image_format/vdi.hpp"
#include "model/image_format/vhd.hpp"
#include "model/image_format/vhdx.hpp"
#include "model/image_format/vmdk.hpp"

namespace ruche::model::image_format {

namespace {

using namespace std::string_view_literals;

struct Magic {
  Kind kind;
  std::uint64_t offset;
  std::string_view bytes;
  bool at_end = false;  // counted in the last 512 bytes
};

// Sources: QEMU block/*.c and docs/interop, MS-VHDX 2.2, the VHD 1.0 specification, ECMA-119 8.1
// and ECMA-167 (volume recognition at sector 16), LUKS on-disk format, RFC 1952, RFC 8878, xz and
// zip.
constexpr std::array kMagics{
    Magic{Kind::qcow2, 0, "QFI\xfb\0\0\0\2"sv},
    Magic{Kind::qcow2, 0, "QFI\xfb\0\0\0\3"sv},
    Magic{Kind::qcow1, 0, "QFI\xfb\0\0\0\1"sv},
    Magic{Kind::qcow2, 0, "QFI\xfb"sv},  // of an unknown version, which its parser refuses
    Magic{Kind::vmdk, 0, "KDMV"sv},
    Magic{Kind::vmdk, 0, "COWD"sv},
    Magic{Kind::vmdk, 0, "# Disk DescriptorFile"sv},
    Magic{Kind::vhdx, 0, "vhdxfile"sv},
    Magic{Kind::vhd, 0, "conectix"sv},
    Magic{Kind::vhd, 0, "conectix"sv, true},
    Magic{Kind::vhd, 1, "conectix"sv, true},  // footers of 511 bytes, from before 2004
    Magic{Kind::vdi, 64, "\x7f\x10\xda\xbe"sv},
    Magic{Kind::luks, 0, "LUKS\xba\xbe"sv},
    Magic{Kind::luks, 0, "SKUL\xba\xbe"sv},
    Magic{Kind::qed, 0, "QED\0"sv},
    Magic{Kind::parallels, 0, "WithoutFreeSpace"sv},
    Magic{Kind::parallels, 0, "WithouFreSpacExt"sv},
    Magic{Kind::bochs, 0, "Bochs Virtual HD Image"sv},
    Magic{Kind::cloop, 0, "#!/bin/sh\n#V2.0 Format\n"sv},
    Magic{Kind::cow, 0, "OOOM"sv},
    Magic{Kind::dmg, 0, "koly"sv, true},
    Magic{Kind::gzip, 0, "\x1f\x8b\x08"sv},
    Magic{Kind::xz, 0,
          "\xfd"
          "7zXZ\0"sv},
    Magic{Kind::bzip2, 0, "BZh"sv},
    Magic{Kind::zstd, 0, "\x28\xb5\x2f\xfd"sv},
    Magic{Kind::zip, 0, "PK\3\4"sv},
    Magic{Kind::seven_zip, 0, "7z\xbc\xaf\x27\x1c"sv},
    Magic{Kind::tar, 257, "ustar"sv},
    Magic{Kind::iso, 0x8001, "CD001"sv},
    Magic{Kind::iso, 0x8001, "BEA01"sv},
    Magic{Kind::iso, 0x8001, "NSR0"sv},
};

std::string_view remedy_for(Kind kind) {
  switch (kind) {
    case Kind::gzip:
    case Kind::xz:
    case Kind::bzip2:
    case Kind::zstd:
    case Kind::zip:
    case Kind::seven_zip:
      return "Decompress it first, then import the disk image inside.";
    case Kind::tar:
      return "Unpack it first, then import the disk image inside.";
    default:
      return "Convert it to qcow2 where you trust it, for example with qemu-img convert.";
  }
}

std::string_view name_of(ImageFormat format) {
  switch (format) {
    case ImageFormat::raw:
      return "raw";
    case ImageFormat::qcow2:
      return name_of(Kind::qcow2);
    case ImageFormat::vmdk:
      return name_of(Kind::vmdk);
    case ImageFormat::vhd:
      return name_of(Kind::vhd);
    case ImageFormat::vhdx:
      return name_of(Kind::vhdx);
    case ImageFormat::vdi:
      return name_of(Kind::vdi);
    case ImageFormat::iso:
      return name_of(Kind::iso);
  }
  return "unknown";
}

using Parser = std::expected<ImageInfo, Error> (*)(const Sample& sample, Bytes size_limit);
struct Readable {
  Kind kind;
  ImageFormat format;
  Parser parse;
};
constexpr std::array kReadable{
    Readable{Kind::qcow2, ImageFormat::qcow2, read_qcow2},
    Readable{Kind::vmdk, ImageFormat::vmdk, read_vmdk},
    Readable{Kind::vhd, ImageFormat::vhd, read_vhd},
    Readable{Kind::vhdx, ImageFormat::vhdx, read_vhdx},
    Readable{Kind::vdi, ImageFormat::vdi, read_vdi},
    Readable{Kind::iso, ImageFormat::iso, read_iso},
};

Error mismatch(Kind found, const Readable* readable, ImageFormat declared) {
  std::string remedy = "Check that this is the file you mean.";
  if (readable != nullptr) {
    remedy = fmt::format("Declare {}, or declare nothing.", enum_name(readable->format));
  }
  return Error(Reason::format_mismatch,
               fmt::format("the image is declared {} but its contents are {}", name_of(declared),
                           found == Kind::unmarked ? "not" : name_of(found)))
      .at("/format")
      .remedy(std::move(remedy));
}

Error ambiguous(const std::vector<Kind>& kinds) {
  return Error(Reason::image_refused, fmt::format("the file could be read as {} and as {}",
                                                  name_of(kinds[0]), name_of(kinds[1])))
      .remedy("Convert it to qcow2 where you know which of them it is.");
}

}  // namespace

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::unmarked:
      return "raw or unknown";
    case Kind::qcow2:
      return "qcow2";
    case Kind::qcow1:
      return "qcow (version 1)";
    case Kind::vmdk:
      return "VMDK";
    case Kind::vhd:
      return "VHD";
    case Kind::vhdx:
      return "VHDX";
    case Kind::vdi:
      return "VDI";
    case Kind::iso:
      return "ISO 9660 or UDF";
    case Kind::luks:
      return "LUKS";
    case Kind::qed:
      return "QED";
    case Kind::parallels:
      return "Parallels";
    case Kind::bochs:
      return "Bochs";
    case Kind::cloop:
      return "cloop";
    case Kind::cow:
      return "COW";
    case Kind::dmg:
      return "DMG";
    case Kind::gzip:
      return "gzip";
    case Kind::xz:
      return "xz";
    case Kind::bzip2:
      return "bzip2";
    case Kind::zstd:
      return "zstd";
    case Kind::zip:
      return "zip";
    case Kind::seven_zip:
      return "7z";
    case Kind::tar:
      return "tar (perhaps OVA)";
  }
  return "unknown";
}

std::vector<Kind> detect_all(const Sample& sample) {
  std::vector<Kind> kinds;
  const Magic* last = nullptr;
  for (const Magic& magic : kMagics) {
    const bool there = magic.at_end ? sample.tail_has(magic.offset, magic.bytes)
                                    : sample.head_has(magic.offset, magic.bytes);
    if (!there) continue;
    // One place can hold the marks of one format: the more exact ones come first.
    if (last != nullptr && last->offset == magic.offset && last->at_end == magic.at_end) continue;
    last = &magic;
    if (std::find(kinds.begin(), kinds.end(), magic.kind) == kinds.end()) {
      kinds.push_back(magic.kind);
    }
  }
  return kinds;
}

Kind detect(const Sample& sample) {
  const auto kinds = detect_all(sample);
  return kinds.empty() ? Kind::unmarked : kinds.front();
}

std::expected<ImageInfo, Error> judge(const Sample& sample, const Rules& rules) {
  const auto kinds = detect_all(sample);
  const Kind kind = kinds.empty() ? Kind::unmarked : kinds.front();
  const auto* readable =
      std::find_if(kReadable.begin(), kReadable.end(), [&](auto& r) { return r.kind == kind; });
  if (readable == kReadable.end()) readable = nullptr;
  const bool agrees =
      !rules.declared || (readable ? *rules.declared == readable->format
                                   : kind == Kind::unmarked && rules.declared == ImageFormat::raw);
  if (!agrees) return std::unexpected(mismatch(kind, readable, *rules.declared));
  if (kinds.size() > 1) return std::unexpected(ambiguous(kinds));
  if (readable) return readable->parse(sample, rules.size_limit);
  if (kind != Kind::unmarked) {
    return std::unexpected(
        Error(Reason::image_refused, fmt::format("{} images cannot be imported", name_of(kind)))
            .remedy(std::string(remedy_for(kind))));
  }
  if (!rules.declared) {
    return std::unexpected(
        Error(Reason::image_refused, "the file has no marks of any known image format")
            .at("/format")
            .remedy("If it is a raw disk image, declare the format raw."));
  }
  return read_raw(sample, rules.size_limit);
}

}  // namespace ruche::model::image_format
