"""A guest that keeps one counter in its memory and on its disk, and what its disk must hold then.

The demo guest counts in a shell: every round it reads back, past all caches, what it wrote last,
compares it with what it remembers, and writes the next number into the next of 256 blocks of its
second disk. So a disk that is of another instant than the memory is noticed by the guest at once,
and from outside a single number says what every byte of the disk must be.
"""

import os
import re
import subprocess
import tempfile
import time

from harness import PATIENCE, SystemTest, is_alive, wait_for

MIB = 1 << 20
SLOTS, BLOCK = 256, 4096  # the counter's part of the disk: its first MiB
OPEN = ("waiting", "running", "reverting")

WRITER = r"""
cat > /tmp/count <<'END'
read -r n < /tmp/n
line=$(printf 'count %09d' $n)
while [ -e /tmp/go ]; do
  if [ $n -gt 0 ]; then
    dd if=/dev/vdb of=/tmp/seen bs=4096 skip=$((n % 256)) count=1 iflag=direct 2> /dev/null
    read -r was < /tmp/seen
    [ "$was" = "$line" ] || echo "wrong: disk $was, memory $line" >> /tmp/wrong
  fi
  next=$((n + 1)); line=$(printf 'count %09d' $next)
  yes "$line" | head -c 4096 > /tmp/block
  dd if=/tmp/block of=/dev/vdb bs=4096 seek=$((next % 256)) oflag=direct conv=fsync 2> /dev/null ||
    echo "wrong: cannot write $next" >> /tmp/wrong
  n=$next
  echo $n > /tmp/n
done
touch /tmp/halted
END
"""


def block_of(number):
    line = b"count %09d\n" % number
    return line * (BLOCK // len(line))


def disk_after(number, size, fills=()):
    """The bytes of the disk when the guest had counted so far. `fills`: (offset, length, byte)."""
    data = bytearray(size)
    for offset, length, byte in fills:
        data[offset:offset + length] = bytes([byte]) * length
    for n in range(max(1, number - SLOTS + 1), number + 1):
        at = n % SLOTS * BLOCK
        data[at:at + BLOCK] = block_of(n)
    return bytes(data)


def newest_in(data):
    """The highest number in the counter's blocks; 0: none."""
    found = [0]
    for slot in range(SLOTS):
        head = re.match(rb"count (\d{9})\n", data[slot * BLOCK:slot * BLOCK + 16])
        if head:
            found.append(int(head.group(1)))
    return max(found)


class CountingTest(SystemTest):
    """Tests whose guests count. Every guest that make() made goes with its test."""

    def setUp(self):
        self.addCleanup(self.check_nothing_is_left)

    def make(self, name, *more, fill=0, memory="128MiB", image="demo", start=True):
        """A guest with a second disk, of which `fill` MiB behind the first are 0x5a."""
        self.daemon.ruche("vm", "create", name, "--image", image, "--memory", memory, "--disk",
                          f"size={fill + 4}MiB", *more)
        self.addCleanup(self.remove, name)
        if fill:
            self.write_at(name, MIB, fill * MIB, 0x5a)
        if start:
            self.boot(name)

    def fills(self, fill):
        return ((MIB, fill * MIB, 0x5a),) if fill else ()

    def remove(self, name):
        self.daemon.ruche("vm", "delete", name, "--stop", "--purge", "--yes", expect=None)

    def boot(self, name):
        self.daemon.ruche("vm", "start", name, "--wait", "running")
        self.booted(name)

    def booted(self, name):
        wait_for(lambda: "vdb" in self.ask(name, "ls /sys/class/block"), 120)

    # --- in the guest -------------------------------------------------------------------------

    def console(self, name, typed, until, timeout=120):
        done = self.daemon.ruche("vm", "console", name, "--until", until, "--timeout", f"{timeout}s",
                                 stdin=typed, timeout=timeout + 30)
        return done.stdout.replace("\r", "")

    def ask(self, name, command):
        """Types a command on the guest's console; what it printed."""
        mark = f"mark{time.monotonic_ns()}"
        text = self.console(
            name, f"\ntouch /tmp/quiet; echo begin of {mark}; {command}; echo end $? of {mark}\n",
            f"end [0-9]+ of {mark}")
        return text.rsplit(f"begin of {mark}\n", 1)[-1].rsplit("end ", 1)[0]

    def begin(self, name, number=0):
        """It counts on from `number`, which its disk must hold."""
        self.console(name, f"\ntouch /tmp/quiet\n{WRITER}echo {number} > /tmp/n; rm -f /tmp/wrong "
                           "/tmp/halted; touch /tmp/go\nsh /tmp/count &\necho counting $?\n",
                     "counting 0")

    def counter(self, name):
        """As its memory has it; fails when the guest saw its disk disagree."""
        said = self.ask(name, "cat /tmp/wrong 2> /dev/null; echo number $(cat /tmp/n)")
        numbers = re.findall(r"^number (\d+)$", said, re.MULTILINE)
        self.assertTrue(numbers, said)
        self.assertNotIn("wrong:", said, f"{name}: disk and memory disagree")
        return int(numbers[-1])

    def wait_counter(self, name, number, patience=PATIENCE):
        """Until it has counted to `number`; what it has then."""
        wait_for(lambda: self.counter(name) >= number, patience, lambda: self.counter(name))
        return self.counter(name)

    def halt(self, name):
        """It stops counting; the last number, which is on its disk too."""
        self.ask(name, "rm -f /tmp/go; until [ -e /tmp/halted ]; do sleep 0.1; done")
        return self.counter(name)

    # --- from outside -------------------------------------------------------------------------

    def file_of(self, layer):
        found = subprocess.run(["find", self.daemon.directory, "-name", f"{layer}.qcow2"],
                               capture_output=True, text=True).stdout.split()
        self.assertEqual(len(found), 1, f"files of layer {layer}")
        return found[0]

    def top_of(self, name, disk=1):
        return self.file_of(self.daemon.vm(name)["spec"]["disks"][disk]["layer"])

    def write_at(self, name, offset, length, byte):
        """Bytes on the second disk of a guest that has no process."""
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P {byte} {offset} {length}",
                        self.top_of(name)], check=True, stdout=subprocess.DEVNULL)

    def bytes_of(self, path):
        """All that a layer shows, through its chain. It must not be written to meanwhile."""
        with tempfile.NamedTemporaryFile(dir=self.daemon.directory) as raw:
            subprocess.run(["qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", path, raw.name],
                           check=True)
            with open(raw.name, "rb") as file:
                return file.read()

    def check_disk(self, path, low, high=None, fills=()):
        """Every byte is what some number from `low` to `high` makes it; that number."""
        data = self.bytes_of(path)
        number = newest_in(data)
        self.assertGreaterEqual(number, low, path)
        if high is not None:
            self.assertLessEqual(number, high, path)
        # Not assertEqual, which would print them.
        self.assertTrue(data == disk_after(number, len(data), fills), f"{path} after {number}")
        return number

    def layers(self, name):
        return rows_of(self.daemon.ruche_json("vm", "layers", name))

    def layers_of_disk(self, name, disk="disk1"):
        """Its chain, top first, without what other disks and other lines of snapshots have."""
        by_id = {row["id"]: row for row in self.layers(name)}
        layer = next(d["layer"] for d in self.daemon.vm(name)["spec"]["disks"] if d["name"] == disk)
        chain = []
        while layer:
            chain.append(by_id[layer])
            layer = by_id[layer].get("parent")
        return chain

    def layer_of_snapshot(self, name, snapshot):
        """The file of what its second disk was then."""
        found = [row["path"] for row in self.layers(name) if row["disk"] == "disk1" and
                 re.search(rf"\bsnapshot {re.escape(snapshot)}(,|$)", row["what"])]
        self.assertEqual(len(found), 1, self.layers(name))
        return found[0]

    def snapshots(self, name):
        rows = rows_of(self.daemon.ruche_json("snapshot", "list", name))
        return {row["name"]: row for row in rows}

    def refused(self, *arguments):
        """What the command line says about it; it must not be done."""
        done = self.daemon.ruche(*arguments, expect=None)
        self.assertNotEqual(done.returncode, 0, arguments)
        return done.stderr

    # --- tasks, and what is left --------------------------------------------------------------

    def ask_for(self, *arguments):
        """Begins and does not wait; the task."""
        return self.daemon.ruche(*arguments, "--no-wait").stdout.strip()

    def ended(self, task, patience=120):
        def view():
            return self.daemon.api("GET", f"/v1/tasks/{task}", expect=200).json

        return wait_for(lambda: (lambda t: None if t["state"] in OPEN else t)(view()), patience, view)

    def settle(self, patience=120):
        def open_tasks():
            tasks = self.daemon.api("GET", "/v1/tasks?limit=1000", expect=200).json["items"]
            return [t for t in tasks if t["state"] in OPEN]

        wait_for(lambda: not open_tasks(), patience, open_tasks)

    def check_nothing_leaks(self):
        """Files and processes are what the API says, and QEMU holds no file that is gone."""
        vms = self.daemon.api("GET", "/v1/vms?limit=1000", expect=200).json["items"]
        known = {row["id"] for vm in vms for row in self.layers(vm["id"]) if "/guests/" in row["path"]}
        files = [f for f in guest_files(self.daemon.directory) if os.path.basename(f) != "guest.json"]
        self.assertEqual(sorted(os.path.basename(f).split(".")[0] for f in files), sorted(known))
        folders = {os.path.basename(os.path.dirname(f)) for f in files}
        self.assertLessEqual(folders, {vm["id"] for vm in vms})
        for vm in vms:
            pid = vm["status"].get("pid")
            self.assertEqual(vm["status"]["state"] in ("running", "paused"), bool(pid), vm["name"])
            if not pid:
                continue
            self.assertTrue(is_alive(pid))
            self.assertEqual([f for f in open_files(pid, self.daemon.directory) if "(deleted)" in f], [])
            tops = {disk["name"]: self.file_of(disk["layer"]) for disk in vm["spec"]["disks"]}
            self.assertEqual({d["name"]: d["path"] for d in vm["status"]["disks"]}, tops)
        pids = sorted(vm["status"]["pid"] for vm in vms if vm["status"].get("pid"))
        wait_for(lambda: sorted(self.daemon.pids()) == pids, explain=self.daemon.pids)

    def check_nothing_is_left(self):
        self.settle()
        self.check_nothing_leaks()
        self.assertEqual(guest_files(self.daemon.directory), [])


def rows_of(answer):
    return answer["items"] if isinstance(answer, dict) else answer


def guest_files(directory):
    """Everything in the directories of guests, on all datastores below this one."""
    return subprocess.run(["find", directory, "-path", "*/guests/*", "-type", "f"],
                          capture_output=True, text=True).stdout.split()


def open_files(pid, below):
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue  # closed meanwhile
        if target.startswith(below):
            found.append(target)
    return found
