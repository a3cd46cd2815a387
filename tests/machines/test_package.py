"""Our Debian package in a Debian machine with systemd and cgroup v2: installed, started, upgraded,
killed, restarted and rebooted, with guests running."""

import unittest

from harness import Daemon
from outer_machine import OuterImage, OuterMachine, demo_cache, make_package

PREPARE = r"""
data=/var/lib/ruche
export LC_ALL=C
pid_of() { ruche vm show "$1" -o json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p' | head -1; }
is_running() { ruche vm list | grep -Eq "^$1 .*running"; }
answers() { ruche host show >/dev/null; }
daemon_pid() { systemctl show -p MainPID --value ruched; }
# The guests are the processes that they were, and they speak.
unharmed() {
  [ "$(pid_of web1)" = "$web1" ] && [ "$(pid_of web2)" = "$web2" ] || {
    echo "web1 $web1 is $(pid_of web1), web2 $web2 is $(pid_of web2)"; return 1; }
  [ -d "/proc/$web1" ] && [ -d "/proc/$web2" ]
}
speaks() { ruche vm console "$1" --no-input --until 'tick [0-9]+' --timeout 120s; }
group=/sys/fs/cgroup/system.slice/ruche-guests.service
"""

FIRST_BOOT = r"""
if [ ! -e /root/rebooted ]; then
mkdir -p $data && chmod 711 $data
PLACE
try installed dpkg -i ruche.deb
try answers until_true 120 answers
try units sh -c 'systemctl is-active ruched ruche-guests && systemctl is-enabled ruched ruche-guests'
try check ruche host check
try image ruche image build demo
try web1 ruche vm create web1 --image demo --cpus 1 --memory 128MiB --autostart --start --wait running
try web2 ruche vm create web2 --image demo --cpus 1 --memory 128MiB --start --wait running
web1=$(pid_of web1); web2=$(pid_of web2)
try guests-group grep -q ruche-guests.service/ruche- /proc/$web1/cgroup
try memory-limit sh -c "cat $group/ruche-*/*/memory.max | grep -E '^[0-9]+$'"
try speaks speaks web1
try speaks2 speaks web2

before=$(daemon_pid)
try reinstalled dpkg -i ruche.deb
try exchanged test "$before" != "$(daemon_pid)"
try after-upgrade until_true 120 answers
try unharmed-by-upgrade unharmed

kill -9 "$(daemon_pid)"
try after-kill until_true 120 answers
try unharmed-by-kill unharmed

try restart-both systemctl restart ruche-guests ruched
try after-restart until_true 120 answers
try unharmed-by-restart unharmed
try restart-both-again systemctl restart ruched ruche-guests
try after-restart-again until_true 120 answers
try start-beside ruche vm create web3 --image demo --cpus 1 --memory 128MiB --start --wait running
try speaks3 speaks web3
try web3-gone ruche vm delete web3 --stop --purge --yes
try unharmed-still unharmed
try speaks-still speaks web1

echo "$web1 $web2" > /root/rebooted
report rebooting ok
systemctl reboot
sleep 600
fi
"""

SECOND_BOOT = r"""
read -r web1 web2 < /root/rebooted
try rebooted until_true 120 answers
# An orderly end leaves no last error; a guest that was lost with its host says so.
try orderly sh -c "! ruche vm show web2 -o json | grep '\"last_error\": \"[^\"]'"
try web2-stopped sh -c "ruche vm show web2 -o json | grep '\"state\": \"stopped\"'"
try tasks sh -c "ruche task list | grep -c shut"
try autostarted until_true 120 is_running web1
try speaks-again speaks web1
try start-after-boot ruche vm start web2
# Its disk was unmounted: it counts its boots there.
second_boot() {
  printf 'cat /data/boots\n' | ruche vm console web2 --until '^2' --timeout 20s
}
try counted until_true 60 second_boot
try removed dpkg -r ruche
try none-left sh -c '! ls -l /proc/[0-9]*/exe 2>/dev/null | grep qemu-system && ! systemctl is-active ruched'
report done ok
systemctl poweroff
"""


class Package(unittest.TestCase):
    def test_guests_outlive_everything_but_the_host(self):
        daemon = Daemon().start()
        self.addCleanup(daemon.clean_up)
        files, place = demo_cache(daemon)
        package, dependencies = make_package(daemon.directory)
        image = OuterImage(dependencies).ensure()
        script = PREPARE + FIRST_BOOT.replace("PLACE", place) + SECOND_BOOT
        machine = OuterMachine(image, {"ruche.deb": package, **files}, script)
        self.addCleanup(machine.clean_up)
        machine.start()
        daemon.stop()
        machine.wait_for("installed", 400)
        for name in ("speaks2", "unharmed-by-upgrade", "unharmed-by-kill", "unharmed-by-restart",
                     "speaks-still", "rebooting", "orderly", "autostarted", "counted", "done"):
            machine.wait_for(name, 400)


if __name__ == "__main__":
    unittest.main()
