"""Our Debian package in a Debian machine with systemd and cgroup v2: installed, started, upgraded,
killed, restarted, and the machine powered off and on, with guests running."""

import os
import re
import subprocess
import tempfile
import unittest

from harness import Daemon
from outer_machine import OuterImage, OuterMachine, demo_cache, make_package, run_machine

NEWER = "999.0"

PREPARE = r"""
data=/var/lib/ruche
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
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
accelerated() { ruche vm show web1 -o json | grep '"accelerator": "kvm"'; }
create() {
  ruche vm create "$@" --image demo --cpus 1 --memory 128MiB --start --wait running
}
speaks() { ruche vm console "$1" --no-input --until 'tick [0-9]+' --timeout 300s; }
group=/sys/fs/cgroup/system.slice/ruche-guests.service
"""

FIRST_BOOT = r"""
if [ ! -e /root/was-off ]; then
try installed apt-get install -q -y ./ruche.deb
try answers until_true 300 answers
try active systemctl is-active ruched ruche-guests
try enabled systemctl is-enabled ruched ruche-guests
try check ruche host check
PLACE
try image ruche image build demo
try web1 create web1 --autostart
try web2 create web2
web1=$(pid_of web1); web2=$(pid_of web2)
try accelerated accelerated
try guests-group grep ruche-guests.service/ruche- /proc/$web1/cgroup
try memory-limit sh -c "cat $group/ruche-*/*/memory.max | grep -E '^[0-9]+$'"
try not-spared grep -x 0 /proc/$web1/oom_score_adj
try speaks speaks web1
try speaks2 speaks web2

before=$(daemon_pid)
try upgraded dpkg -i ruche-newer.deb
try newer sh -c "dpkg-query -W ruche | grep NEWER"
try exchanged test "$before" != "$(daemon_pid)"
try after-upgrade until_true 300 answers
try unharmed-by-upgrade unharmed

kill -9 "$(daemon_pid)"
try after-kill until_true 300 answers
try unharmed-by-kill unharmed

try restart-both systemctl restart ruche-guests ruched
try after-restart until_true 300 answers
try unharmed-by-restart unharmed
try restart-both-again systemctl restart ruched ruche-guests
try after-restart-again until_true 300 answers
try start-beside create web3
try beside-them grep ruche-guests.service/ruche- /proc/$(pid_of web3)/cgroup
try web3-gone ruche vm delete web3 --stop --purge --yes
try unharmed-still unharmed
try speaks-still speaks web1

touch /root/was-off
report goes-off ok
systemctl poweroff
sleep 600
fi
"""

SECOND_BOOT = r"""
try back until_true 300 answers
# An orderly end leaves no last error; a guest that was lost with its host says so.
try orderly sh -c "! ruche vm show web2 -o json | grep '\"last_error\": \"[^\"]'"
try web2-stopped sh -c "ruche vm show web2 -o json | grep '\"state\": \"stopped\"'"
ended() { [ "$(ruche task list --filter state=done | grep -c 'Shut down')" = 2 ]; }
try shut-down ended
try autostarted until_true 300 is_running web1
# Also those that started with the machine.
try accelerated-again accelerated
try speaks-again speaks web1
try start-after-boot ruche vm start web2
# Its disk was unmounted: it counts its boots there.
try counted ruche vm console web2 --no-input --until 'boot 2 of disk' --timeout 300s
try removed apt-get remove -q -y ruche
try none-left sh -c '! ls -l /proc/[0-9]*/exe 2>/dev/null | grep qemu-system'
try group-left sh -c "! ls -d $group"
try failed-units sh -c '! systemctl --failed --no-legend | grep .'
report done ok
systemctl poweroff
"""


def newer_package(package):
    """The same programs as another version, so that dpkg upgrades."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(package)) as folder:
        root, newer = os.path.join(folder, "root"), package + ".newer"
        subprocess.run(["dpkg-deb", "-R", package, root], check=True)
        with open(os.path.join(root, "DEBIAN/control"), "r+") as file:
            text = re.sub("^Version:.*$", "Version: " + NEWER, file.read(), flags=re.MULTILINE)
            file.seek(0)
            file.write(text)
            file.truncate()
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", root, newer],
                       stdout=subprocess.DEVNULL, check=True)
    return newer


@unittest.skipUnless(os.geteuid() == 0, "only root makes the files of a machine")
class Package(unittest.TestCase):
    def test_guests_outlive_everything_but_the_host(self):
        daemon = Daemon().start()
        self.addCleanup(daemon.clean_up)
        files, place = demo_cache(daemon)
        package, dependencies = make_package(daemon.directory)
        newer = newer_package(package)
        image = OuterImage(dependencies).ensure()
        daemon.stop()
        script = PREPARE + FIRST_BOOT.replace("PLACE", place).replace("NEWER", NEWER) + SECOND_BOOT
        payload = {"ruche.deb": package, "ruche-newer.deb": newer, **files}

        def follow(machine):
            for name in ("installed", "speaks2", "unharmed-by-upgrade", "unharmed-by-kill",
                         "unharmed-by-restart", "speaks-still", "goes-off"):
                machine.wait_for(name, 600)
            machine.wait_until_off(400).start()
            for name in ("back", "autostarted", "speaks-again", "counted", "done"):
                machine.wait_for(name, 600)

        run_machine(self, lambda: OuterMachine(image, payload, script), follow)


if __name__ == "__main__":
    unittest.main()
