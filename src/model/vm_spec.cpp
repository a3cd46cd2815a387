#include "model/vm_spec.hpp"

namespace ruche::model {

constexpr auto describe(Type<CpuBaseline>) {
  return enumeration<CpuBaseline>(
      "CpuBaseline", "The processor a guest sees; the same on every host that can run it.",
      value(CpuBaseline::x86_64_v2, "x86-64-v2", "SSE4.2 and older; every 64-bit server runs it."),
      value(CpuBaseline::x86_64_v3, "x86-64-v3", "Adds AVX2, BMI and FMA."),
      value(CpuBaseline::x86_64_v4, "x86-64-v4", "Adds AVX-512."),
      value(CpuBaseline::host, "host", "Whatever this host has; not for migration."));
}

constexpr auto describe(Type<MemoryKind>) {
  return enumeration<MemoryKind>(
      "MemoryKind", "How the guest's memory is held; fixed while it runs.",
      value(MemoryKind::private_, "private", "Anonymous memory, the default."),
      value(MemoryKind::shareable, "shareable", "A memory file; instant-clone sources need it."));
}

constexpr auto describe(Type<RestartPolicy>) {
  return enumeration<RestartPolicy>(
      "RestartPolicy", "What happens after a crash.",
      value(RestartPolicy::never, "never", "It stays crashed until somebody starts it."),
      value(RestartPolicy::on_crash, "on-crash", "It is started again, with growing pauses."));
}

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

constexpr auto describe(Type<WatchdogAction>) {
  return enumeration<WatchdogAction>(
      "WatchdogAction", "What happens when a guest stops feeding its watchdog.",
      value(WatchdogAction::reset, "reset", "It is reset."),
      value(WatchdogAction::power_off, "power-off", "It is powered off."),
      value(WatchdogAction::pause, "pause", "Its CPUs are stopped, for somebody to look."),
      value(WatchdogAction::none, "none", "It is only told."));
}

constexpr auto describe(Type<BootKind>) {
  return enumeration<BootKind>(
      "BootKind", "What the guest starts with.",
      value(BootKind::bios, "bios", "The first disk, through SeaBIOS."),
      value(BootKind::direct_kernel, "direct-kernel", "A kernel and initramfs of an image."),
      value(BootKind::uefi, "uefi", "The first disk, or the image's kernel, through OVMF."));
}

constexpr auto describe(Type<BootSpec>) {
  return structure<BootSpec>(
      "BootSpec", "How the guest boots.",
      field<&BootSpec::kind>("kind", "Firmware or direct kernel."),
      field<&BootSpec::secure>("secure", "Secure Boot: the firmware starts signed programs only."),
      field<&BootSpec::order>("order",
                              "Devices that it tries to boot from, by name; disks, drives and "
                              "adapters in turn when empty.",
                              {.max_length = 28}),
      field<&BootSpec::kernel>("kernel", "Layer that holds the kernel.", {.read_only = true}),
      field<&BootSpec::initrd>("initrd", "Layer that holds the initramfs.", {.read_only = true}),
      field<&BootSpec::uefi_vars>("uefi_vars", "Layer that holds the firmware's variables.",
                                  {.read_only = true}),
      field<&BootSpec::command_line>("command_line", "Kernel command line.", {.max_length = 2048}));
}

constexpr auto describe(Type<CpuTopology>) {
  return structure<CpuTopology>(
      "CpuTopology", "How the virtual CPUs are arranged.",
      field<&CpuTopology::sockets>("sockets", "Sockets.", {.min = 1, .max = 64}),
      field<&CpuTopology::cores>("cores", "Cores in a socket.", {.min = 1, .max = 256}),
      field<&CpuTopology::threads>("threads", "Threads in a core.", {.min = 1, .max = 8}));
}

constexpr auto describe(Type<SmbiosSpec>) {
  using S = SmbiosSpec;
  return structure<S>("SmbiosSpec", "What the board says of itself (SMBIOS).",
                      field<&S::manufacturer>("manufacturer", "Maker.", {.max_length = 64}),
                      field<&S::product>("product", "Product.", {.max_length = 64}),
                      field<&S::version>("version", "Version.", {.max_length = 64}),
                      field<&S::serial>("serial", "Serial number.", {.max_length = 64}),
                      field<&S::sku>("sku", "Stock keeping unit.", {.max_length = 64}),
                      field<&S::family>("family", "Family.", {.max_length = 64}),
                      field<&S::asset_tag>("asset_tag", "Asset tag.", {.max_length = 64}));
}

constexpr auto describe(Type<NumaSpec>) {
  return structure<NumaSpec>(
      "NumaSpec", "NUMA nodes that the guest sees; CPUs and memory are split evenly.",
      field<&NumaSpec::nodes>("nodes", "How many.", {.min = 1, .max = 16}),
      field<&NumaSpec::bind>("bind", "Node n's memory comes from the host's node n only."));
}

constexpr auto describe(Type<HugePageSize>) {
  return enumeration<HugePageSize>(
      "HugePageSize", "Pages of the host that the guest's memory is made of.",
      value(HugePageSize::none, "none", "Ordinary ones; the kernel may join them."),
      value(HugePageSize::mib2, "2m", "2 MiB each, from the host's pool."),
      value(HugePageSize::gib1, "1g", "1 GiB each, from the host's pool."));
}

constexpr auto describe(Type<HostShutdownAction>) {
  return enumeration<HostShutdownAction>(
      "HostShutdownAction", "What happens to a guest that runs when its host goes down.",
      value(HostShutdownAction::shut_down, "shut-down", "It is shut down in order."),
      value(HostShutdownAction::suspend, "suspend",
            "Its memory is saved to disk; the next start goes on from there."));
}

constexpr auto describe(Type<CloudInit>) {
  return structure<CloudInit>(
      "CloudInit", "What the guest is told at its first boot (cloud-init, NoCloud).",
      field<&CloudInit::user>("user", "Name of its first user."),
      field<&CloudInit::host_name>("host_name", "Its host name."),
      field<&CloudInit::ssh_keys>("ssh_keys", "Public keys that may log in as that user."),
      field<&CloudInit::packages>("packages", "Packages to install."),
      field<&CloudInit::has_password>("has_password", "The user has a password."),
      field<&CloudInit::user_data_length>("user_data_length", "Bytes of its own user-data."),
      field<&CloudInit::vendor_data_length>("vendor_data_length", "Bytes of its vendor-data."),
      field<&CloudInit::copied>("copied", "Its disks were another's; its machine id is its own."));
}

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
      field<&VmSpec::disks>("disks", "Disks, in boot order.", {.max_length = kMostDisks}),
      field<&VmSpec::nics>("nics", "Network adapters.", {.max_length = kMostNics}),
      field<&VmSpec::cdroms>("cdroms", "CD-ROM drives, in boot order after the disks.",
                             {.max_length = kMostDrives}),
      field<&VmSpec::shares>("shares", "Folders of the host.", {.max_length = kMostFolders}),
      field<&VmSpec::usb>("usb", "USB devices of the host.", {.max_length = kMostUsb}),
      field<&VmSpec::pci>("pci", "PCI devices of the host.", {.max_length = kMostPci}),
      field<&VmSpec::serial>("serial", "A serial console."),
      field<&VmSpec::serial_ports>("serial_ports",
                                   "Serial ports, where it has any; the first is the console.",
                                   {.min = 1, .max = kMostSerialPorts}),
      field<&VmSpec::display>("display", "The screen."),
      field<&VmSpec::generation_id>("generation_id", "VM generation id, for the guest to see.",
                                    {.format = "uuid", .read_only = true}),
      field<&VmSpec::cloud_init>("cloud_init", "What the guest is told at its first boot.",
                                 {.read_only = true}),
      field<&VmSpec::watchdog>("watchdog", "Its watchdog (i6300esb), and what that does."),
      field<&VmSpec::tpm>("tpm", "Its TPM 2.0.", {.read_only = true}),
      field<&VmSpec::sound>("sound", "Its sound card."),
      field<&VmSpec::smbios>("smbios", "What its board says of itself."),
      field<&VmSpec::numa>("numa", "Its NUMA nodes."),
      field<&VmSpec::huge_pages>("huge_pages", "Huge pages for its memory."),
      field<&VmSpec::cpu_pins>("cpu_pins",
                               "Hardware threads that each CPU may run on, as in 0-3,8; one entry "
                               "is for all.",
                               {.max_length = 512}),
      field<&VmSpec::on_host_shutdown>("on_host_shutdown", "What happens when its host goes down."),
      field<&VmSpec::autostart>("autostart", "Start it after a boot of the host."),
      field<&VmSpec::start_order>("start_order",
                                  "Guests with a lower number are started earlier and shut down "
                                  "later."),
      field<&VmSpec::start_delay>("start_delay_ms", "Pause before the next one is started.",
                                  {.max = 3'600'000}),
      field<&VmSpec::restart_policy>("restart_policy", "What happens after a crash."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::CpuBaseline>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::RestartPolicy>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::GuestSystem>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::WatchdogAction>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BootKind>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BootSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CpuTopology>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::SmbiosSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NumaSpec>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HugePageSize>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostShutdownAction>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CloudInit>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::VmSpec>();
