#!/usr/bin/python3
"""The disks of a guest, by fio inside a Debian guest: the same system with the same files, started by
Ruche, by the best QEMU command line that a hand would write, and by what libvirt makes of a plain
definition (its command line, without its daemon).

Usage: guest_disk.py [SECONDS]. Every workload runs SECONDS (8) long. The guest needs the network of
QEMU to fetch fio once. Compare the ratios of one run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import Daemon  # noqa: E402

PATIENCE = 900
WORKLOADS = {
    "random reads of 4 KiB, 16 deep": "--rw=randread --bs=4k --iodepth=16",
    "random writes of 4 KiB, 16 deep": "--rw=randwrite --bs=4k --iodepth=16",
    "reads of 1 MiB in a row, 4 deep": "--rw=read --bs=1M --iodepth=4",
    "writes of 1 MiB in a row, 4 deep": "--rw=write --bs=1M --iodepth=4",
}
# At every boot but the first, on the serial line; the disk is written once before it is measured.
SCRIPT = """#!/bin/sh
[ -e /root/measure ] || { touch /root/measure; exit 0; }
exec > /dev/ttyS0 2>&1
echo bench-begin
dd if=/dev/zero of=/dev/vdb bs=1M count=512 oflag=direct 2>/dev/null
%s
echo bench-end
poweroff
"""
JOB = ("echo \"bench-job {number} $(fio --name=job --filename=/dev/vdb --size=512M --direct=1 "
       "--ioengine=libaio --time_based --runtime={seconds} --ramp_time=1 {options} "
       "--output-format=json | tr -d '\\n' | sed 's/.*\"{kind}\" : {{//' | cut -c1-160)\"")


def show(name, value):
    print(f"{name:64} {value}", flush=True)


def script(seconds):
    jobs = [JOB.format(number=number, seconds=seconds, options=options,
                       kind="read" if "read" in options else "write")
            for number, options in enumerate(WORKLOADS.values())]
    return SCRIPT % "\n".join(jobs)


def user_data(seconds):
    body = script(seconds).replace("\n", "\n      ")
    return ("#cloud-config\npackages: [fio]\npackage_update: true\nwrite_files:\n"
            "  - path: /var/lib/cloud/scripts/per-boot/bench.sh\n    permissions: '0755'\n"
            f"    content: |\n      {body}\n")


def figures(text):
    """Of each workload: operations and KiB in a second."""
    found = {}
    for number, job in re.findall(r"bench-job (\d+) (.*)", text):
        rate = re.search(r'"bw" : (\d+)', job)
        operations = re.search(r'"iops" : ([0-9.]+)', job)
        if rate and operations:
            found[int(number)] = (float(operations.group(1)), int(rate.group(1)))
    if len(found) != len(WORKLOADS):
        raise SystemExit(f"the guest measured {sorted(found)} only:\n{text[-3000:]}")
    return found


def by_ruche(daemon, name):
    daemon.ruche("vm", "start", name)
    argv = daemon.vm(name)["status"]["qemu_argv"]
    done = daemon.ruche("vm", "console", name, "--no-input", "--until", "bench-end", "--timeout",
                        f"{PATIENCE}s", timeout=PATIENCE + 30)
    daemon.ruche("vm", "stop", name)
    return figures(done.stdout), argv[argv.index("-cpu") + 1]


def by_hand(arguments):
    done = subprocess.run(arguments + ["-serial", "stdio", "-no-reboot"], capture_output=True,
                          text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    return figures(done.stdout)


def network(mac):
    # Without its adapter the system waits for it at every boot.
    return ["-netdev", "user,id=n", "-device", f"virtio-net-pci,netdev=n,mac={mac}"]


def best_by_hand(machine, cpu, disks):
    # A guest that finds an HPET reads the time from it, which costs an exit for each operation.
    line = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine",
            machine + ",hpet=off", "-accel", "tcg,thread=multi", "-cpu", cpu, "-smp", "2", "-m",
            "1024"]
    for number, path in enumerate(disks):
        line += ["-object", f"iothread,id=io{number}",
                 "-drive", f"file={path},if=none,id=d{number},format=qcow2,cache=writeback,"
                           "discard=unmap,aio=threads",
                 "-device", f"virtio-blk-pci,drive=d{number},iothread=io{number}"]
    return line


def plain_of_libvirt(machine, disks):
    """libvirt 9 for two virtio disks: qemuBuildDiskDeviceProps, without an iothread."""
    line = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine",
            f"{machine},usb=off,dump-guest-core=off,memory-backend=pc.ram", "-accel", "tcg", "-cpu",
            "Nehalem", "-m", "1024", "-object",
            '{"qom-type":"memory-backend-ram","id":"pc.ram","size":1073741824}', "-overcommit",
            "mem-lock=off", "-smp", "2,sockets=2,cores=1,threads=1"]
    for number, path in enumerate(disks):
        line += ["-blockdev", json.dumps({"driver": "file", "filename": path,
                                          "node-name": f"s{number}", "auto-read-only": True,
                                          "discard": "unmap"}),
                 "-blockdev", json.dumps({"node-name": f"f{number}", "read-only": False,
                                          "driver": "qcow2", "file": f"s{number}"}),
                 "-device", f"virtio-blk-pci,drive=f{number}"]
    return line


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    daemon = Daemon().start()
    folder = tempfile.mkdtemp(prefix="ruche-bench-")
    try:
        daemon.debian_image("debian12")
        data = os.path.join(folder, "user-data")
        with open(data, "w") as file:
            file.write(user_data(seconds))
        daemon.ruche("vm", "create", "bench", "--image", "debian12", "--cpus", "2", "--cpus-max",
                     "0", "--memory", "1GiB", "--network", "user", "--disk", "size=1GiB",
                     "--user-data", data, "--start")
        daemon.ruche("vm", "console", "bench", "--no-input", "--until", "Cloud-init .* finished",
                     "--timeout", f"{PATIENCE}s", timeout=PATIENCE + 30)
        daemon.ruche("vm", "shutdown", "bench", "--timeout", "3m", "--then-stop")
        vm = daemon.vm("bench")
        machine = vm["spec"]["machine_type"]
        ours, cpu = by_ruche(daemon, "bench")
        disks = [disk["path"] for disk in vm["status"]["disks"]]
        adapter = network(vm["spec"]["nics"][0]["mac"])
        hand = by_hand(best_by_hand(machine, cpu, disks) + adapter)
        libvirt = by_hand(plain_of_libvirt(machine, disks) + adapter)
        for number, name in enumerate(WORKLOADS):
            in_a_row = "in a row" in name
            unit, column, scale = (("MiB/s", 1, 1024) if in_a_row else ("IOPS", 0, 1))
            values = [set_of[number][column] / scale for set_of in (ours, hand, libvirt)]
            show(f"{name}: Ruche, by hand, as libvirt ({unit})",
                 "  ".join(f"{value:.0f}" for value in values) +
                 f"   {values[0] / values[1]:.2f} of by hand, {values[0] / values[2]:.2f} of libvirt")
    finally:
        daemon.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
