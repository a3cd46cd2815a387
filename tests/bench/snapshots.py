#!/usr/bin/python3
"""Snapshots and copies, in ratios of one run.

What a guest of 2 GiB that keeps dirtying its memory notices of a snapshot with memory: how long its
CPUs stand still and the longest gap in what it prints, next to the same by hand on the same QEMU
command line, and to libvirt's where its system daemon answers. Then the way back, the pace of a merge
next to dd's on the same datastore, a hundred linked clones of a template, and a clone that boots.

Usage: snapshots.py [memory|merge|clones]...
"""

import glob
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import bare_machine, descriptors_of, median_ms, show  # noqa: E402
from harness import BIN, Daemon  # noqa: E402
from real_system import virsh  # noqa: E402

MIB = 1 << 20
MEMORY_MIB = 2048
MERGED_MIB = 1024
COPIES = 100
PATIENCE = 240

# Fills 13 × 64 MiB of the memory with what no file makes smaller, then changes about 20 MiB of it a
# second, and says "beat" on the serial line a hundred times a second.
BUSY = r"""
touch /tmp/quiet; exec 3<> /etc/never
dd if=/dev/urandom of=/tmp/part bs=1M count=64 2> /dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do cat /tmp/part > /tmp/fill$i; done
cat > /tmp/churn <<'END'
n=0
while :; do
  dd if=/tmp/part of=/tmp/fill$((n % 12 + 1)) bs=64k count=32 skip=$((n % 31 * 32)) \
    seek=$((n / 12 % 31 * 32)) conv=notrunc 2> /dev/null
  n=$((n + 1)); usleep 80000
done
END
cat > /tmp/beat <<'END'
while :; do echo beat; read -r -t 0.01 nothing <&3; done
END
sh /tmp/churn &
sh /tmp/beat > /dev/console &
"""


class Beats:
    """When something came on a serial line, read from a descriptor until it ends."""

    def __init__(self, descriptor):
        self.descriptor, self.times, self.text = descriptor, [], b""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        while True:
            try:
                data = os.read(self.descriptor, 65536)
            except OSError:
                return
            if not data:
                return
            if b"beat" in self.text[-3:] + data:  # it may come in two parts
                self.times.append(time.monotonic())
            self.text = (self.text + data)[-4096:]

    def wait(self, count=1):
        deadline = time.monotonic() + PATIENCE
        while len(self.times) < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"the guest says nothing: {self.text[-500:]!r}")
            time.sleep(0.01)
        return self.times[count - 1]

    def longest_gap(self, begin, end):
        """Between two beats of that time, including those that were under way at its ends."""
        times = list(self.times)
        return max(b - a for a, b in zip(times, times[1:]) if b >= begin and a <= end)


class Watched:
    """The console of a guest of Ruche."""

    def __init__(self, daemon, name):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "ruche"), "--socket", daemon.socket, "vm", "console", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.beats = Beats(self.process.stdout.fileno())

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()


class WatchedSocket:
    """The console of a QEMU by hand."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.beats = Beats(self.socket.fileno())

    def type(self, text):
        self.socket.sendall(text.encode())

    def close(self):
        self.socket.close()


def make_busy(watched):
    """Once it has booted; returns when it beats and has settled."""
    deadline = time.monotonic() + PATIENCE
    while b"/# " not in watched.beats.text and time.monotonic() < deadline:
        time.sleep(0.1)
    watched.type(BUSY)
    watched.beats.wait(200)


def usual_gap(watched, seconds=5):
    begun = time.monotonic()
    time.sleep(seconds)
    return watched.beats.longest_gap(begun, time.monotonic())


def say_gap(who, usual, gap, pause, took):
    show(f"memory snapshot, {MEMORY_MIB} MiB: {who}, CPUs stood still", f"{pause * 1000:.0f} ms")
    show(f"memory snapshot, {MEMORY_MIB} MiB: {who}, longest gap in output",
         f"{gap * 1000:.0f} ms (without a snapshot {usual * 1000:.0f} ms)")
    show(f"memory snapshot, {MEMORY_MIB} MiB: {who}, until it was saved", f"{took:.1f} s")


# --- with memory --------------------------------------------------------------------------------


def ours_with_memory(daemon):
    watched = Watched(daemon, "busy")
    make_busy(watched)
    usual = usual_gap(watched)
    begun = time.monotonic()
    daemon.ruche("snapshot", "create", "busy", "bench", "--memory", timeout=PATIENCE)
    ended = time.monotonic()
    time.sleep(1)
    row = daemon.ruche_json("snapshot", "list", "busy")["items"][0]
    gap = watched.beats.longest_gap(begun, ended)
    say_gap("Ruche", usual, gap, row["pause_ms"] / 1000, ended - begun)
    watched.close()
    back = []
    for _ in range(3):
        begun = time.monotonic()
        daemon.ruche("snapshot", "revert", "busy", "bench", timeout=PATIENCE)
        watched = Watched(daemon, "busy")
        back.append(watched.beats.wait() - begun)
        watched.close()
    return gap, statistics.median(back)


def answer(qmp, command, **arguments):
    qmp.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    qmp.file.flush()
    while True:
        message = qmp.read()
        if "event" not in message:
            if "error" in message:
                raise SystemExit(f"{command}: {message['error']['desc']}")
            return message["return"]


def migrated(qmp):
    """Until all is saved or loaded."""
    while True:
        status = answer(qmp, "query-migrate").get("status")
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise SystemExit("QEMU could not save or load by hand")
        time.sleep(0.005)


def by_hand_saved(qmp, disks, folder):
    """Cuts the disks and saves the memory of one instant; how long the CPUs stood still. As a stream:
    with mapped-ram QEMU 10.0 writes a file here that it does not load again."""
    answer(qmp, "migrate-set-capabilities",
           capabilities=[{"capability": "background-snapshot", "state": True}])
    answer(qmp, "migrate-set-parameters", **{"max-bandwidth": 0})
    cuts = []
    for node, size in disks:
        path = os.path.join(folder, node)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, str(size)], check=True)
        answer(qmp, "blockdev-add", driver="qcow2", backing=None, **{
            "node-name": f"over-{node}", "file": {"driver": "file", "filename": path}})
        cuts.append({"type": "blockdev-snapshot", "data": {"node": node, "overlay": f"over-{node}"}})
    stopped = time.monotonic()
    answer(qmp, "stop")
    answer(qmp, "transaction", actions=cuts)
    answer(qmp, "migrate", uri=f"file:{folder}/memory")
    while answer(qmp, "query-migrate").get("ram", {}).get("transferred", 0) == 0:
        pass
    answer(qmp, "cont")
    pause = time.monotonic() - stopped
    migrated(qmp)
    return pause


def tops_of(argv):
    """The nodes that its disks write to."""
    nodes = []
    for word in argv:
        if word.startswith('{"driver":"virtio-blk-pci"'):
            nodes.append(json.loads(word)["drive"])
    return nodes


def by_hand_with_memory(argv, files, sizes, folder):
    qemu, qmp, sockets, _ = bare_machine(argv, files, folder)
    watched = WatchedSocket(sockets["watch"])
    try:
        answer(qmp, "cont")
        make_busy(watched)
        usual = usual_gap(watched)
        begun = time.monotonic()
        pause = by_hand_saved(qmp, list(zip(tops_of(argv), sizes)), folder)
        ended = time.monotonic()
        time.sleep(1)
        gap = watched.beats.longest_gap(begun, ended)
        say_gap("by hand", usual, gap, pause, ended - begun)
    finally:
        watched.close()
        qemu.kill()
        qemu.wait()
    back = []
    for _ in range(3):
        begun = time.monotonic()
        qemu, qmp, sockets, _ = bare_machine([*argv, "-incoming", "defer"], files, folder)
        watched = WatchedSocket(sockets["watch"])
        try:
            answer(qmp, "migrate-incoming", uri=f"file:{folder}/memory")
            migrated(qmp)
            answer(qmp, "cont")
            back.append(watched.beats.wait() - begun)
        finally:
            watched.close()
            qemu.kill()
            qemu.wait()
    return gap, statistics.median(back)


DOMAIN = """<domain type='qemu'><name>ruche-bench</name><memory unit='MiB'>{memory}</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type><kernel>{kernel}</kernel><initrd>{initrd}</initrd>
<cmdline>{line}</cmdline></os><features><acpi/></features><devices>
<emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{folder}/disk'/>
<target dev='vda' bus='virtio'/></disk>
<serial type='unix'><source mode='bind' path='{folder}/serial'/></serial></devices></domain>"""


def libvirt_with_memory(daemon, line, folder):
    """The gap of `virsh snapshot-create-as --live`; None where libvirt does not answer."""
    if shutil.which("virsh") is None or virsh("list").returncode != 0:
        show("memory snapshot: next to libvirt", "skipped: no libvirt system daemon answers here")
        return
    os.chmod(folder, 0o777)  # libvirt's QEMU has a user of its own
    files = {}
    for kind in ("kernel", "initrd"):
        found, = glob.glob(os.path.join(daemon.data, f"datastore/images/*/*.{kind}"))
        files[kind] = shutil.copy(found, os.path.join(folder, kind))
        os.chmod(files[kind], 0o644)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", os.path.join(folder, "disk"), "64M"], check=True)
    definition = os.path.join(folder, "domain.xml")
    with open(definition, "w") as file:
        file.write(DOMAIN.format(memory=MEMORY_MIB, line=line, folder=folder, **files))
    done = virsh("create", definition)
    if done.returncode != 0:
        show("memory snapshot: next to libvirt", f"skipped: {done.stderr.strip()}")
        return
    try:
        watched = WatchedSocket(os.path.join(folder, "serial"))
        make_busy(watched)
        usual = usual_gap(watched)
        begun = time.monotonic()
        done = virsh("snapshot-create-as", "ruche-bench", "bench", "--live", "--memspec",
                     f"file={folder}/saved,snapshot=external", "--diskspec",
                     f"vda,snapshot=external,file={folder}/over")
        ended = time.monotonic()
        time.sleep(1)
        if done.returncode != 0:
            show("memory snapshot: next to libvirt", f"skipped: {done.stderr.strip()}")
            return
        gap = watched.beats.longest_gap(begun, ended)
        show(f"memory snapshot, {MEMORY_MIB} MiB: libvirt, longest gap in output",
             f"{gap * 1000:.0f} ms (without a snapshot {usual * 1000:.0f} ms)")
        show(f"memory snapshot, {MEMORY_MIB} MiB: libvirt, until it was saved", f"{ended - begun:.1f} s")
        watched.close()
    finally:
        virsh("destroy", "ruche-bench")


def command_line_of(daemon, name):
    """How a guest was started, for a start by hand after it was stopped."""
    vm = daemon.vm(name)
    argv = vm["status"]["qemu_argv"]
    return argv, descriptors_of(argv, daemon, vm)


def bench_memory():
    daemon, folder = Daemon().start(), tempfile.mkdtemp(prefix="ruche-bench-")
    try:
        daemon.demo_image()
        daemon.ruche("vm", "create", "busy", "--image", "demo", "--cpus", "2", "--memory",
                     f"{MEMORY_MIB}MiB", "--start", "--wait", "running")
        vm = daemon.vm("busy")
        argv, files = command_line_of(daemon, "busy")
        daemon.ruche("vm", "stop", "busy")
        sizes = [disk["size_bytes"] for disk in vm["spec"]["disks"]]
        hand_gap, hand_back = by_hand_with_memory(argv, files, sizes, folder)
        daemon.ruche("vm", "start", "busy", "--wait", "running")
        gap, back = ours_with_memory(daemon)
        show("memory snapshot: longest gap, against by hand", f"{gap / hand_gap:.2f}")
        show("revert: Ruche, from the command to the first output, median", f"{back * 1000:.0f} ms")
        show("revert: by hand, from exec to the first output, median", f"{hand_back * 1000:.0f} ms")
        show("revert: against by hand", f"{back / hand_back:.2f}")
        daemon.ruche("vm", "stop", "busy")
        libvirt_with_memory(daemon, vm["spec"]["boot"]["command_line"], folder)
    finally:
        daemon.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


# --- merges -------------------------------------------------------------------------------------


def fill(path):
    """Random bytes: nothing on the way takes them for zeroes."""
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path)) as noise:
        for _ in range(MERGED_MIB // 64):
            noise.write(os.urandom(64 * MIB))
        noise.flush()
        subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", noise.name, path], check=True)


def dd_rate(path):
    copy = path + ".copy"
    begun = time.monotonic()
    subprocess.run(["dd", f"if={path}", f"of={copy}", "bs=1M", "conv=fsync", "status=none"], check=True)
    rate = MERGED_MIB / (time.monotonic() - begun)
    os.unlink(copy)
    return rate


def bench_merge():
    daemon = Daemon().start()
    try:
        rates = {"stopped": [], "running": [], "dd": []}
        for number in range(3):
            for state in ("stopped", "running"):
                name = f"{state}{number}"
                daemon.ruche("vm", "create", name, "--disk-size", f"{MERGED_MIB}MiB", "--memory", "64MiB")
                layer = daemon.vm(name)["spec"]["disks"][0]["layer"]
                path, = glob.glob(os.path.join(daemon.data, f"datastore/guests/*/{layer}.qcow2"))
                fill(path)
                rates["dd"].append(dd_rate(path))
                daemon.ruche("snapshot", "create", name, "bench")
                if state == "running":
                    daemon.ruche("vm", "start", name, "--wait", "running")
                begun = time.monotonic()
                daemon.ruche("snapshot", "delete", name, "bench", timeout=PATIENCE)
                rates[state].append(MERGED_MIB / (time.monotonic() - begun))
                daemon.ruche("vm", "delete", name, "--stop", "--purge", "--yes")
        median = {kind: statistics.median(found) for kind, found in rates.items()}
        show(f"merge of {MERGED_MIB} MiB: dd of the layer, median", f"{median['dd']:.0f} MiB/s")
        for state in ("stopped", "running"):
            show(f"merge of {MERGED_MIB} MiB: of a {state} guest, median",
                 f"{median[state]:.0f} MiB/s, {median[state] / median['dd']:.2f} of dd")
    finally:
        daemon.clean_up()


# --- copies -------------------------------------------------------------------------------------


def clones_by_hand(daemon, layers, folder):
    begun = time.monotonic()
    for number in range(COPIES):
        for layer in layers:
            below, = glob.glob(os.path.join(daemon.data, f"datastore/guests/*/{layer}.qcow2"))
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2",
                            os.path.join(folder, f"{number}-{layer}")], check=True)
    return time.monotonic() - begun


def ready_after(descriptor_of, begin):
    """From `begin()` to the guest's own word that it is ready."""
    begun = time.monotonic()
    watched = descriptor_of(begin())
    deadline = begun + PATIENCE
    while not re.search(rb"ruche-demo ready", watched.beats.text):
        if time.monotonic() > deadline:
            raise SystemExit(f"it does not boot: {watched.beats.text[-500:]!r}")
        time.sleep(0.005)
    took = time.monotonic() - begun
    watched.close()
    return took


def boots(daemon, folder):
    """Linked clones that boot, and the same command line by hand, in turns."""
    ours, bare = [], []
    for number in range(5):
        name = f"boot{number}"

        def clone(name=name):
            daemon.ruche("vm", "clone", "gold", name, "--linked", "--start")
            return name

        ours.append(ready_after(lambda made: Watched(daemon, made), clone))
        argv, files = command_line_of(daemon, name)
        daemon.ruche("vm", "stop", name)

        def start(argv=argv, files=files):
            machine = bare_machine(argv, files, folder)
            answer(machine[1], "cont")
            return machine

        machines = []
        bare.append(ready_after(
            lambda made: (machines.append(made), WatchedSocket(made[2]["watch"]))[1], start))
        machines[0][0].kill()
        machines[0][0].wait()
        daemon.ruche("vm", "delete", name, "--purge", "--yes")
    return ours, bare


def bench_clones():
    daemon, folder = Daemon().start(), tempfile.mkdtemp(prefix="ruche-bench-")
    try:
        daemon.demo_image()
        daemon.ruche("setting", "set", "--cpu-overcommit", "64")
        daemon.ruche("vm", "create", "gold", "--image", "demo", "--cpus", "1", "--memory", "128MiB")
        layers = [disk["layer"] for disk in daemon.vm("gold")["spec"]["disks"]]
        hand = clones_by_hand(daemon, layers, folder)
        daemon.ruche("vm", "template", "gold")
        begun = time.monotonic()
        done = daemon.ruche("vm", "create", "app", "--from-template", "gold", "--count", str(COPIES),
                            timeout=PATIENCE, expect=None)
        took = time.monotonic() - begun
        made = daemon.api("GET", "/v1/vms?limit=1000&filter=name~app-").json["items"]
        show(f"clones: {COPIES} linked ones of a template, one command",
             f"{took:.2f} s, {len(made) / took:.0f} per second, {COPIES - len(made)} errors")
        if done.returncode != 0:
            print("   ", done.stderr.strip())
        show(f"clones: {COPIES} × qemu-img create -b, one after another", f"{hand:.2f} s")
        show("clones: against qemu-img", f"{took / hand:.2f}")
        ours, bare = boots(daemon, folder)
        show("clones: linked clone and boot to ready, median", median_ms(ours))
        show("clones: bare QEMU, exec to ready, median", median_ms(bare))
        show("clones: against a bare boot", f"{statistics.median(ours) / statistics.median(bare):.2f}")
    finally:
        daemon.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


ALL = {"memory": bench_memory, "merge": bench_merge, "clones": bench_clones}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or ALL:
        ALL[wanted]()
