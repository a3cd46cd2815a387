#!/usr/bin/python3
"""A guest that is a real system: from `vm create` of the Debian image to SSH answering, against bare
QEMU with the same disk, seed, processors, memory and network; and the start of such a guest next to
libvirt's, where libvirt's system daemon answers. The seed needs genisoimage (package of that name).

Usage: real_system.py [RUNS]. Medians of one run on one machine; compare the ratios. Each run boots
Debian twice, which takes about a minute under emulation.
"""

import glob
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import Daemon  # noqa: E402

CPUS, MEMORY_MIB, PATIENCE = 2, 1024, 600
MAC = "52:54:00:be:9c:01"
# Of the right form; nobody has its other half.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43 + " bench"


def show(name, value):
    print(f"{name:58} {value}", flush=True)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def wait_for_ssh(port):
    """Until an SSH server introduces itself: the forwarding alone accepts at once."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.settimeout(5)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("SSH did not answer")


def ours(daemon, number):
    port, name = free_port(), f"bench{number}"
    begun = time.monotonic()
    daemon.ruche("vm", "create", name, "--image", "debian12", "--cpus", str(CPUS), "--memory",
                 f"{MEMORY_MIB}MiB", "--ssh-key", KEY, "--forward", f"{port}:22", "--start")
    wait_for_ssh(port)
    took = time.monotonic() - begun
    daemon.ruche("vm", "delete", name, "--stop", "--purge", "--yes")
    return took


def bare_seed(folder, number):
    """What cloud-init reads from Ruche's seed for such a guest (core/guests/cloud_init.cpp)."""
    files = {
        "meta-data": f'{{"instance-id": "bare{number}", "local-hostname": "bench{number}"}}',
        "user-data": "#cloud-config\n{}",
        "vendor-data": "#cloud-config\nusers:\n  - name: ruche\n    shell: /bin/bash\n"
                       '    sudo: "ALL=(ALL) NOPASSWD:ALL"\n    lock_passwd: true\n'
                       f'    ssh_authorized_keys: ["{KEY}"]',
        "network-config": '{"version": 1, "config": [{"type": "physical", "name": "eth0", '
                          f'"mac_address": "{MAC}", "subnets": [{{"type": "dhcp"}}]}}]}}',
    }
    tree, seed = os.path.join(folder, "seed"), os.path.join(folder, "seed.iso")
    os.makedirs(tree, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(tree, name), "w") as file:
            file.write(text + "\n")
    subprocess.run(["genisoimage", "-quiet", "-V", "cidata", "-J", "-r", "-o", seed, tree], check=True)
    return seed


def bare(base, machine, folder, number):
    port, disk = free_port(), os.path.join(folder, "disk.qcow2")
    begun = time.monotonic()
    seed = bare_seed(folder, number)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", disk],
                   check=True)
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", machine,
         "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", str(CPUS), "-m", str(MEMORY_MIB),
         "-drive", f"file={disk},if=virtio", "-device", "virtio-rng-pci",
         "-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=seed",
         "-drive", f"file={seed},if=none,id=seed,format=raw,readonly=on",
         "-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:22",
         "-device", f"virtio-net-pci,netdev=n,mac={MAC}"], stdin=subprocess.DEVNULL)
    try:
        wait_for_ssh(port)
        return time.monotonic() - begun
    finally:
        qemu.kill()
        qemu.wait()
        os.unlink(disk)


DOMAIN = """<domain type='qemu'><name>ruche-bench</name><memory unit='MiB'>{memory}</memory>
<vcpu>{cpus}</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk><serial type='pty'/></devices></domain>"""


def virsh(*arguments):
    return subprocess.run(["virsh", "-c", "qemu:///system", "-q", *arguments], capture_output=True,
                          text=True)


def compare_with_libvirt(daemon, base, folder, runs):
    if shutil.which("virsh") is None or virsh("list").returncode != 0:
        show("start: next to libvirt", "skipped: no libvirt system daemon answers here")
        return
    disk, definition = os.path.join(folder, "libvirt.qcow2"), os.path.join(folder, "domain.xml")
    # libvirt's QEMU has a user of its own, which reads no daemon's directory.
    os.chmod(folder, 0o755)
    reachable = shutil.copy(base, os.path.join(folder, "base.qcow2"))
    os.chmod(reachable, 0o644)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", reachable, "-F", "qcow2", disk],
                   check=True)
    with open(definition, "w") as file:
        file.write(DOMAIN.format(memory=MEMORY_MIB, cpus=CPUS, disk=disk))
    daemon.ruche("vm", "create", "start1", "--image", "debian12", "--cpus", str(CPUS), "--memory",
                 f"{MEMORY_MIB}MiB")
    theirs, mine = [], []
    for _ in range(runs * 3):
        begun = time.monotonic()
        done = virsh("create", definition)
        theirs.append(time.monotonic() - begun)
        if done.returncode != 0:
            show("start: next to libvirt", f"skipped: {done.stderr.strip()}")
            return
        virsh("destroy", "ruche-bench")
        begun = time.monotonic()
        daemon.ruche("vm", "start", "start1")
        mine.append(time.monotonic() - begun)
        daemon.ruche("vm", "stop", "start1")
    show("start: ruche vm start, median", f"{statistics.median(mine) * 1000:.0f} ms")
    show("start: virsh create, median", f"{statistics.median(theirs) * 1000:.0f} ms")
    show("start: against libvirt", f"{statistics.median(mine) / statistics.median(theirs):.2f}")


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    daemon = Daemon().start()
    folder = tempfile.mkdtemp(prefix="ruche-bench-")
    try:
        daemon.debian_image("debian12")
        # The very volume that our guests stand on.
        base, = glob.glob(os.path.join(daemon.data, "datastore/images/*/*.qcow2"))
        daemon.ruche("vm", "create", "model", "--image", "debian12")
        machine = daemon.vm("model")["spec"]["machine_type"]
        mine, theirs = [], []
        for number in range(runs):  # in turns, so that other load meets both
            mine.append(ours(daemon, number))
            theirs.append(bare(base, machine, folder, number))
        show("debian: vm create to SSH, median", f"{statistics.median(mine):.1f} s")
        show("debian: bare QEMU, exec to SSH, median", f"{statistics.median(theirs):.1f} s")
        show("debian: against bare QEMU",
             f"{statistics.median(mine) / statistics.median(theirs):.2f}")
        compare_with_libvirt(daemon, base, folder, runs)
    finally:
        daemon.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
