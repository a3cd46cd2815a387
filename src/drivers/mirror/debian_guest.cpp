#include "drivers/mirror/debian_guest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

namespace ruche::drivers::mirror {

namespace {

// In sectors. The first partition begins where GRUB's core image is put.
constexpr std::int64_t kGrubFirst = 2048;
constexpr std::int64_t kGrubCount = 2048;
constexpr std::int64_t kSystemFirst = kGrubFirst + kGrubCount;
constexpr std::int64_t kSystemCount = 32768;
constexpr std::int64_t kRootFirst = kSystemFirst + kSystemCount;
// The table at the end, and what is left to the next MiB.
constexpr std::int64_t kRootCount = kDebianDisk.count / kSector - kRootFirst - 2048;

// Every line that begins with "==>" is a step that people see.
constexpr std::string_view kScript = R"sh(set -eu
umask 022
exec 2>&1
codename=$1
packages=$2
mkdir tmp
export TMPDIR=$PWD/tmp
step() { echo "==> $*"; }

step "Fetching and unpacking packages"
mmdebstrap --verbose --mode=root --variant=apt --format=directory --components=main \
  --skip=chroot/mount/sys,cleanup/reproducible \
  --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Retries "2"' \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --include="$packages" "$codename" root ./sources.sources

step "Configuring"
cat > root/etc/cloud/cloud.cfg.d/90_ruche.cfg <<'END'
# Made by Ruche: what a guest is told comes on a CD labelled cidata.
datasource_list: [NoCloud, None]
apt:
  preserve_sources_list: true
# No locale is generated here, and setting one that is not there would fail.
locale: false
END
echo LANG=C.UTF-8 > root/etc/default/locale
mkdir -p root/etc/systemd/system.conf.d
cat > root/etc/systemd/system.conf.d/ruche.conf <<'END'
# Where processors are emulated and the host is busy, devices take long to appear.
[Manager]
DefaultDeviceTimeoutSec=300s
END
mkdir -p root/etc/systemd/system/systemd-networkd-wait-online.service.d
cat > root/etc/systemd/system/systemd-networkd-wait-online.service.d/ruche.conf <<'END'
# One address is enough, and a guest without a network must come up too.
[Service]
ExecStart=
ExecStart=-/lib/systemd/systemd-networkd-wait-online --any --timeout=20
END
chroot root systemctl enable systemd-networkd systemd-resolved systemd-timesyncd \
  serial-getty@ttyS0 > /dev/null
ln -sf ../run/systemd/resolve/stub-resolv.conf root/etc/resolv.conf
echo debian > root/etc/hostname
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' > root/etc/hosts
chroot root passwd --lock root > /dev/null
rm -f root/etc/ssh/ssh_host_* root/var/lib/dbus/machine-id root/var/lib/systemd/random-seed
: > root/etc/machine-id
rm -rf root/var/cache/apt/* root/var/lib/apt/lists/* root/var/log/*.log root/var/log/apt/*
root_id=$(cat /proc/sys/kernel/random/uuid)
echo "UUID=$root_id / ext4 errors=remount-ro 0 1" > root/etc/fstab

step "Installing the boot loader"
mkdir -p root/boot/grub/i386-pc
cp root/usr/lib/grub/i386-pc/*.mod root/usr/lib/grub/i386-pc/*.lst root/boot/grub/i386-pc/
cat > root/etc/default/grub <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 no_timer_check"
GRUB_TERMINAL="console serial"
GRUB_DISABLE_OS_PROBER=true
END
# The first start uses this; installing another kernel in the guest writes the usual one.
cat > root/boot/grub/grub.cfg <<END
set timeout=0
search --no-floppy --fs-uuid --set=root $root_id
linux /vmlinuz root=UUID=$root_id ro console=tty0 console=ttyS0,115200 no_timer_check
initrd /initrd.img
boot
END
chroot root grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(hd0,gpt3)/boot/grub' \
  biosdisk part_gpt ext2 search_fs_uuid normal linux boot configfile
# As grub-bios-setup does it: the boot sector knows where the core image is, and the core image's
# first sector where its rest is. The partition table behind the boot code stays.
little_endian() {
  value=$1
  for byte in 1 2 3 4 5 6 7 8; do
    printf "\\$(printf %03o $((value % 256)))"
    value=$((value / 256))
  done
}
put() { dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
cp root/usr/lib/grub/i386-pc/boot.img boot.img
cp root/boot/grub/core.img core.img
[ "$(stat -c %s core.img)" -lt $((GRUB_COUNT * 512)) ]
little_endian GRUB_FIRST | put boot.img 92
little_endian $((GRUB_FIRST + 1)) | put core.img 500
dd if=boot.img of=disk.raw bs=440 count=1 conv=notrunc status=none
dd if=core.img of=disk.raw bs=512 seek=GRUB_FIRST conv=notrunc status=none

# UEFI: Debian's signed loaders in the place for removable disks, which every firmware tries.
system=disk.raw@@$((SYSTEM_FIRST * 512))
mformat -i "$system" -T SYSTEM_COUNT -h 16 -s 32 -v EFI ::
mmd -i "$system" ::/EFI ::/EFI/BOOT ::/EFI/debian
cat > grub.cfg <<END
search --no-floppy --fs-uuid --set=root $root_id
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
END
mcopy -i "$system" root/usr/lib/shim/shimx64.efi.signed ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$system" root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed \
  ::/EFI/BOOT/grubx64.efi
mcopy -i "$system" root/usr/lib/shim/mmx64.efi.signed ::/EFI/BOOT/mmx64.efi
mcopy -i "$system" grub.cfg ::/EFI/debian/grub.cfg
mcopy -i "$system" grub.cfg ::/EFI/BOOT/grub.cfg

step "Making the root file system"
mkfs.ext4 -q -F -L root -U "$root_id" -d root -E offset=$((ROOT_FIRST * 512)) disk.raw \
  $((ROOT_COUNT / 2))k
rm -rf root
step "Compressing the image"
qemu-img convert -q -c -m 4 -f raw -O qcow2 -o compression_type=zstd disk.raw disk.qcow2
rm -f disk.raw
step "Built"
)sh";

std::string replace_all(std::string text, std::string_view name, std::int64_t value) {
  const auto word = std::to_string(value);
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
    text.replace(at, name.size(), word);
  }
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string printable(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, 300)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace

const std::vector<std::string>& debian_packages() {
  static const std::vector<std::string> packages{
      // The system.
      "linux-image-cloud-amd64", "systemd-sysv", "libpam-systemd", "dbus", "udev", "kmod",
      "initramfs-tools", "zstd", "systemd-resolved", "systemd-timesyncd", "e2fsprogs", "fdisk",
      "ca-certificates", "netbase", "iproute2", "iputils-ping", "procps", "sudo", "less",
      "vim-tiny", "curl",
      // What makes it a guest: first-boot setup, a growing root, the agent, a way in.
      "cloud-init", "cloud-guest-utils", "cloud-initramfs-growroot", "qemu-guest-agent",
      "openssh-server",
      // Boot loaders of both firmwares.
      "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin", "grub-efi-amd64-signed", "shim-signed"};
  return packages;
}

DiskTable make_debian_table() {
  // Types: UEFI 2.10 table 5.7, GRUB's manual ("BIOS boot partition"), the Discoverable Partitions
  // Specification (root, x86-64). Guests made from one image share the ids, as they share the rest.
  static const std::vector<Partition> partitions{
      {make_guid("21686148-6449-6e6f-744e-656564454649"),
       make_guid("6b1b5f3e-0a01-4c7e-9d51-52756368650a"), kGrubFirst, kGrubCount, "grub"},
      {make_guid("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
       make_guid("6b1b5f3e-0a02-4c7e-9d51-52756368650a"), kSystemFirst, kSystemCount, "efi"},
      {make_guid("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
       make_guid("6b1b5f3e-0a03-4c7e-9d51-52756368650a"), kRootFirst, kRootCount, "root"}};
  return make_disk_table(kDebianDisk, make_guid("6b1b5f3e-0a00-4c7e-9d51-52756368650a"),
                         partitions);
}

std::string debian_script() {
  std::string text(kScript);
  text = replace_all(std::move(text), "GRUB_FIRST", kGrubFirst);
  text = replace_all(std::move(text), "GRUB_COUNT", kGrubCount);
  text = replace_all(std::move(text), "SYSTEM_FIRST", kSystemFirst);
  text = replace_all(std::move(text), "SYSTEM_COUNT", kSystemCount);
  text = replace_all(std::move(text), "ROOT_FIRST", kRootFirst);
  return replace_all(std::move(text), "ROOT_COUNT", kRootCount);
}

// Inst name (version Debian:12.1/stable [amd64]) …; a package that is there already would have its
// old version in brackets before.
std::vector<std::string> parse_simulation(std::string_view text) {
  std::vector<std::string> packages;
  for (const auto line : lines_of(text)) {
    if (!line.starts_with("Inst ")) continue;
    const auto name_end = line.find(' ', 5);
    const auto open = line.find('(', 5);
    if (name_end == std::string_view::npos || open == std::string_view::npos) continue;
    const auto version = line.substr(open + 1, line.find_first_of(" )", open) - open - 1);
    packages.push_back(fmt::format("{} {}", line.substr(5, name_end - 5), version));
  }
  std::sort(packages.begin(), packages.end());
  return packages;
}

std::string debian_progress(std::string_view log, std::size_t packages) {
  std::string step;
  std::size_t unpacked = 0;
  std::size_t configured = 0;
  for (const auto line : lines_of(log)) {
    if (line.starts_with("==> ")) {
      step = printable(line.substr(4));
      unpacked = configured = 0;
    } else if (line.starts_with("Unpacking ")) {
      ++unpacked;
    } else if (line.starts_with("Setting up ")) {
      ++configured;
    }
  }
  if (step.empty()) return "Starting";
  if (configured > 0) return fmt::format("Setting up packages ({} of {})", configured, packages);
  if (unpacked > 0) return fmt::format("Unpacking packages ({} of {})", unpacked, packages);
  return step;
}

std::string debian_failure(std::string_view log) {
  std::vector<std::string> errors;
  std::string last;
  for (const auto line : lines_of(log)) {
    if (line.empty()) continue;
    last = printable(line);
    if (line.starts_with("E: ") || line.starts_with("W: Failed")) errors.push_back(last);
  }
  if (errors.empty()) return last.empty() ? "it printed nothing" : last;
  if (errors.size() > 4) errors.erase(errors.begin() + 1, errors.end() - 3);
  return fmt::format("{}", fmt::join(errors, "; "));
}

}  // namespace ruche::drivers::mirror
