#include "drivers/mirror/demo_guest.hpp"

#include <set>

#include "drivers/mirror/cpio.hpp"

namespace ruche::drivers::mirror {

namespace {

// busybox init reads it: what runs once, what runs always.
constexpr std::string_view kInittab = R"(::sysinit:/etc/rc
::respawn:/etc/tick
::respawn:/bin/uevent /etc/hotplug
::once:/bin/acpid -f -l /dev/null
ttyS0::respawn:-/bin/sh
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount /data
)";

constexpr std::string_view kStart = R"sh(#!/bin/sh
# Runs once. Everything that may take long happens after "ready", in the background.
PATH=/sbin:/bin
export PATH
bb=/bin/busybox
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t tmpfs run /run
$bb --install -s /bin
mkdir -p /dev/pts /run/loaded
mount -t devpts pts /dev/pts

name=ruche
read -r line < /proc/cmdline
for word in $line; do
  case $word in ruche.name=*) name=${word#ruche.name=} ;; esac
done
hostname "$name"

# Drivers of what is there, and nothing else.
load() {
  for module; do
    [ -e /run/loaded/$module ] && continue
    insmod /lib/$module.ko && : > /run/loaded/$module
  done
}
ids=
for device in /sys/bus/pci/devices/*; do
  read -r vendor < $device/vendor
  read -r id < $device/device
  [ "$vendor" = 0x1af4 ] && ids="$ids $id"
done
while read -r id modules; do
  case " always $ids " in *" $id "*) load $modules ;; esac
done < /etc/drivers

ip link set lo up
httpd -h /www
echo "ruche-demo ready: $name, Linux $(uname -r)"

for link in /sys/class/net/eth*; do
  [ -e $link ] && udhcpc -i ${link##*/} -f -S -s /etc/dhcp -x hostname:$name > /dev/null 2>&1 &
done
# Memory that is added is used at once, and can be taken away again.
echo online_movable > /sys/devices/system/memory/auto_online_blocks 2> /dev/null
/etc/disk &
)sh";

// What comes while it runs: drivers for devices, CPUs that wait to be used, links.
constexpr std::string_view kHotplug = R"sh(#!/bin/sh
[ "$ACTION" = add ] || exit
case $SUBSYSTEM in
  pci)
    id=0x$(echo ${PCI_ID#*:} | tr A-F a-f)
    while read -r known modules; do
      [ "$known" = "$id" ] || continue
      for module in $modules; do
        [ -e /run/loaded/$module ] && continue
        insmod /lib/$module.ko && : > /run/loaded/$module
      done
    done < /etc/drivers
    echo "ruche-demo device $PCI_ID came" > /dev/console
    ;;
  cpu)
    echo 1 > /sys$DEVPATH/online && echo "ruche-demo cpu ${DEVPATH##*/} came" > /dev/console
    ;;
  net)
    case $INTERFACE in eth*) ;; *) exit ;; esac
    udhcpc -i $INTERFACE -f -S -s /etc/dhcp -x hostname:$(hostname) > /dev/null 2>&1 &
    ;;
esac
)sh";

constexpr std::string_view kDhcp = R"sh(#!/bin/sh
case $1 in
  deconfig) ip link set $interface up ;;
  bound|renew)
    ip address flush dev $interface
    ip address add $ip/${mask:-24} dev $interface
    for gateway in $router; do ip route replace default via $gateway dev $interface; done
    : > /etc/resolv.conf
    [ -n "$domain" ] && echo search $domain >> /etc/resolv.conf
    for server in $dns; do echo nameserver $server >> /etc/resolv.conf; done
    [ "$1" = bound ] && echo "ruche-demo address $ip on $interface" > /dev/console
    ;;
esac
)sh";

constexpr std::string_view kDisk = R"sh(#!/bin/sh
# The first disk: one of ours counts its boots, a blank one becomes ours, any other is left alone.
disk=
for candidate in /dev/vda /dev/sda; do
  [ -b $candidate ] && disk=$candidate && break
done
[ -n "$disk" ] || exit
if ! mount -t ext4 $disk /data 2> /dev/null; then
  if [ "$(head -c 1048576 $disk | tr -d '\000' | head -c 1 | wc -c)" != 0 ]; then
    echo "ruche-demo disk $disk is not blank and not ours; left alone" > /dev/console
    exit
  fi
  mke2fs $disk > /dev/null 2>&1 && mount -t ext4 $disk /data 2> /dev/null || exit
  : > /data/ruche-demo
fi
if [ ! -e /data/ruche-demo ]; then
  umount /data
  echo "ruche-demo disk $disk is not ours; left alone" > /dev/console
  exit
fi
boots=0
[ -e /data/boots ] && read -r boots < /data/boots
boots=$((boots + 1))
echo $boots > /data/boots
sync
echo "ruche-demo boot $boots of disk $disk" > /dev/console
)sh";

constexpr std::string_view kTick = R"sh(#!/bin/sh
# One line a second, without starting a process for it: nobody ever writes into the fifo.
exec 3<> /etc/never
ticks=0
[ -e /run/ticks ] && read -r ticks < /run/ticks
while :; do
  ticks=$((ticks + 1))
  echo $ticks > /run/ticks
  [ -e /tmp/quiet ] || echo "ruche-demo tick $ticks" > /dev/console
  read -r -t 1 nothing <&3
done
)sh";

// busybox's shell would run its own poweroff, which takes two seconds longer.
constexpr std::string_view kProfile = R"sh(export PATH=/sbin:/bin HOME=/root PS1='\h:\w# '
alias poweroff=/sbin/poweroff reboot=/sbin/reboot halt=/sbin/halt
cat /etc/motd
)sh";

constexpr std::string_view kMotd = R"(
This is Ruche's demo guest: Debian's kernel and busybox, all in memory.
  touch /tmp/quiet     stops the ticks on this console; rm /tmp/quiet brings them back
  wget -qO- localhost  shows its web page
  cat /data/boots      counts the boots of its disk
  poweroff, reboot     do what they say, and so does the power button

)";

constexpr std::string_view kPage = R"sh(#!/bin/sh
read -r uptime idle < /proc/uptime
read -r ticks < /run/ticks
boots=none
[ -e /data/boots ] && read -r boots < /data/boots
printf 'Content-Type: text/html\r\n\r\n'
printf '<!doctype html><title>%s</title><h1>%s</h1>\n' "$(hostname)" "$(hostname)"
printf '<p>A guest of Ruche. Up %s s, tick %s, boots of its disk: %s.</p>\n' $uptime $ticks $boots
)sh";

constexpr std::string_view kDown = R"sh(#!/bin/sh
# poweroff, reboot or halt: at once, with the disk clean.
echo "ruche-demo going down: $1" > /dev/console
sync
mount -o remount,ro /data 2> /dev/null
exec /bin/busybox $1 -f
)sh";

std::string down_command(std::string_view action) {
  return "#!/bin/sh\nexec /etc/down " + std::string(action) + "\n";
}

std::string names_of(const std::vector<Module>& modules) {
  std::string text;
  for (const auto& module : modules) text += " " + module.name;
  return text;
}

// Adds the modules and the table that says which of them a device needs.
void add_drivers(CpioArchive& archive, const ModuleLookup& lookup) {
  std::set<std::string> added;
  std::string table;
  const auto add = [&](const std::string& key, const std::vector<std::string>& wanted) {
    const auto modules = load_order(wanted, lookup);
    if (modules.empty()) return;
    table += key + names_of(modules) + "\n";
    for (const auto& module : modules) {
      if (!added.insert(module.name).second) continue;
      archive.add_file("lib/" + module.name + ".ko", 0644, module.content);
    }
  };
  add("always", demo_drivers().always);
  for (const auto& [device, modules] : demo_drivers().by_device) add(device, modules);
  archive.add_file("etc/drivers", 0644, table);
}

}  // namespace

const DemoDrivers& demo_drivers() {
  static const DemoDrivers drivers{{"virtio_pci", "button", "evdev"},
                                   {{"0x1041", {"virtio_net"}},
                                    {"0x1000", {"virtio_net"}},
                                    {"0x1042", {"virtio_blk"}},
                                    {"0x1001", {"virtio_blk"}},
                                    {"0x1048", {"virtio_scsi", "sd_mod"}},
                                    {"0x1004", {"virtio_scsi", "sd_mod"}},
                                    {"0x1043", {"virtio_console"}},
                                    {"0x1003", {"virtio_console"}},
                                    {"0x1044", {"virtio_rng"}},
                                    {"0x1005", {"virtio_rng"}},
                                    {"0x105a", {"virtiofs"}},
                                    {"0x1058", {"virtio_mem"}},
                                    {"0x1045", {"virtio_balloon"}},
                                    {"0x1002", {"virtio_balloon"}}}};
  return drivers;
}

std::string make_demo_initramfs(const std::string& busybox, const ModuleLookup& lookup) {
  CpioArchive archive;
  for (const char* directory :
       {"bin", "data", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "proc", "root", "run",
        "sbin", "sys", "tmp", "www", "www/cgi-bin"}) {
    archive.add_directory(directory, 0755);
  }
  archive.add_character_device("dev/console", 0600, 5, 1);
  archive.add_file("bin/busybox", 0755, busybox);
  archive.add_link("bin/sh", "busybox");
  archive.add_link("init", "/bin/busybox");
  archive.add_fifo("etc/never", 0600);
  archive.add_file("etc/inittab", 0644, kInittab);
  archive.add_file("etc/rc", 0755, kStart);
  archive.add_file("etc/hotplug", 0755, kHotplug);
  archive.add_file("etc/dhcp", 0755, kDhcp);
  archive.add_file("etc/disk", 0755, kDisk);
  archive.add_file("etc/tick", 0755, kTick);
  archive.add_file("etc/down", 0755, kDown);
  archive.add_file("etc/profile", 0644, kProfile);
  archive.add_file("etc/motd", 0644, kMotd);
  archive.add_file("etc/hosts", 0644, "127.0.0.1 localhost\n");
  archive.add_file("etc/passwd", 0644, "root::0:0:root:/root:/bin/sh\n");
  archive.add_file("etc/acpi/PWRF/00000080", 0755, down_command("poweroff"));
  for (const char* action : {"poweroff", "reboot", "halt"}) {
    archive.add_file(std::string("sbin/") + action, 0755, down_command(action));
  }
  archive.add_file("www/cgi-bin/index.cgi", 0755, kPage);
  add_drivers(archive, lookup);
  return archive.finish();
}

std::string demo_command_line() {
  return "console=ttyS0 quiet cryptomgr.notests panic=5 no_timer_check";
}

}  // namespace ruche::drivers::mirror
