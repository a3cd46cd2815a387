#include "drivers/qemu/firmware.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace ruche::drivers::qemu {

namespace {

std::optional<Bytes> file_size(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= 0) return {};
  return Bytes{info.st_size};
}

void add_flash(Arguments& out, const char* node, const std::string& file, bool writable) {
  out.add("-blockdev", fmt::format(R"({{"driver":"file","node-name":"{}f","filename":"{}",)"
                                   R"("locking":"on","read-only":{}}})",
                                   node, file, !writable));
  out.add("-blockdev", fmt::format(R"({{"driver":"raw","node-name":"{}","read-only":{},)"
                                   R"("file":"{}f"}})",
                                   node, !writable, node));
}

}  // namespace

std::optional<ports::UefiFirmware> find_firmware(const std::string& root) {
  ports::UefiFirmware found{root + "/OVMF/OVMF_CODE_4M.fd", root + "/OVMF/OVMF_VARS_4M.fd", {}};
  const auto size = file_size(found.variables_path);
  if (!size || !file_size(found.code_path)) return std::nullopt;
  found.variables_size = *size;
  return found;
}

std::expected<void, Error> add_firmware(Arguments& out, const ports::MachineSpec& machine,
                                        const EngineFacts& facts) {
  if (facts.uefi_code.empty()) {
    return std::unexpected(Error(Reason::host_cannot, "this host has no UEFI firmware for guests")
                               .at("/boot/kind")
                               .remedy("install the package ovmf, then restart ruched"));
  }
  if (machine.uefi_vars_path.empty()) {
    return std::unexpected(
        Error(Reason::bad_spec, "UEFI boot needs a file of variables").at("/boot/uefi_vars"));
  }
  add_flash(out, "firmware", out.fdset(facts.uefi_code, Arguments::Access::read_only), false);
  add_flash(out, "variables", out.fdset(machine.uefi_vars_path, Arguments::Access::read_write),
            true);
  return {};
}

}  // namespace ruche::drivers::qemu
