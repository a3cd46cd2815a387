#include "model/host_facts.hpp"

namespace ruche::model {

constexpr auto describe(Type<ProcessorFacts>) {
  return structure<ProcessorFacts>(
      "HostProcessor", "The processor of a host.",
      field<&ProcessorFacts::architecture>("architecture", "Architecture."),
      field<&ProcessorFacts::model>("model", "Model."),
      field<&ProcessorFacts::sockets>("sockets", "Sockets."),
      field<&ProcessorFacts::cores>("cores", "Cores."),
      field<&ProcessorFacts::threads>("threads", "Hardware threads."),
      field<&ProcessorFacts::level>("level", "x86-64 microarchitecture level."),
      field<&ProcessorFacts::virtualization>("virtualization", "VT-x or AMD-V, when shown."),
      field<&ProcessorFacts::nested_paging>("nested_paging", "EPT or NPT, when shown."),
      field<&ProcessorFacts::under_hypervisor>("under_hypervisor", "It is a guest itself."),
      field<&ProcessorFacts::turbo>("turbo", "on, off, or empty when unknown."),
      field<&ProcessorFacts::governor>("governor", "Frequency governor."));
}

constexpr auto describe(Type<NumaNode>) {
  return structure<NumaNode>("NumaNode", "Processors and the memory that is near them.",
                             field<&NumaNode::id>("id", "Number."),
                             field<&NumaNode::cpus>("cpus", "Its hardware threads."),
                             field<&NumaNode::memory>("memory_bytes", "Memory."),
                             field<&NumaNode::memory_free>("memory_free_bytes", "Free memory."));
}

constexpr auto describe(Type<HugePages>) {
  return structure<HugePages>("HugePages", "A pool of huge pages.",
                              field<&HugePages::size>("size_bytes", "Size of a page."),
                              field<&HugePages::total>("total", "Pages."),
                              field<&HugePages::free>("free", "Free pages."));
}

constexpr auto describe(Type<MemoryFacts>) {
  return structure<MemoryFacts>(
      "HostMemory", "The memory of a host.", field<&MemoryFacts::total>("total_bytes", "In all."),
      field<&MemoryFacts::available>("available_bytes", "To be had without swapping."),
      field<&MemoryFacts::swap>("swap_bytes", "Swap space."),
      field<&MemoryFacts::numa>("numa", "NUMA nodes."),
      field<&MemoryFacts::huge_pages>("huge_pages", "Pools of huge pages."),
      field<&MemoryFacts::transparent_huge_pages>("transparent_huge_pages",
                                                  "always, madvise or never."),
      field<&MemoryFacts::ecc_controllers>("ecc_controllers",
                                           "Memory controllers that report errors (EDAC)."),
      field<&MemoryFacts::corrected_errors>("corrected_errors", "Memory errors that were mended."),
      field<&MemoryFacts::uncorrected_errors>("uncorrected_errors",
                                              "Memory errors that were not."));
}

constexpr auto describe(Type<DiskFacts>) {
  return structure<DiskFacts>(
      "HostDisk", "A disk of a host.", field<&DiskFacts::name>("name", "Kernel name."),
      field<&DiskFacts::model>("model", "Model."), field<&DiskFacts::size>("size_bytes", "Size."),
      field<&DiskFacts::rotational>("rotational", "It turns."),
      field<&DiskFacts::in_use>("in_use", "The host has something of it mounted."),
      field<&DiskFacts::pci>("pci", "Address of the PCI device that it is behind."));
}

constexpr auto describe(Type<NicFacts>) {
  return structure<NicFacts>("HostNic", "A network adapter of a host.",
                             field<&NicFacts::name>("name", "Kernel name."),
                             field<&NicFacts::mac>("mac", "MAC address."),
                             field<&NicFacts::driver>("driver", "Kernel driver."),
                             field<&NicFacts::up>("up", "The link is up."),
                             field<&NicFacts::speed_mbit>("speed_mbit", "Mbit/s, 0 if unknown."),
                             field<&NicFacts::pci>("pci", "Address of its PCI device."));
}

constexpr auto describe(Type<PciFacts>) {
  return structure<PciFacts>(
      "PciDevice", "A PCI device of a host.", field<&PciFacts::address>("address", "Address."),
      field<&PciFacts::device_class>("class", "What it is."),
      field<&PciFacts::vendor>("vendor", "Vendor id."),
      field<&PciFacts::device>("device", "Device id."),
      field<&PciFacts::driver>("driver", "Kernel driver."),
      field<&PciFacts::iommu_group>("iommu_group", "What is passed through together."),
      field<&PciFacts::bridge>("bridge", "It is a bridge."),
      field<&PciFacts::path>("path", "Its VFIO node, empty if there is none."));
}

constexpr auto describe(Type<MediatedFacts>) {
  return structure<MediatedFacts>(
      "MediatedDevice", "A part of a PCI device that its driver made (mdev).",
      field<&MediatedFacts::id>("id", "Its id."),
      field<&MediatedFacts::address>("address", "Address of the PCI device."),
      field<&MediatedFacts::kind>("kind", "Its kind, as its driver calls it."),
      field<&MediatedFacts::iommu_group>("iommu_group", "What is passed through together."),
      field<&MediatedFacts::path>("path", "Its VFIO node, empty if there is none."));
}

constexpr auto describe(Type<UsbFacts>) {
  return structure<UsbFacts>("UsbDevice", "A USB device of a host.",
                             field<&UsbFacts::path>("path", "Its node."),
                             field<&UsbFacts::vendor_id>("vendor_id", "Vendor id."),
                             field<&UsbFacts::product_id>("product_id", "Product id."),
                             field<&UsbFacts::manufacturer>("manufacturer", "Maker."),
                             field<&UsbFacts::product>("product", "Product."),
                             field<&UsbFacts::serial>("serial", "Serial number."),
                             field<&UsbFacts::hub>("hub", "It is a hub."),
                             field<&UsbFacts::holds>("holds", "What the host uses of it."));
}

constexpr auto describe(Type<BoardFacts>) {
  return structure<BoardFacts>("HostBoard", "Who made a host.",
                               field<&BoardFacts::vendor>("vendor", "Maker."),
                               field<&BoardFacts::product>("product", "Product."),
                               field<&BoardFacts::firmware>("firmware", "Firmware's version."),
                               field<&BoardFacts::firmware_date>("firmware_date", "Its date."),
                               field<&BoardFacts::uefi>("uefi", "It booted by UEFI."));
}

constexpr auto describe(Type<KernelFacts>) {
  return structure<KernelFacts>(
      "HostKernel", "The kernel of a host and what it offers.",
      field<&KernelFacts::release>("release", "Release."),
      field<&KernelFacts::command_line>("command_line", "Its command line."),
      field<&KernelFacts::kvm>("kvm", "usable, or why /dev/kvm is not; empty: it is absent."),
      field<&KernelFacts::kvm_module>("kvm_module", "Loaded module of KVM."),
      field<&KernelFacts::nested_paging_off>("nested_paging_off", "EPT or NPT is switched off."),
      field<&KernelFacts::nesting>("nesting", "Guests may have guests."),
      field<&KernelFacts::iommus>("iommus", "IOMMUs in use."),
      field<&KernelFacts::iommu_groups>("iommu_groups", "Their groups."),
      field<&KernelFacts::cgroup_version>("cgroup_version", "1, 2, or 0."),
      field<&KernelFacts::cgroup_writable>("cgroup_writable", "The daemon may make groups."),
      field<&KernelFacts::landlock>("landlock", "Version of Landlock, 0 if absent."),
      field<&KernelFacts::userfaultfd>("userfaultfd", "/dev/userfaultfd is there."),
      field<&KernelFacts::vhost_net>("vhost_net", "/dev/vhost-net is there."),
      field<&KernelFacts::tun>("tun", "/dev/net/tun is there."),
      field<&KernelFacts::vfio>("vfio", "/dev/vfio is there."),
      field<&KernelFacts::iommufd>("iommufd", "/dev/iommu is there."),
      field<&KernelFacts::nft_program>("nft_program", "The program nft is installed."),
      field<&KernelFacts::nftables>("nftables", "usable, or why not; empty: unknown."),
      field<&KernelFacts::clock_source>("clock_source", "Clock source in use."),
      field<&KernelFacts::clock_sources>("clock_sources", "Clock sources it could use."),
      field<&KernelFacts::clock_synchronized>("clock_synchronized",
                                              "yes, no, or empty when unknown."));
}

constexpr auto describe(Type<HypervisorFacts>) {
  return structure<HypervisorFacts>(
      "HostHypervisor", "QEMU on a host.",
      field<&HypervisorFacts::installed>("installed", "QEMU is installed."),
      field<&HypervisorFacts::accelerator>("accelerator", "What runs guest code."),
      field<&HypervisorFacts::reason>("reason", "Why."),
      field<&HypervisorFacts::version>("version", "QEMU's version, empty if absent."),
      field<&HypervisorFacts::features>("features", "What it can do."));
}

constexpr auto describe(Type<HostFacts>) {
  return structure<HostFacts>(
      "HostFacts", "What a host is, read when asked.",
      field<&HostFacts::processor>("processor", "Processor."),
      field<&HostFacts::memory>("memory", "Memory."), field<&HostFacts::disks>("disks", "Disks."),
      field<&HostFacts::nics>("nics", "Network adapters."),
      field<&HostFacts::pci>("pci", "PCI devices."),
      field<&HostFacts::mediated>("mediated", "Parts of PCI devices."),
      field<&HostFacts::usb>("usb", "USB devices."),
      field<&HostFacts::board>("board", "Board and firmware."),
      field<&HostFacts::kernel>("kernel", "Kernel."),
      field<&HostFacts::hypervisor>("hypervisor", "QEMU."),
      field<&HostFacts::is_root>("is_root", "The daemon is root."),
      field<&HostFacts::load>("load", "Hardware threads kept busy in the last minute."));
}

constexpr auto describe(Type<CheckLevel>) {
  return enumeration<CheckLevel>("CheckLevel", "How well a host does.",
                                 value(CheckLevel::ok, "ok", "As it should be."),
                                 value(CheckLevel::degraded, "degraded", "It works, less well."),
                                 value(CheckLevel::missing, "missing", "It is not there."));
}

constexpr auto describe(Type<Finding>) {
  return structure<Finding>("Finding", "One thing that was checked.",
                            field<&Finding::name>("name", "What."),
                            field<&Finding::level>("level", "How well it does."),
                            field<&Finding::needed>("needed", "No guest can start without it."),
                            field<&Finding::found>("found", "What was found."),
                            field<&Finding::why>("why", "Why it matters."),
                            field<&Finding::remedy>("remedy", "What to do about it."));
}

constexpr auto describe(Type<Reduced>) {
  return structure<Reduced>("Reduced", "What guests do without here.",
                            field<&Reduced::what>("what", "What."),
                            field<&Reduced::remedy>("remedy", "How to lift it."));
}

constexpr auto describe(Type<HostCheck>) {
  return structure<HostCheck>(
      "HostCheck", "What a host can do, and why it matters.",
      field<&HostCheck::id>("id", "Immutable id."), field<&HostCheck::name>("name", "Unique name."),
      field<&HostCheck::level>("level", "missing when guests cannot start; else the worst."),
      field<&HostCheck::findings>("findings", "What was checked."),
      field<&HostCheck::reduced>("reduced", "What guests do without here."));
}

}  // namespace ruche::model

template const ruche::TypeInfo& ruche::type_of<ruche::model::ProcessorFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NumaNode>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HugePages>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MemoryFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::DiskFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::NicFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::PciFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::MediatedFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::UsbFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::BoardFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::KernelFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HypervisorFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostFacts>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::CheckLevel>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Finding>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::Reduced>();
template const ruche::TypeInfo& ruche::type_of<ruche::model::HostCheck>();
