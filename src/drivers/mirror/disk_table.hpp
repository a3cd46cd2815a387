// A partition table as firmware reads it: GPT (UEFI 2.10, chapter 5) behind a protective MBR. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/units.hpp"

namespace ruche::drivers::mirror {

constexpr std::int64_t kSector = 512;

// As the standard prints them: the first three groups little-endian in memory.
using Guid = std::array<std::uint8_t, 16>;
Guid make_guid(std::string_view text);  // aborts on what is no GUID: they are constants of ours

struct Partition {
  Guid type{};
  Guid id{};
  std::int64_t first = 0;  // sectors
  std::int64_t count = 0;
  std::string name;  // ASCII, at most 36 characters
};

// What is written at the beginning and at the end of the disk; between them nothing is touched.
struct DiskTable {
  std::string head;  // MBR, header, entries: 34 sectors
  std::string tail;  // entries, header: 33 sectors
};
DiskTable make_disk_table(Bytes disk, const Guid& id, const std::vector<Partition>& partitions);

}  // namespace ruche::drivers::mirror
