#!/usr/bin/python3
"""How long it takes from the API call until a running guest sees a new disk, or all of its new memory.

The guest looks 200 times a second and says "beat" when it is there. Next to that, the same two by
hand on the same QEMU command line, so that the ratio is what Ruche adds: an image, a plan, commits.

Usage: hot_plug.py [rounds]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import bare_machine, show  # noqa: E402
from harness import Daemon  # noqa: E402
from snapshots import Watched, WatchedSocket, answer, command_line_of  # noqa: E402

MIB = 1 << 20
SMALL, LARGE = 256, 768  # MiB
GROWN = 500 * 1024  # KiB of MemTotal: the kernel keeps some for itself
PATIENCE = 120
PORT = "port6"  # free in the command line of this guest

LOOK = r"""
touch /tmp/quiet; exec 3<> /etc/never
sees_disk() { [ -e /sys/class/block/vdc ]; }
read -r name before unit < /proc/meminfo
sees_memory() { read -r name kib unit < /proc/meminfo; [ $kib -gt $((before + %d)) ]; }
wait_for() { until $1; do read -r -t 0.005 nothing <&3; done; echo beat; }
echo rea''dy
""" % GROWN


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.01)


def prepare(watched):
    until(lambda: b"/# " in watched.beats.text, "the shell")
    watched.type(LOOK)
    until(lambda: b"\nready" in watched.beats.text, "the functions")


def seen(watched, what, change):
    """Seconds from the beginning of `change` until the guest sees it."""
    count = len(watched.beats.times)
    watched.type(f"wait_for sees_{what}\n")
    time.sleep(0.3)
    begun = time.monotonic()
    change()
    return watched.beats.wait(count + 1) - begun


def task(daemon, verb, path, body):
    """Sends it; what it began is waited for afterwards."""
    begun = daemon.api(verb, path, body)
    if begun.status != 202:
        raise SystemExit(f"{verb} {path}: {begun.status} {begun.text}")


def settle(daemon):
    def busy():
        tasks = daemon.api("GET", "/v1/tasks?limit=1000", expect=200).json["items"]
        return any(t["state"] in ("waiting", "running", "reverting") for t in tasks)

    until(lambda: not busy(), "the tasks")


def by_ruche(daemon, rounds):
    watched = Watched(daemon, "hot")
    disk, memory = [], []
    try:
        prepare(watched)
        for _ in range(rounds):
            disk.append(seen(watched, "disk", lambda: task(
                daemon, "POST", "/v1/vms/hot/disks", {"size_bytes": 64 * MIB})))
            settle(daemon)
            name = daemon.vm("hot")["spec"]["disks"][-1]["name"]
            daemon.ruche("vm", "disk", "remove", "hot", name, "--yes")
            memory.append(seen(watched, "memory", lambda: task(
                daemon, "PATCH", "/v1/vms/hot", {"memory_bytes": LARGE * MIB})))
            settle(daemon)
            daemon.ruche("vm", "set", "hot", "--memory", f"{SMALL}MiB")
    finally:
        watched.close()
    return disk, memory


def plug_by_hand(qmp, path):
    answer(qmp, "blockdev-add", driver="qcow2",
           **{"node-name": "hand", "file": {"driver": "file", "filename": path}})
    answer(qmp, "device_add", driver="virtio-blk-pci", id="hand", drive="hand", bus=PORT)


def unplug_by_hand(qmp):
    answer(qmp, "device_del", id="hand")
    until(lambda: not any(row["name"] == "hand" for row in
                          answer(qmp, "qom-list", path="/machine/peripheral")), "the end of a disk")

    def let_go():  # a moment after the device
        try:
            answer(qmp, "blockdev-del", **{"node-name": "hand"})
            return True
        except SystemExit:
            return False

    until(let_go, "the node of a disk")


def memory_by_hand(qmp, device, wanted):
    answer(qmp, "qom-set", path=device, property="requested-size", value=wanted * MIB)


def by_hand(argv, files, rounds, folder):
    qemu, qmp, sockets, _ = bare_machine(argv, files, folder)
    watched = WatchedSocket(sockets["watch"])
    path = os.path.join(folder, "disk.qcow2")
    disk, memory = [], []
    try:
        answer(qmp, "cont")
        prepare(watched)
        rows = answer(qmp, "query-memory-devices")
        device = f"/machine/peripheral/{rows[0]['data']['id']}"
        for _ in range(rounds):
            def plug():
                subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
                plug_by_hand(qmp, path)
            disk.append(seen(watched, "disk", plug))
            unplug_by_hand(qmp)
            memory.append(seen(watched, "memory",
                               lambda: memory_by_hand(qmp, device, LARGE - SMALL)))
            memory_by_hand(qmp, device, 0)
            until(lambda: answer(qmp, "query-memory-devices")[0]["data"]["size"] == 0, "less memory")
    finally:
        watched.close()
        qemu.kill()
        qemu.wait()
    return disk, memory


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    daemon, folder = Daemon().start(), tempfile.mkdtemp(prefix="ruche-bench-")
    try:
        daemon.demo_image()
        daemon.ruche("vm", "create", "hot", "--image", "demo", "--memory", f"{SMALL}MiB",
                     "--memory-max", "1GiB", "--disk", "size=4MiB", "--start", "--wait", "running")
        argv, files = command_line_of(daemon, "hot")
        ours = by_ruche(daemon, rounds)
        daemon.ruche("vm", "stop", "hot")
        hand = by_hand(argv, files, rounds, folder)
        for what, mine, theirs in (("a disk of 64 MiB", ours[0], hand[0]),
                                   (f"{LARGE - SMALL} MiB of memory", ours[1], hand[1])):
            a, b = statistics.median(mine), statistics.median(theirs)
            show(f"hot plug: {what}, API call until the guest sees it", f"{a * 1000:.0f} ms")
            show(f"hot plug: {what}, by hand", f"{b * 1000:.0f} ms (Ruche / by hand {a / b:.2f})")
    finally:
        daemon.clean_up()
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    main()
