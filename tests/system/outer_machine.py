"""A whole Debian machine under QEMU's emulation, with an emulated AMD-V: what needs systemd, cgroup
v2, kernel modules or hardware virtualization is tried in it.

The machine does not talk over its console. It is given a payload (a tar on a disk) whose run.sh
works alone and reports: one JSON line for each thing done, into a file of ours, through a virtio
port. A test waits for those lines. They survive a reboot of the machine, and nothing races.
"""

import contextlib
import fcntl
import glob
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import time

import harness

CACHE = os.environ.get("RUCHE_CACHE", os.path.join(harness.SOURCE, ".ruche", "cache"))
SUITE = "bookworm"
# Of the machine itself; what Ruche needs comes from its package's own dependencies.
PACKAGES = ["systemd-sysv", "dbus", "udev", "kmod", "busybox-static", "init-system-helpers"]
FROM_BACKPORTS = "qemu-* seabios ipxe-qemu libbrlapi0.8 libgfapi0 libgfrpc0 libgfxdr0 libglusterfs0"
# What a Debian does beside its start, and nobody waits for here.
MASKED = ["e2scrub_reap.service", "e2scrub_all.timer", "fstrim.timer", "apt-daily.timer",
          "apt-daily-upgrade.timer", "dpkg-db-backup.timer"]
# In the order of their needs; the rest is in the root file system.
BOOT_MODULES = ["virtio_pci", "virtio_blk", "ext4"]

# Runs the payload's run.sh with the shell function `report NAME ok|failed [DETAIL]`.
RUNNER = r"""#!/bin/sh
modprobe virtio_console 2>/dev/null
# The port appears some time after its driver.
while [ -z "$results" ]; do
  for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name" 2>/dev/null)" = results ] && results=/dev/${port##*/}
  done
  [ -n "$results" ] || sleep 0.1
done
export results
mkdir -p /run/payload && tar -C /run/payload -xf /dev/vdb
cat > /run/payload/report.sh <<'END'
report() {
  detail=$(printf '%s' "${3:-}" | tr '\n\t' '  ' | tr -d '\000-\037"\\' | tail -c 1500)
  printf '{"name": "%s", "verdict": "%s", "detail": "%s"}\n' "$1" "$2" "$detail" > "$results"
}
# What a failure is understood from; a payload may say it better.
explain() { journalctl --no-pager -b -o cat -n 40; }
# try NAME COMMAND...: reports how it went, and ends the payload when it failed.
try() {
  name=$1; shift
  if output=$("$@" 2>&1); then report "$name" ok "$output"; return 0; fi
  explain > /dev/console 2>&1
  report "$name" failed "$output"
  exit 1
}
# until_true SECONDS COMMAND...: polls.
until_true() {
  patience=$1; left=$(( $1 * 2 )); shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "not true within $patience s: $*"; "$@"; return 1; }
    sleep 0.5
  done
}
END
cd /run/payload && exec sh ./run.sh
"""

UNIT = """[Unit]
Description=The test's payload
After=multi-user.target
[Service]
ExecStart=/usr/local/sbin/run-payload
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
"""

# For tests that need no systemd: the payload is process 1's only child.
PLAIN_INIT = r"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
modprobe kvm_amd
/usr/local/sbin/run-payload
sync
echo o > /proc/sysrq-trigger
sleep 60
"""

EARLY_INIT = r"""#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules/order); do
  /bin/busybox insmod /modules/$module || echo "insmod $module failed"
done
while ! [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root || exec /bin/busybox sh
/bin/busybox mount --move /dev /root/dev
init=/sbin/init
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in init=*) init=${word#init=} ;; esac
done
/bin/busybox umount /proc
exec /bin/busybox switch_root /root $init
"""


def sources():
    """The machine's own mirrors for the suite and its backports, as apt knows them."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    lines = []
    for line in listed.splitlines():
        uri, release, component = line.split()
        if release in (SUITE, f"{SUITE}-backports") and component == "main":
            lines.append(f"deb {uri} {release} main")
    assert len(lines) >= 2, f"apt knows no {SUITE} and {SUITE}-backports:\n{listed}"
    return "\n".join(sorted(set(lines))) + "\n"


def cpio(entries):
    """An initramfs (newc) of (name, mode, content)."""
    out = io.BytesIO()
    for number, (name, mode, content) in enumerate(entries + [("TRAILER!!!", 0, b"")], 1):
        raw = name.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0]
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + raw)
        out.write(b"\0" * (-out.tell() % 4) + content)
        out.write(b"\0" * (-out.tell() % 4))
    return out.getvalue()


class OuterImage:
    """The root file system, kernel and initramfs of an outer machine, built once and cached."""

    def __init__(self, dependencies):
        self.packages = PACKAGES + sorted(dependencies)
        recipe = "\n".join([*self.packages, SUITE, FROM_BACKPORTS, RUNNER, UNIT, PLAIN_INIT,
                            EARLY_INIT, *BOOT_MODULES, *MASKED])
        key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        self.directory = os.path.join(CACHE, f"outer-{key}")
        self.disk = os.path.join(self.directory, "root.img")
        self.kernel = os.path.join(self.directory, "vmlinuz")
        self.initrd = os.path.join(self.directory, "initrd")

    def ensure(self):
        os.makedirs(CACHE, exist_ok=True)
        with open(os.path.join(CACHE, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(self.directory):
                for old in glob.glob(os.path.join(CACHE, "outer-*")):
                    shutil.rmtree(old)
                self.build()
        return self

    def build(self):
        work = tempfile.mkdtemp(prefix="ruche-outer-", dir=CACHE)
        try:
            tree, result = os.path.join(work, "tree"), os.path.join(work, "result")
            os.mkdir(result)
            self.make_tree(tree)
            self.make_initrd(tree, os.path.join(result, "initrd"))
            shutil.copy(glob.glob(f"{tree}/boot/vmlinuz-*")[0], os.path.join(result, "vmlinuz"))
            for junk in ("boot", "var/cache/apt/archives", "usr/share/doc"):
                shutil.rmtree(os.path.join(tree, junk), ignore_errors=True)
            disk = os.path.join(result, "root.img")
            with open(disk, "wb") as file:
                file.truncate(4 << 30)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", "-O",
                            "^has_journal", "-d", tree, disk], check=True)
            os.rename(result, self.directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def make_tree(self, tree):
        pin = f"Package: {FROM_BACKPORTS}\\nPin: release n={SUITE}-backports\\nPin-Priority: 900\\n"
        # The kernel is only unpacked: its package would have an initramfs made, which takes longer
        # than all the rest.
        kernel = r"""
            export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
            mkdir "$1"/tmp/kernel && cd "$1"/tmp/kernel
            name=$(apt-cache depends linux-image-cloud-amd64 |
              sed -n "s/.*Depends: \(linux-image-[0-9].*\)/\1/p" | head -1)
            apt-get -q download "$name" && dpkg-deb -x linux-image-*.deb .
            mkdir -p "$1"/usr/lib/modules && cp -a boot/. "$1"/boot/
            cp -a lib/modules/. "$1"/usr/lib/modules/
            rm -r "$1"/tmp/kernel
            chroot "$1" depmod "$(ls "$1"/usr/lib/modules)"
            """
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                   "--aptopt=Apt::Install-Recommends \"false\"",
                   "--setup-hook=printf '" + pin + "' > \"$1\"/etc/apt/preferences.d/backports",
                   "--include=" + ",".join(self.packages), "--customize-hook=set -e;" + kernel]
        # A tree that is half written is thrown away anyway: dpkg need not wait for the disk.
        command.append("--dpkgopt=force-unsafe-io")
        for path in ("man", "locale", "doc", "info"):
            command.append(f"--dpkgopt=path-exclude=/usr/share/{path}/*")
        done = subprocess.run([*command, SUITE, tree, "-"], input=sources(), capture_output=True,
                              text=True)
        assert done.returncode == 0, f"mmdebstrap failed:\n{done.stderr[-3000:]}"
        self.add(tree, "usr/local/sbin/run-payload", RUNNER, 0o755)
        self.add(tree, "usr/local/sbin/plain-init", PLAIN_INIT, 0o755)
        self.add(tree, "etc/systemd/system/payload.service", UNIT, 0o644)
        wants = os.path.join(tree, "etc/systemd/system/multi-user.target.wants")
        os.makedirs(wants, exist_ok=True)
        os.symlink("/etc/systemd/system/payload.service", os.path.join(wants, "payload.service"))
        for unit in MASKED:
            os.symlink("/dev/null", os.path.join(tree, "etc/systemd/system", unit))
        self.add(tree, "etc/hostname", "outer\n", 0o644)
        self.add(tree, "etc/fstab", "", 0o644)

    @staticmethod
    def add(tree, path, text, mode):
        whole = os.path.join(tree, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w") as file:
            file.write(text)
        os.chmod(whole, mode)

    @staticmethod
    def make_initrd(tree, target):
        folder = glob.glob(f"{tree}/lib/modules/*")[0]
        needs = {}
        with open(os.path.join(folder, "modules.dep")) as listed:
            for line in listed:
                path, _, others = line.partition(":")
                name = os.path.basename(path).split(".")[0].replace("-", "_")
                # The deepest needs are listed last.
                needs[name] = [path, *reversed(others.split())]
        order = []
        for module in BOOT_MODULES:
            for path in [*needs.get(module, [])[1:], *needs.get(module, [])[:1]]:
                if path not in order:
                    order.append(path)
        entries = [(name, 0o040755, b"") for name in
                   ("bin", "dev", "proc", "root", "modules")]
        with open(os.path.join(tree, "bin/busybox"), "rb") as file:
            entries.append(("bin/busybox", 0o100755, file.read()))
        entries.append(("init", 0o100755, EARLY_INIT.encode()))
        names = []
        for path in order:
            with open(os.path.join(folder, path), "rb") as file:
                content = file.read()
            name = os.path.basename(path)
            if name.endswith(".xz"):
                content, name = lzma.decompress(content), name[:-3]
            names.append(name)
            entries.append((f"modules/{name}", 0o100644, content))
        entries.append(("modules/order", 0o100644, "\n".join(names).encode()))
        with open(target, "wb") as file:
            file.write(cpio(entries))


class LostMachine(AssertionError):
    """It ended or was reset, and nobody in it had asked for that."""


class OuterMachine:
    """One machine, with a disk that outlives its process: once it went off it can be started again.
    `files` maps names in the payload to paths here."""

    def __init__(self, image, files, script, init=None, memory="2048"):
        self.image, self.init, self.memory = image, init, memory
        self.directory = tempfile.mkdtemp(prefix="ruche-outer-")
        self.results = os.path.join(self.directory, "results")
        self.console = os.path.join(self.directory, "console")
        self.payload = os.path.join(self.directory, "payload.tar")
        self.disk = os.path.join(self.directory, "disk.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.disk,
                        self.disk], check=True)
        with tarfile.open(self.payload, "w") as tar:
            for name, path in files.items():
                tar.add(path, name)
            info = tarfile.TarInfo("run.sh")
            text = (". ./report.sh\n" + script).encode()
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        self.process = None

    def start(self):
        append = "console=ttyS0 panic=-1 rw quiet random.trust_cpu=on mitigations=off"
        if self.init:
            append += f" init={self.init}"
        # It ends with the test, however that ends. One processor: with several, each a thread, the
        # emulated AMD-V was seen to reset the machine while two guests ran.
        argv = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "EPYC,+svm", "-M", "q35",
            "-smp", "1", "-m", self.memory, "-no-reboot", "-nodefaults", "-display", "none",
            "-nic", "none",
            "-kernel", self.image.kernel, "-initrd", self.image.initrd, "-append", append,
            "-drive", f"file={self.disk},format=qcow2,if=virtio,cache=unsafe",
            "-drive", f"file={self.payload},format=raw,if=virtio,readonly=on",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"file,id=results,path={self.results},append=on",
            "-device", "virtserialport,chardev=results,name=results",
            "-chardev", f"file,id=console,path={self.console},append=on",
            "-serial", "chardev:console",
            "-d", "cpu_reset", "-D", os.path.join(self.directory, "resets"),
        ]
        with open(os.path.join(self.directory, "stderr"), "wb") as errors:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True, env=dict(os.environ, TMPDIR=self.directory))
        return self

    def reported(self):
        """What it said so far: name → (verdict, detail)."""
        found = {}
        with contextlib.suppress(FileNotFoundError), open(self.results, errors="replace") as file:
            for line in file.read().splitlines(keepends=True):
                if not line.endswith("\n"):
                    break  # it is still being written
                with contextlib.suppress(ValueError, KeyError):
                    entry = json.loads(line)
                    found[entry["name"]] = (entry["verdict"], entry["detail"])
        return found

    def wait_for(self, name, patience):
        """The detail that came with the report; fails as soon as anything was reported failed."""
        deadline = time.monotonic() + patience
        while True:
            ended = self.process.poll() is not None  # before the last lines are read
            reported = self.reported()
            for other, (verdict, detail) in reported.items():
                assert verdict == "ok", f"{other} failed in the machine: {detail}\n{self.tail()}"
            if name in reported:
                return reported[name][1]
            if ended:
                raise LostMachine(f"{name}: the machine ended; before that it reported "
                                  f"{list(reported)}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{name}: nothing for {patience} s; it reported "
                                     f"{list(reported)}\n{self.tail()}")
            time.sleep(0.2)

    def wait_until_off(self, patience):
        self.process.wait(patience)
        return self

    def tail(self):
        text = ""
        for path in (self.console, os.path.join(self.directory, "stderr")):
            with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as file:
                text += file.read()[-6000:]
        resets = os.path.join(self.directory, "resets")
        with contextlib.suppress(FileNotFoundError), open(resets, errors="replace") as file:
            text += "\n".join(line for line in file.read().splitlines() if "fault" in line)
        return text

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def run_machine(test, make, follow):
    """Makes a machine, starts it and follows it to its end. The emulator may lose one
    (LostMachine): that says nothing about what runs in it, and it is tried once more."""
    for last in (False, True):
        machine = make()
        test.addCleanup(machine.clean_up)
        try:
            return follow(machine.start())
        except LostMachine as lost:
            machine.clean_up()
            if last:
                raise
            print(f"once more, because {lost}", flush=True)


def make_package(directory):
    """Our Debian package of the programs under test: its path and the packages that it needs."""
    done = subprocess.run([os.path.join(harness.SOURCE, "tools", "package"), "--fast",
                           "--bin", harness.BIN, "--output", directory],
                          capture_output=True, text=True)
    assert done.returncode == 0, f"tools/package failed:\n{done.stdout}{done.stderr}"
    path = done.stdout.strip().splitlines()[-1]
    depends = subprocess.run(["dpkg-deb", "--field", path, "Depends"], capture_output=True,
                             text=True, check=True).stdout
    return path, {part.split("|")[0].split()[0] for part in depends.split(",")}


def demo_cache(daemon):
    """What `ruche image build demo` keeps for the next time: files for the payload, and the shell
    text that puts them where a daemon with the data directory $data finds them."""
    daemon.demo_image()
    cache = os.path.join(daemon.data, "build", "cache")
    latest = glob.glob(os.path.join(cache, "demo-*-latest"))[0]
    with open(latest) as file:
        _, directory, source = file.read().split("\n", 2)
    name = os.path.basename(directory)
    place = f"""
mkdir -p "$data/build/cache/{name}"
cp vmlinuz initrd "$data/build/cache/{name}/"
lists=$(stat -c %.9Y /var/lib/apt/lists 2>/dev/null | tr -d .)
printf '%s\\n%s\\n%s' "${{lists:-0}}" "$data/build/cache/{name}" "{source.strip()}" \\
  > "$data/build/cache/{os.path.basename(latest)}"
"""
    return {"vmlinuz": f"{directory}/vmlinuz", "initrd": f"{directory}/initrd"}, place
