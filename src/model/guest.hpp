// Guests: what a user asks for (VmSpec), what the store keeps (Guest) and what the owner observed
// (GuestStatus). Plain data; rules are in guest_rules.hpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/reflect.hpp"
#include "model/ids.hpp"

namespace ruche::model {

enum class GuestKind { vm, container };
constexpr auto describe(Type<GuestKind>) {
  return enumeration<GuestKind>("GuestKind", "The two kinds of guest.",
                                value(GuestKind::vm, "vm", "A virtual machine."),
                                value(GuestKind::container, "container", "An LXC container."));
}

enum class CpuBaseline { x86_64_v2, x86_64_v3, x86_64_v4, host };
constexpr auto describe(Type<CpuBaseline>) {
  return enumeration<CpuBaseline>(
      "CpuBaseline", "The processor a guest sees; the same on every host that can run it.",
      value(CpuBaseline::x86_64_v2, "x86-64-v2", "SSE4.2 and older; every 64-bit server runs it."),
      value(CpuBaseline::x86_64_v3, "x86-64-v3", "Adds AVX2, BMI and FMA."),
      value(CpuBaseline::x86_64_v4, "x86-64-v4", "Adds AVX-512."),
      value(CpuBaseline::host, "host", "Whatever this host has; not for migration."));
}

enum class MemoryKind { private_, shareable };
constexpr auto describe(Type<MemoryKind>) {
  return enumeration<MemoryKind>(
      "MemoryKind", "How the guest's memory is held; fixed while it runs.",
      value(MemoryKind::private_, "private", "Anonymous memory, the default."),
      value(MemoryKind::shareable, "shareable", "A memory file; instant-clone sources need it."));
}

enum class RestartPolicy { never, on_crash };
constexpr auto describe(Type<RestartPolicy>) {
  return enumeration<RestartPolicy>(
      "RestartPolicy", "What happens after a crash.",
      value(RestartPolicy::never, "never", "It stays crashed until somebody starts it."),
      value(RestartPolicy::on_crash, "on-crash", "It is started again, with growing pauses."));
}

enum class GuestSystem { linux_, windows, bsd, other };
constexpr auto describe(Type<GuestSystem>) {
  return enumeration<GuestSystem>(
      "GuestSystem", "What runs in a guest; it chooses defaults that suit it.",
      value(GuestSystem::linux_, "linux", "Linux: virtio everywhere."),
      value(GuestSystem::windows, "windows",
            "Windows: a SATA disk and an Intel adapter, which need no driver; Hyper-V's interfaces "
            "under KVM; the clock in local time."),
      value(GuestSystem::bsd, "bsd", "FreeBSD and its relatives: virtio everywhere."),
      value(GuestSystem::other, "other", "A SATA disk and an Intel adapter."));
}

enum class WatchdogAction { reset, power_off, pause, none };
constexpr auto describe(Type<WatchdogAction>) {
  return enumeration<WatchdogAction>(
      "WatchdogAction", "What happens when a guest stops feeding its watchdog.",
      value(WatchdogAction::reset, "reset", "It is reset."),
      value(WatchdogAction::power_off, "power-off", "It is powered off."),
      value(WatchdogAction::pause, "pause", "Its CPUs are stopped, for somebody to look."),
      value(WatchdogAction::none, "none", "It is only told."));
}

enum class DiskBus { virtio_blk, virtio_scsi, sata, nvme };
constexpr auto describe(Type<DiskBus>) {
  return enumeration<DiskBus>(
      "DiskBus", "The disk controller the guest sees.",
      value(DiskBus::virtio_blk, "virtio-blk", "Fast, the default."),
      value(DiskBus::virtio_scsi, "virtio-scsi", "Many disks, SCSI commands."),
      value(DiskBus::sata, "sata", "For systems without virtio drivers."),
      value(DiskBus::nvme, "nvme", "An NVMe controller for each disk; not for live migration."));
}

enum class DiskCache { writeback, none, writethrough };
constexpr auto describe(Type<DiskCache>) {
  return enumeration<DiskCache>(
      "DiskCache", "Which caches of the host stand between a disk and its file.",
      value(DiskCache::writeback, "writeback", "The host's page cache; flushes are obeyed."),
      value(DiskCache::none, "none", "None (O_DIRECT)."),
      value(DiskCache::writethrough, "writethrough", "Every write is on the disk when it ends."));
}

// What a disk may do at most; 0: no limit. A burst is what it may do for as long as it saved up
// (QEMU's leaky bucket, docs/throttle.txt); it needs the limit that it stands above.
struct DiskLimits {
  std::uint32_t iops = 0;
  std::uint32_t iops_burst = 0;
  Bytes bytes_per_second;
  Bytes bytes_per_second_burst;
  friend bool operator==(const DiskLimits&, const DiskLimits&) = default;
};
constexpr auto describe(Type<DiskLimits>) {
  return structure<DiskLimits>(
      "DiskLimits", "What a disk may do at most; 0: no limit.",
      field<&DiskLimits::iops>("iops", "Operations in a second."),
      field<&DiskLimits::iops_burst>("iops_burst", "Operations in a second for a short time."),
      field<&DiskLimits::bytes_per_second>("bandwidth_bytes", "Bytes in a second."),
      field<&DiskLimits::bytes_per_second_burst>("bandwidth_burst_bytes",
                                                 "Bytes in a second for a short time."));
}

enum class DiskFormat { qcow2, raw };
constexpr auto describe(Type<DiskFormat>) {
  return enumeration<DiskFormat>("DiskFormat", "How a volume is stored.",
                                 value(DiskFormat::qcow2, "qcow2", "Thin, layers and snapshots."),
                                 value(DiskFormat::raw, "raw", "Sparse file, no layers on top."));
}

struct DiskSpec {
  std::string name;  // disk0, disk1, …
  LayerId layer;     // the top of its chain
  Bytes size;
  DiskBus bus = DiskBus::virtio_blk;
  std::uint32_t slot = 0;  // its place on the bus (model/hardware.hpp), assigned once and kept
  DiskCache cache = DiskCache::writeback;
  bool discard = true;
  DiskLimits limits;
};
constexpr auto describe(Type<DiskSpec>) {
  return structure<DiskSpec>(
      "DiskSpec", "A virtual disk.",
      field<&DiskSpec::name>("name", "The disk's name in this guest.", {.format = "name"}),
      field<&DiskSpec::layer>("layer", "The volume layer on top of its chain.",
                              {.read_only = true}),
      field<&DiskSpec::size>("size_bytes", "Capacity the guest sees.", {.min = 1 << 20}),
      field<&DiskSpec::bus>("bus", "Disk controller."),
      field<&DiskSpec::slot>("slot", "Its place on the bus, assigned once and kept.",
                             {.read_only = true}),
      field<&DiskSpec::cache>("cache", "Caches of the host."),
      field<&DiskSpec::discard>("discard", "What the guest trims is given back to the datastore."),
      field<&DiskSpec::limits>("limits", "What it may do at most."));
}

struct CdromSpec {
  std::string name;  // cdrom0, cdrom1, …
  std::optional<ImageId> image;  // absent: the drive is empty
  std::optional<LayerId> layer;  // of the image
  std::uint32_t slot = 0;
};
constexpr auto describe(Type<CdromSpec>) {
  return structure<CdromSpec>(
      "CdromSpec", "A CD-ROM drive.",
      field<&CdromSpec::name>("name", "The drive's name in this guest.", {.format = "name"}),
      field<&CdromSpec::image>("image", "The image in the drive; absent: it is empty.",
                               {.read_only = true}),
      field<&CdromSpec::layer>("layer", "Layer of the image.", {.read_only = true}),
      field<&CdromSpec::slot>("slot", "Its SATA port, assigned once and kept.",
                              {.read_only = true}));
}

struct PortForward {
  std::uint16_t host_port = 0;
  std::uint16_t guest_port = 0;
  friend bool operator==(const PortForward&, const PortForward&) = default;
};
constexpr auto describe(Type<PortForward>) {
  return structure<PortForward>("PortForward",
                                "A TCP port of 127.0.0.1 on the host that leads into the guest.",
                                field<&PortForward::host_port>("host_port", "Port on the host.",
                                                               {.required = true, .min = 1}),
                                field<&PortForward::guest_port>("guest_port", "Port in the guest.",
                                                                {.required = true, .min = 1}));
}

enum class NicKind { user, network };
constexpr auto describe(Type<NicKind>) {
  return enumeration<NicKind>(
      "NicKind", "What a network adapter is plugged into.",
      value(NicKind::user, "user", "QEMU's own NAT; needs no host network."),
      value(NicKind::network, "network", "A network of the host."));
}

enum class NicModel { virtio, e1000e };
constexpr auto describe(Type<NicModel>) {
  return enumeration<NicModel>(
      "NicModel", "The adapter that the guest sees.",
      value(NicModel::virtio, "virtio", "Fast, the default of systems that have the driver."),
      value(NicModel::e1000e, "e1000e", "Intel 82574L; nearly every system has a driver."));
}

enum class LinkState { up, down };
constexpr auto describe(Type<LinkState>) {
  return enumeration<LinkState>("LinkState", "The cable of a network adapter.",
                                value(LinkState::up, "up", "Plugged in."),
                                value(LinkState::down, "down", "Pulled."));
}

struct NicSpec {
  std::string name;  // nic0, nic1, …
  NicKind kind = NicKind::user;
  std::string mac;  // 52:54:00:xx:xx:xx, assigned at creation
  std::vector<PortForward> forwards;
  std::uint32_t slot = 0;
  std::optional<NetworkId> network;  // of kind network
  std::string address;  // on its network: known before the guest boots, and its own until purged
  LinkState link = LinkState::up;
  NicModel model = NicModel::virtio;
  friend bool operator==(const NicSpec&, const NicSpec&) = default;
};
constexpr auto describe(Type<NicSpec>) {
  return structure<NicSpec>(
      "NicSpec", "A network adapter.",
      field<&NicSpec::name>("name", "The adapter's name in this guest.", {.format = "name"}),
      field<&NicSpec::kind>("kind", "What it is plugged into."),
      field<&NicSpec::network>("network", "The network it is plugged into.", {.read_only = true}),
      field<&NicSpec::mac>("mac", "Hardware address.", {.read_only = true}),
      field<&NicSpec::address>("address", "IPv4 address on its network.", {.read_only = true}),
      field<&NicSpec::forwards>("forwards", "Host ports that lead into the guest.",
                                {.max_length = 64}),
      field<&NicSpec::slot>("slot", "PCI device number on the root bus.", {.read_only = true}),
      field<&NicSpec::link>("link", "Its cable."), field<&NicSpec::model>("model", "What it is."));
}

enum class BootKind { bios, direct_kernel, uefi };
constexpr auto describe(Type<BootKind>) {
  return enumeration<BootKind>(
      "BootKind", "What the guest starts with.",
      value(BootKind::bios, "bios", "The first disk, through SeaBIOS."),
      value(BootKind::direct_kernel, "direct-kernel", "A kernel and initramfs of an image."),
      value(BootKind::uefi, "uefi", "The first disk, or the image's kernel, through OVMF."));
}

struct BootSpec {
  BootKind kind = BootKind::bios;
  std::optional<LayerId> kernel;
  std::optional<LayerId> initrd;
  std::optional<LayerId> uefi_vars;
  std::string command_line;
  friend bool operator==(const BootSpec&, const BootSpec&) = default;
};
constexpr auto describe(Type<BootSpec>) {
  return structure<BootSpec>(
      "BootSpec", "How the guest boots.",
      field<&BootSpec::kind>("kind", "Firmware or direct kernel."),
      field<&BootSpec::kernel>("kernel", "Layer that holds the kernel.", {.read_only = true}),
      field<&BootSpec::initrd>("initrd", "Layer that holds the initramfs.", {.read_only = true}),
      field<&BootSpec::uefi_vars>("uefi_vars", "Layer that holds the firmware's variables.",
                                  {.read_only = true}),
      field<&BootSpec::command_line>("command_line", "Kernel command line.", {.max_length = 2048}));
}

struct CpuTopology {
  std::uint32_t sockets = 1;
  std::uint32_t cores = 1;
  std::uint32_t threads = 1;
  friend bool operator==(const CpuTopology&, const CpuTopology&) = default;
};
constexpr auto describe(Type<CpuTopology>) {
  return structure<CpuTopology>(
      "CpuTopology", "How the virtual CPUs are arranged.",
      field<&CpuTopology::sockets>("sockets", "Sockets.", {.min = 1, .max = 64}),
      field<&CpuTopology::cores>("cores", "Cores in a socket.", {.min = 1, .max = 256}),
      field<&CpuTopology::threads>("threads", "Threads in a core.", {.min = 1, .max = 8}));
}

enum class DisplayKind { none, vga };
constexpr auto describe(Type<DisplayKind>) {
  return enumeration<DisplayKind>(
      "DisplayKind", "The screen the guest sees, with a tablet that points on it.",
      value(DisplayKind::none, "none", "None: a serial console only."),
      value(DisplayKind::vga, "vga", "A standard VGA adapter; every system has a driver."));
}

// What the guest is told about itself at its first boot, without what is secret (GuestSeed).
struct CloudInit {
  std::string user;
  std::string host_name;
  std::vector<std::string> ssh_keys;
  std::vector<std::string> packages;
  bool has_password = false;
  std::uint32_t user_data_length = 0;
  std::uint32_t vendor_data_length = 0;
};
constexpr auto describe(Type<CloudInit>) {
  return structure<CloudInit>(
      "CloudInit", "What the guest is told at its first boot (cloud-init, NoCloud).",
      field<&CloudInit::user>("user", "Name of its first user."),
      field<&CloudInit::host_name>("host_name", "Its host name."),
      field<&CloudInit::ssh_keys>("ssh_keys", "Public keys that may log in as that user."),
      field<&CloudInit::packages>("packages", "Packages to install."),
      field<&CloudInit::has_password>("has_password", "The user has a password."),
      field<&CloudInit::user_data_length>("user_data_length", "Bytes of its own user-data."),
      field<&CloudInit::vendor_data_length>("vendor_data_length", "Bytes of its vendor-data."));
}

struct VmSpec {
  GuestSystem system = GuestSystem::linux_;
  std::uint32_t cpus = 1;
  std::uint32_t cpus_max = 0;  // what `cpus` can grow to while it runs; 0: no more
  std::optional<CpuTopology> topology;  // absent: one socket, cpus cores
  CpuBaseline cpu_baseline = CpuBaseline::x86_64_v2;
  Bytes memory = mib(512);
  Bytes memory_max;  // what `memory` can grow to while it runs; 0: no more
  Bytes memory_min;  // what is left to it at least when memory is taken back; 0: none is
  Bytes memory_target;  // what it shall use at most at the moment (balloon); 0: all
  MemoryKind memory_kind = MemoryKind::private_;
  BootSpec boot;
  std::uint32_t hardware_version = 1;
  std::string machine_type;  // pinned at creation: pc-q35-10.0
  std::vector<DiskSpec> disks;
  std::vector<NicSpec> nics;
  std::vector<CdromSpec> cdroms;
  bool serial = true;
  DisplayKind display = DisplayKind::none;
  std::string generation_id;  // changes whenever the guest goes back in time or is copied
  std::optional<CloudInit> cloud_init;
  std::optional<WatchdogAction> watchdog;  // absent: it has none
  bool autostart = false;
  std::uint32_t start_order = 0;  // the lower the earlier; at a shutdown the higher the earlier
  Duration start_delay{0};  // before the next one is started
  RestartPolicy restart_policy = RestartPolicy::never;
};
constexpr auto describe(Type<VmSpec>) {
  return structure<VmSpec>(
      "VmSpec", "The hardware and policies of a virtual machine.",
      field<&VmSpec::system>("system", "What runs in it."),
      field<&VmSpec::cpus>("cpus", "Virtual CPUs.", {.min = 1, .max = 512}),
      field<&VmSpec::cpus_max>("cpus_max", "What `cpus` can grow to while it runs.", {.max = 512}),
      field<&VmSpec::topology>(
          "topology", "Sockets, cores, threads; their product is the most CPUs it can have."),
      field<&VmSpec::cpu_baseline>("cpu_baseline", "The processor the guest sees."),
      field<&VmSpec::memory>("memory_bytes", "Memory.", {.min = 16 << 20}),
      field<&VmSpec::memory_max>("memory_max_bytes",
                                 "What `memory_bytes` can grow to while it runs (virtio-mem)."),
      field<&VmSpec::memory_min>("memory_min_bytes",
                                 "What is left to it at least when memory is taken back from it "
                                 "(balloon); 0: it has no balloon."),
      field<&VmSpec::memory_target>("memory_target_bytes",
                                    "What it shall use at most at the moment (balloon); 0: all."),
      field<&VmSpec::memory_kind>("memory_kind", "How the memory is held."),
      field<&VmSpec::boot>("boot", "How it boots."),
      field<&VmSpec::hardware_version>("hardware_version", "Device mapping version.",
                                       {.min = 1, .max = 1}),
      field<&VmSpec::machine_type>("machine_type", "QEMU machine, pinned at creation.",
                                   {.read_only = true}),
      field<&VmSpec::disks>("disks", "Disks, in boot order.", {.max_length = 16}),
      field<&VmSpec::nics>("nics", "Network adapters.", {.max_length = 8}),
      field<&VmSpec::cdroms>("cdroms", "CD-ROM drives, in boot order after the disks.",
                             {.max_length = 4}),
      field<&VmSpec::serial>("serial", "A serial console."),
      field<&VmSpec::display>("display", "The screen."),
      field<&VmSpec::generation_id>("generation_id", "VM generation id, for the guest to see.",
                                    {.format = "uuid", .read_only = true}),
      field<&VmSpec::cloud_init>("cloud_init", "What the guest is told at its first boot.",
                                 {.read_only = true}),
      field<&VmSpec::watchdog>("watchdog", "Its watchdog (i6300esb), and what that does."),
      field<&VmSpec::autostart>("autostart", "Start it after a boot of the host."),
      field<&VmSpec::start_order>("start_order",
                                  "Guests with a lower number are started earlier and shut down "
                                  "later."),
      field<&VmSpec::start_delay>("start_delay_ms", "Pause before the next one is started.",
                                  {.max = 3'600'000}),
      field<&VmSpec::restart_policy>("restart_policy", "What happens after a crash."));
}

// The part of a guest's seed that no answer and no export shows: it can be written, never read. In
// the store each text is sealed by the host that took it (ports/sealing.hpp).
inline constexpr std::size_t kLongestSealedText = 90'000;  // of 64 KiB of plain text

struct GuestSeed {
  std::string password_hash;  // crypt(5)
  std::string user_data;
  std::string vendor_data;
};
constexpr auto describe(Type<GuestSeed>) {
  return structure<GuestSeed>(
      "GuestSeed", "What is secret of a guest's seed.",
      field<&GuestSeed::password_hash>("password_hash", "Hash of the user's password (crypt(5))."),
      field<&GuestSeed::user_data>("user_data", "The user-data as it was given.",
                                   {.max_length = kLongestSealedText}),
      field<&GuestSeed::vendor_data>("vendor_data", "The vendor-data as it was given.",
                                     {.max_length = kLongestSealedText}));
}

// What can be changed of a guest; what a change goes back to when its task fails.
struct GuestConfiguration {
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  VmSpec spec;
};
constexpr auto describe(Type<GuestConfiguration>) {
  using G = GuestConfiguration;
  return structure<G>("GuestConfiguration", "What can be changed of a guest.",
                      field<&G::name>("name", "Unique name."),
                      field<&G::display_name>("display_name", "Name for people."),
                      field<&G::description>("description", "Notes."),
                      field<&G::tags>("tags", "Tags."), field<&G::spec>("spec", "Hardware."));
}

// The stored wish: guests/<id>/spec. Its revision is the ETag.
struct Guest {
  GuestId id;
  GuestKind kind = GuestKind::vm;
  std::string name;
  std::string display_name;
  std::string description;
  std::vector<std::string> tags;
  DatastoreId datastore;    // where its directory is
  std::optional<ImageId> image;
  std::uint32_t uid = 0;    // unprivileged user of its process, cluster-wide unique
  VmSpec spec;
  std::optional<GuestSeed> seed;
  Timestamp created_at;
  std::optional<Timestamp> deleted_at;  // in the recycle bin since
};
constexpr auto describe(Type<Guest>) {
  return structure<Guest>(
      "Guest", "A guest as the store keeps it.", field<&Guest::id>("id", "Immutable id."),
      field<&Guest::kind>("kind", "Virtual machine or container."),
      field<&Guest::name>("name", "Unique name.", {.format = "name"}),
      field<&Guest::display_name>("display_name", "Name for people.", {.max_length = 200}),
      field<&Guest::description>("description", "Notes.", {.max_length = 4096}),
      field<&Guest::tags>("tags", "Tags.", {.max_length = 64}),
      field<&Guest::datastore>("datastore", "Datastore of its directory."),
      field<&Guest::image>("image", "The image it came from."),
      field<&Guest::uid>("uid", "User id of its process."),
      field<&Guest::spec>("spec", "Hardware."),
      field<&Guest::seed>("seed", "What is secret of its seed."),
      field<&Guest::created_at>("created_at", "When it was created."),
      field<&Guest::deleted_at>("deleted_at", "In the recycle bin since."));
}

// What the owner observed last. `crashed` is not `stopped`: QEMU ended without being asked.
enum class GuestState { provisioning, stopped, running, paused, crashed, broken };
constexpr auto describe(Type<GuestState>) {
  return enumeration<GuestState>(
      "GuestState", "What the owner observed last.",
      value(GuestState::provisioning, "provisioning", "Its volumes are being made."),
      value(GuestState::stopped, "stopped", "It has no process."),
      value(GuestState::running, "running", "Its CPUs run."),
      value(GuestState::paused, "paused", "It has a process, its CPUs stand still."),
      value(GuestState::crashed, "crashed", "Its process ended without being asked."),
      value(GuestState::broken, "broken", "What was read of it makes no sense; see last_error."));
}

enum class PauseCause { asked, no_space, panic, watchdog, other };
constexpr auto describe(Type<PauseCause>) {
  return enumeration<PauseCause>(
      "PauseCause", "Why a guest's CPUs stand still.",
      value(PauseCause::asked, "asked", "Somebody paused it."),
      value(PauseCause::no_space, "no-space",
            "A disk's datastore is full; it goes on by itself when there is room."),
      value(PauseCause::panic, "panic", "Its system gave up (panic, blue screen)."),
      value(PauseCause::watchdog, "watchdog", "It did not feed its watchdog."),
      value(PauseCause::other, "other", "QEMU stopped it."));
}

struct DiskStatus {
  std::string name;
  std::string path;
};
constexpr auto describe(Type<DiskStatus>) {
  return structure<DiskStatus>("DiskStatus", "A disk as the hypervisor has it.",
                               field<&DiskStatus::name>("name", "Disk name."),
                               field<&DiskStatus::path>("path", "File of its top layer."));
}

// What the guest agent last said; present once it has answered, since the guest's start.
struct AgentStatus {
  bool connected = false;
  std::string version;
  std::string host_name;
  std::string os;      // "Debian GNU/Linux 12 (bookworm)"
  std::string kernel;  // "6.1.0-40-cloud-amd64"
  bool initialized = false;
  std::vector<std::string> ssh_host_keys;
  friend bool operator==(const AgentStatus&, const AgentStatus&) = default;
};
constexpr auto describe(Type<AgentStatus>) {
  return structure<AgentStatus>(
      "AgentStatus", "What the agent inside the guest says; not to be trusted.",
      field<&AgentStatus::connected>("connected", "It answers."),
      field<&AgentStatus::version>("version", "Version of the agent."),
      field<&AgentStatus::host_name>("host_name", "Host name."),
      field<&AgentStatus::os>("os", "Operating system."),
      field<&AgentStatus::kernel>("kernel", "Kernel release."),
      field<&AgentStatus::initialized>("initialized", "cloud-init has done all of its work."),
      field<&AgentStatus::ssh_host_keys>("ssh_host_keys", "Public keys of its SSH server."));
}

// What a process has, which is what the specification said at its start and what was changed since.
// Where the two differ a change waits for the next start (model/hardware_change.hpp).
struct RunningHardware {
  VmSpec spec;
  Bytes base_memory;  // that it started with; the rest was added and can be taken away again
  std::vector<std::uint32_t> ports;  // PCI root ports, in use or not
};
constexpr auto describe(Type<RunningHardware>) {
  return structure<RunningHardware>(
      "RunningHardware", "The hardware that a guest's process has.",
      field<&RunningHardware::spec>("spec", "As of a specification."),
      field<&RunningHardware::base_memory>("base_memory_bytes", "Memory that it started with."),
      field<&RunningHardware::ports>("ports", "Its PCI root ports."));
}

// guests/<id>/status: written by the owner only, comparing the placement's epoch.
struct GuestStatus {
  GuestState state = GuestState::provisioning;
  std::uint64_t epoch = 0;
  std::optional<std::int32_t> pid;
  std::vector<std::string> qemu_argv;
  std::string accelerator;  // kvm, tcg
  std::vector<std::string> addresses;
  std::vector<DiskStatus> disks;
  std::string cgroup;
  std::string last_error;
  std::optional<Timestamp> started_at;
  std::uint32_t crashes = 0;  // since the last wished start; paces the restart policy
  std::optional<AgentStatus> agent;
  std::optional<Timestamp> thaw_at;  // its file systems are frozen until then at the latest
  std::optional<RunningHardware> running;  // while it has a process
  std::optional<PauseCause> pause_cause;  // while it is paused
};
constexpr auto describe(Type<GuestStatus>) {
  return structure<GuestStatus>(
      "GuestStatus", "What the owner observed.", field<&GuestStatus::state>("state", "State."),
      field<&GuestStatus::epoch>("epoch", "Placement epoch of the observation."),
      field<&GuestStatus::pid>("pid", "Process id of QEMU."),
      field<&GuestStatus::qemu_argv>("qemu_argv", "QEMU's command line."),
      field<&GuestStatus::accelerator>("accelerator", "kvm or tcg."),
      field<&GuestStatus::addresses>("addresses", "Known IP addresses."),
      field<&GuestStatus::disks>("disks", "Disks."),
      field<&GuestStatus::cgroup>("cgroup", "Control group of its process."),
      field<&GuestStatus::last_error>("last_error",
                                      "Why it crashed or is broken, or why a start failed."),
      field<&GuestStatus::started_at>("started_at", "When its CPUs first ran."),
      field<&GuestStatus::crashes>("crashes", "Crashes since the last wished start."),
      field<&GuestStatus::agent>("agent", "What its agent says."),
      field<&GuestStatus::thaw_at>("thaw_at", "Its file systems are frozen, at most until then."),
      field<&GuestStatus::running>("running", "The hardware that its process has."),
      field<&GuestStatus::pause_cause>("pause_cause", "Why its CPUs stand still."));
}

}  // namespace ruche::model
