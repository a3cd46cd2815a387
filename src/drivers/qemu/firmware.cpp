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

// The variables may be written by the firmware only, which runs in system management mode then. A
// sleep to memory (S3) would leave that mode open to the system that wakes up.
void add_protection(Arguments& out) {
  out.add("-global", "driver=cfi.pflash01,property=secure,value=on");
  out.add("-global", "ICH9-LPC.disable_s3=1");
}

}  // namespace

std::string firmware_properties(const model::BootSpec& boot) {
  if (boot.kind != model::BootKind::uefi) return {};
  return std::string(boot.secure ? ",smm=on" : "") + ",pflash0=firmware,pflash1=variables";
}

std::optional<ports::UefiFirmware> find_firmware(const std::string& root) {
  ports::UefiFirmware found{
      root + "/OVMF/OVMF_CODE_4M.fd", root + "/OVMF/OVMF_VARS_4M.fd", {}, {}, {}};
  const auto size = file_size(found.variables_path);
  if (!size || !file_size(found.code_path)) return std::nullopt;
  found.variables_size = *size;
  const auto secure_code = root + "/OVMF/OVMF_CODE_4M.ms.fd";
  const auto secure_variables = root + "/OVMF/OVMF_VARS_4M.ms.fd";
  if (file_size(secure_code) && file_size(secure_variables) == size) {
    found.secure_code_path = secure_code;
    found.secure_variables_path = secure_variables;
  }
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
  const bool secure = machine.spec.boot.secure;
  if (secure && facts.secure_uefi_code.empty()) {
    return std::unexpected(
        Error(Reason::host_cannot, "this host's UEFI firmware has no Secure Boot")
            .at("/boot/secure")
            .remedy("install Debian's package ovmf, then restart ruched"));
  }
  if (secure) add_protection(out);
  const auto& code = secure ? facts.secure_uefi_code : facts.uefi_code;
  add_flash(out, "firmware", out.fdset(code, Arguments::Access::read_only), false);
  add_flash(out, "variables", out.fdset(machine.uefi_vars_path, Arguments::Access::read_write),
            true);
  return {};
}

}  // namespace ruche::drivers::qemu
