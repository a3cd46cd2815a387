// What users ask for: the request of each method that changes something. Fields named in a
// method's path ({vm}) are part of the request.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/guest.hpp"
#include "model/storage.hpp"

namespace ruche::model {

struct NewDisk {
  Bytes size;
  DiskBus bus = DiskBus::virtio_blk;
  DiskFormat format = DiskFormat::qcow2;
};

struct CreateVm {
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  std::string image;      // name or id; empty: disks start blank
  std::string from_template;  // name or id; then most of the hardware is what that has
  std::uint32_t count = 1;    // of copies of the template, called <name>-1 and so on
  std::string datastore;  // name or id; empty: the only or default one
  GuestSystem system = GuestSystem::linux_;
  std::uint32_t cpus = 1;
  std::optional<std::uint32_t> cpus_max;  // absent: a default with room to grow
  std::optional<CpuTopology> topology;
  CpuBaseline cpu_baseline = CpuBaseline::x86_64_v2;
  Bytes memory = mib(512);
  Bytes memory_max;
  Bytes memory_min;
  MemoryKind memory_kind = MemoryKind::private_;
  Bytes disk_size;  // of the first disk; 0: as large as the image
  std::optional<DiskBus> disk_bus;  // absent: as its system likes it
  std::vector<NewDisk> disks;  // further disks
  bool no_nic = false;
  std::string network;  // name or id, or `user`; empty: the default one where it works
  std::vector<PortForward> forwards;
  std::vector<std::string> cdroms;  // images: names or ids
  std::optional<BootKind> boot;     // absent: as the image says, else bios
  bool secure_boot = false;
  std::vector<std::string> boot_order;
  bool tpm = false;
  std::uint32_t serial_ports = 1;
  DisplayKind display = DisplayKind::vga;
  SoundKind sound = SoundKind::none;
  SmbiosSpec smbios;
  NumaSpec numa;
  HugePageSize huge_pages = HugePageSize::none;
  std::vector<std::string> cpu_pins;
  std::string pool;  // name or id; empty: none
  std::string user;
  std::vector<std::string> ssh_keys;
  Secret<std::string> password;
  std::string host_name;
  std::vector<std::string> packages;
  std::string user_data;
  std::string vendor_data;
  std::optional<WatchdogAction> watchdog;
  bool autostart = false;
  std::uint32_t start_order = 0;
  Duration start_delay{0};
  RestartPolicy restart_policy = RestartPolicy::never;
  HostShutdownAction on_host_shutdown = HostShutdownAction::shut_down;
  bool start = false;
};
constexpr auto hardware_of(Type<CreateVm>) {
  return fields(
      field<&CreateVm::name>(
          "name", "Unique name.",
          {.required = true, .format = "name", .positional = true, .example = "web1"}),
      field<&CreateVm::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&CreateVm::description>("description", "Notes.", {.max_length = 4096}),
      field<&CreateVm::tags>("tags", "Tags.", {.max_length = 64, .flag = "tag"}),
      field<&CreateVm::image>("image", "Image to start from: name or id.",
                              {.format = "reference", .example = "demo"}),
      field<&CreateVm::from_template>("from_template",
                                      "Template to copy in place of an image: name or id. The copy "
                                      "has its hardware, and an identity of its own.",
                                      {.format = "reference"}),
      field<&CreateVm::count>("count",
                              "How many copies of the template; they are called NAME-1, NAME-2 …",
                              {.min = 1, .max = 1000}),
      field<&CreateVm::datastore>("datastore", "Datastore: name or id.", {.format = "reference"}),
      field<&CreateVm::system>("system", "What will run in it; it chooses the defaults below."),
      field<&CreateVm::cpus>("cpus", "Virtual CPUs.", {.min = 1, .max = 512}),
      field<&CreateVm::cpus_max>("cpus_max",
                                 "What `cpus` can grow to while it runs; 0: no more. Twice as many "
                                 "and at least 4 when absent.",
                                 {.max = 512}),
      field<&CreateVm::topology>("topology",
                                 "Sockets, cores, threads; their product is the most CPUs."),
      field<&CreateVm::cpu_baseline>("cpu_baseline", "The processor the guest sees."),
      field<&CreateVm::memory>("memory_bytes", "Memory.", {.min = 16 << 20, .example = "256MiB"}),
      field<&CreateVm::memory_max>("memory_max_bytes",
                                   "What its memory can grow to while it runs (virtio-mem)."),
      field<&CreateVm::memory_min>("memory_min_bytes",
                                   "What is left to it at least when memory is taken back from it; "
                                   "gives it a balloon."),
      field<&CreateVm::memory_kind>("memory_kind", "How the memory is held."),
      field<&CreateVm::disk_size>("disk_size_bytes",
                                  "Size of the first disk; as large as the image when absent."),
      field<&CreateVm::disk_bus>("disk_bus",
                                 "Controller of the first disk; as its system likes it."),
      field<&CreateVm::disks>("disks", "Further disks.", {.max_length = 15, .flag = "disk"}));
}

// The editable part of a VM; PATCH merges into it.
struct VmEdit {
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  std::uint32_t cpus = 1;
  std::uint32_t cpus_max = 0;
  std::optional<CpuTopology> topology;
  CpuBaseline cpu_baseline = CpuBaseline::x86_64_v2;
  Bytes memory = mib(512);
  Bytes memory_max;
  Bytes memory_min;
  Bytes memory_target;
  MemoryKind memory_kind = MemoryKind::private_;
  std::string command_line;
  std::optional<WatchdogAction> watchdog;
  bool autostart = false;
  std::uint32_t start_order = 0;
  Duration start_delay{0};
  RestartPolicy restart_policy = RestartPolicy::never;
  HostShutdownAction on_host_shutdown = HostShutdownAction::shut_down;
  std::vector<std::string> boot_order;
  std::uint32_t serial_ports = 1;
  DisplayKind display = DisplayKind::none;
  SoundKind sound = SoundKind::none;
  SmbiosSpec smbios;
  NumaSpec numa;
  HugePageSize huge_pages = HugePageSize::none;
  std::vector<std::string> cpu_pins;
  std::string pool;  // name or id; empty: none
};

struct VmRef {
  std::string vm;
};

// A port of its serial lines to watch and type on.
struct ConsoleVm {
  std::string vm;
  std::uint32_t port = 0;
};

struct ShutdownVm {
  std::string vm;
  Duration timeout{60'000};
  bool then_stop = false;
};

// Freezing every file system of a guest, for a copy of its disks from outside.
struct FreezeVm {
  std::string vm;
  Duration hold{30'000};
};

struct ExecVm {
  std::string vm;
  std::vector<std::string> command;
  std::vector<std::string> environment;
  std::string input_base64;
  Duration timeout{60'000};
};

struct StopVm {
  std::string vm;
  bool force = false;  // cancel whatever task holds its power state
};

struct DeleteVm {
  std::string vm;
  bool purge = false;
  bool stop = false;
};

struct UndeleteVm {
  std::string vm;
  std::string new_name;  // when its name was taken meanwhile
};

struct MoveVm {
  std::string vm;
  std::string host;
};

// A guest that the store does not know, from its files on a datastore.
struct RegisterVm {
  std::string guest;
  std::string datastore;
  std::string name;
  std::string network;
};

// Exactly one of path, url and upload is given.
struct ImportImageRequest {
  std::string name;
  std::string description;
  std::string path;
  std::string url;
  std::string upload;
  std::string checksum;
  std::optional<ImageFormat> format;
  std::string datastore;
};

struct BuildImageRequest {
  std::string recipe;
  std::string name;
  std::string datastore;
};

struct ImageRef {
  std::string image;
};

struct CreateUpload {
  std::string name;
  Bytes size;
  std::string checksum;
  std::string datastore;
};

struct UploadRef {
  std::string upload;
};

struct WriteUpload {
  std::string upload;
  Bytes offset;
};

struct CreateDatastore {
  std::string name;
  DatastoreKind kind = DatastoreKind::dir;
  std::string path;
  bool shared = false;
  bool adopt = false;
};

struct DatastoreRef {
  std::string datastore;
};

struct TaskRef {
  std::string task;
};

struct HostRef {
  std::string host;
};

}  // namespace ruche::model

extern template const ruche::TypeInfo& ruche::type_of<ruche::model::NewDisk>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::VmEdit>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::VmRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ConsoleVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ShutdownVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::FreezeVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ExecVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::StopVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DeleteVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UndeleteVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::MoveVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::RegisterVm>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImportImageRequest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::BuildImageRequest>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::ImageRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateUpload>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::UploadRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::WriteUpload>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::CreateDatastore>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::DatastoreRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::TaskRef>();
extern template const ruche::TypeInfo& ruche::type_of<ruche::model::HostRef>();
