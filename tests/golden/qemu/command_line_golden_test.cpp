// Specification → QEMU's command line, one argument a line, then the descriptors to open.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "drivers/qemu/command_line.hpp"
#include "golden.hpp"

namespace ruche::ports {

constexpr auto describe(Type<ImageFile>) {
  return structure<ImageFile>("ImageFile", "One file of a chain.",
                              field<&ImageFile::path>("path", "Path.", {.required = true}),
                              field<&ImageFile::format>("format", "Format."));
}
constexpr auto describe(Type<MachineDisk>) {
  return structure<MachineDisk>("MachineDisk", "The files of a disk, top first.",
                                field<&MachineDisk::name>("name", "Name.", {.required = true}),
                                field<&MachineDisk::chain>("chain", "Files."));
}
constexpr auto describe(Type<AttachedPort>) {
  return structure<AttachedPort>(
      "AttachedPort", "A plug; its descriptor is not open here.",
      field<&AttachedPort::nic>("nic", "Adapter.", {.required = true}),
      field<&AttachedPort::interface>("interface", "Tap.", {.required = true}));
}
constexpr auto describe(Type<MachineCdrom>) {
  return structure<MachineCdrom>("MachineCdrom", "The file of a CD-ROM drive.",
                                 field<&MachineCdrom::name>("name", "Name.", {.required = true}),
                                 field<&MachineCdrom::path>("path", "Path."));
}
constexpr auto describe(Type<HostDevice>) {
  return structure<HostDevice>("HostDevice", "The node of a device of the host.",
                               field<&HostDevice::name>("name", "Name.", {.required = true}),
                               field<&HostDevice::path>("path", "Node."));
}
constexpr auto describe(Type<SeedFile>) {
  return structure<SeedFile>("SeedFile", "A file of the seed.",
                             field<&SeedFile::name>("name", "Name.", {.required = true}),
                             field<&SeedFile::content>("content", "Text."));
}
constexpr auto describe(Type<SavedMachine>) {
  using S = SavedMachine;
  return structure<S>("SavedMachine", "What a suspended machine goes on from.",
                      field<&S::memory_path>("memory_path", "File.", {.required = true}),
                      field<&S::base_memory>("base_memory_bytes", "Memory at its start."),
                      field<&S::ports>("ports", "PCI root ports."));
}
constexpr auto describe(Type<MachineSpec>) {
  return structure<MachineSpec>(
      "MachineSpec", "A launch.", field<&MachineSpec::guest>("guest", "Id."),
      field<&MachineSpec::name>("name", "Name."), field<&MachineSpec::spec>("spec", "Hardware."),
      field<&MachineSpec::disks>("disks", "Files."), field<&MachineSpec::ports>("ports", "Plugs."),
      field<&MachineSpec::cdroms>("cdroms", "Media."),
      field<&MachineSpec::kernel_path>("kernel_path", "Kernel."),
      field<&MachineSpec::initrd_path>("initrd_path", "Initramfs."),
      field<&MachineSpec::uefi_vars_path>("uefi_vars_path", "Firmware variables."),
      field<&MachineSpec::tpm_state_path>("tpm_state_path", "What the TPM keeps."),
      field<&MachineSpec::usb>("usb", "Nodes of USB devices."),
      field<&MachineSpec::pci>("pci", "Nodes of PCI devices."),
      field<&MachineSpec::seed>("seed", "Files of the seed."),
      field<&MachineSpec::saved>("saved", "What it goes on from."));
}

}  // namespace ruche::ports

namespace ruche::drivers::qemu {
namespace {

struct Case {
  model::Accelerator accelerator = model::Accelerator::tcg;
  bool without_uefi = false;
  bool without_secure_boot = false;
  bool without_tpm = false;
  bool without_shares = false;
  std::uint32_t host_nodes = 1;
  std::vector<std::string> models;
  ports::MachineSpec machine;
};
constexpr auto describe(Type<Case>) {
  return structure<Case>(
      "Case", "A golden case.", field<&Case::accelerator>("accelerator", "kvm or tcg."),
      field<&Case::without_uefi>("without_uefi", "No firmware is installed."),
      field<&Case::without_secure_boot>("without_secure_boot", "The firmware has none."),
      field<&Case::without_tpm>("without_tpm", "No swtpm is installed."),
      field<&Case::without_shares>("without_shares", "No virtiofsd is installed."),
      field<&Case::host_nodes>("host_nodes", "NUMA nodes of the host."),
      field<&Case::models>("models", "The devices that QEMU has; none: it did not say."),
      field<&Case::machine>("machine", "What to launch."));
}

std::string render(const std::string& input) {
  const auto decoded = json::try_decode<Case>(input);
  if (!decoded) return "input refused: " + decoded.error().full_message();
  const EngineFacts facts{"/usr/bin/qemu-system-x86_64",
                          decoded->accelerator,
                          {"pc-q35-9.2", "pc-q35-10.0"},
                          decoded->without_uefi ? "" : "/usr/share/OVMF/OVMF_CODE_4M.fd",
                          decoded->host_nodes,
                          decoded->without_uefi || decoded->without_secure_boot
                              ? ""
                              : "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
                          decoded->without_tpm ? "swtpm is not installed" : "",
                          decoded->without_shares ? "virtiofsd is not installed" : "",
                          {decoded->models.begin(), decoded->models.end()}};
  const auto line = build_command_line(decoded->machine, facts);
  if (!line) {
    const auto& error = line.error();
    return fmt::format("error: {}\nfield: {}\nmessage: {}\nremedy: {}", error.reason_name(),
                       error.field(), error.full_message(), error.remedy_text());
  }
  std::string out;
  for (const auto& word : line->argv) out += word + "\n";
  out += "--- descriptors\n";
  for (const auto& file : line->files) {
    out += fmt::format("{} {} {}{}\n", file.number, file.writable ? "rw" : "ro", file.path,
                       file.by_path ? " (opened again by path)" : "");
  }
  return out;
}

TEST(GoldenQemu, command_line) { golden::check_area("qemu", render); }

}  // namespace
}  // namespace ruche::drivers::qemu
