"""A real system with a TPM under Secure Boot: what the TPM keeps survives a stop, and a loader that
somebody changed is not started. One Debian guest is shared; the tests run in the order of their
names."""

import base64
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import SystemTest, is_alive, wait_for

BOOT = 600.0

# Speaks to the chip itself: a place in its memory is made and written, or read (TPM 2.0 library,
# part 3: TPM2_NV_DefineSpace, TPM2_NV_Write, TPM2_NV_Read).
TALK = r"""
import struct, sys
OWNER, PASSWORD, INDEX = 0x40000001, 0x40000009, 0x01500001
AUTH = struct.pack(">IIHBH", 9, PASSWORD, 0, 0, 0)
tpm = open("/dev/tpm0", "r+b", buffering=0)
def ask(code, handles, rest):
    body = struct.pack(">%dI" % len(handles), *handles) + AUTH + rest
    tpm.write(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
    answer = tpm.read(4096)
    status = struct.unpack(">I", answer[6:10])[0]
    if status:
        raise SystemExit("TPM error 0x%x" % status)
    return answer[14:]
if len(sys.argv) > 1:
    text = sys.argv[1].encode()
    public = struct.pack(">IHIHH", INDEX, 0x000B, 0x00060006, 0, len(text))
    ask(0x12A, [OWNER], struct.pack(">HH", 0, len(public)) + public)
    ask(0x137, [OWNER, INDEX], struct.pack(">H", len(text)) + text + struct.pack(">H", 0))
else:
    answer = ask(0x14E, [OWNER, INDEX], struct.pack(">HH", 8, 0))
    print(answer[2:10].decode())
"""


def tpms_of(guest):
    """Processes of swtpm that carry this guest's id."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read()
        except OSError:
            continue  # it has just ended
        if words.startswith(b"/usr/bin/swtpm") and guest.encode() in words:
            found.append(int(path.split("/")[2]))
    return found


class Tpm(SystemTest):
    needs_demo = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = tempfile.mkdtemp(prefix="ruche-tpm-")
        cls.addClassCleanup(shutil.rmtree, cls.files, ignore_errors=True)
        cls.daemon.debian_image("debian12")
        # One CPU: the firmware stops all others whenever it writes, which emulation makes slow.
        cls.daemon.ruche("vm", "create", "db1", "--image", "debian12", "--cpus", "1", "--memory",
                         "1GiB", "--secure-boot", "--tpm", "--start", "--wait", "agent",
                         timeout=BOOT)

    def exec(self, *command):
        return self.daemon.ruche("vm", "exec", "db1", "--", *command).stdout

    def test_1_the_system_sees_both(self):
        self.assertEqual(self.exec("cat", "/sys/class/tpm/tpm0/tpm_version_major").strip(), "2")
        self.assertIn("Secure boot enabled", self.exec("dmesg"))
        vm = self.daemon.vm("db1")
        self.assertTrue(vm["spec"]["boot"]["secure"])
        devices = self.daemon.ruche("vm", "devices", "db1").stdout
        self.assertIn("identity of its TPM", devices)
        check = self.daemon.api("GET", "/v1/hosts/self/check", expect=200).json
        levels = {finding["name"]: finding["level"] for finding in check["findings"]}
        self.assertEqual((levels["uefi"], levels["tpm"]), ("ok", "ok"))

    def test_2_its_process_is_the_guests_and_outlives_the_daemon(self):
        vm = self.daemon.vm("db1")
        before = tpms_of(vm["id"])
        self.assertEqual(len(before), 1)
        if os.getuid() == 0:
            self.assertEqual(os.stat(f"/proc/{before[0]}").st_uid, vm["uid"])
        self.daemon.kill()
        self.daemon.start()
        wait_for(lambda: self.daemon.state("db1") == "running", 60)
        self.assertEqual(tpms_of(vm["id"]), before)

    def test_3_what_it_keeps_survives_a_stop(self):
        wait_for(lambda: self.daemon.vm("db1")["status"].get("agent", {}).get("connected"), 120)
        self.exec("python3", "-c", TALK, "swordfis")
        self.daemon.ruche("vm", "shutdown", "db1", "--timeout", "5m", timeout=400)
        self.assertEqual(tpms_of(self.daemon.vm("db1")["id"]), [])
        self.daemon.ruche("vm", "start", "db1", "--wait", "agent", timeout=BOOT)
        self.assertEqual(self.exec("python3", "-c", TALK).strip(), "swordfis")

    def test_4_a_loader_that_was_changed_is_not_started(self):
        shim = bytearray(base64.b64decode(
            self.exec("base64", "-w0", "/usr/lib/shim/shimx64.efi.signed")))
        shim[len(shim) // 2] ^= 1
        loader = os.path.join(self.files, "changed.efi")
        with open(loader, "wb") as file:
            file.write(shim)
        disk = os.path.join(self.files, "changed.raw")
        with open(disk, "wb") as file:
            file.truncate(8 << 20)
        for command in (("mformat", "-i", disk, "-T", "16384", "-h", "16", "-s", "32", "::"),
                        ("mmd", "-i", disk, "::/EFI", "::/EFI/BOOT"),
                        ("mcopy", "-i", disk, loader, "::/EFI/BOOT/BOOTX64.EFI")):
            subprocess.run(command, check=True)
        self.daemon.ruche("image", "import", "changed", disk, "--format", "raw")
        self.daemon.ruche("vm", "create", "evil1", "--image", "changed", "--memory", "256MiB",
                          "--secure-boot", "--start", "--wait", "running")
        self.daemon.ruche("vm", "console", "evil1", "--no-input", "--until", "Access Denied",
                          "--timeout", "120s")
        self.daemon.ruche("vm", "delete", "evil1", "--stop", "--purge", "--yes")

    def test_5_one_that_ends_alone_is_told_of(self):
        self.daemon.ruche("vm", "create", "lone1", "--disk-size", "64MiB", "--memory", "128MiB",
                          "--tpm", "--start", "--wait", "running")
        tpm, = tpms_of(self.daemon.vm("lone1")["id"])
        os.kill(tpm, signal.SIGKILL)
        wait_for(lambda: "its TPM" in self.daemon.vm("lone1")["status"]["last_error"], 30)
        self.assertEqual(self.daemon.state("lone1"), "running")
        self.assertIn("its TPM", self.daemon.ruche("vm", "show", "lone1").stdout)
        self.daemon.ruche("vm", "stop", "lone1")
        self.daemon.ruche("vm", "start", "lone1", "--wait", "running")
        self.assertEqual(self.daemon.vm("lone1")["status"]["last_error"], "")
        self.daemon.ruche("vm", "delete", "lone1", "--stop", "--purge", "--yes")

    def test_6_it_ends_with_its_guest_and_goes_with_it(self):
        vm = self.daemon.vm("db1")
        tpm, = tpms_of(vm["id"])
        os.kill(vm["status"]["pid"], signal.SIGKILL)
        wait_for(lambda: not is_alive(tpm), 30)
        wait_for(lambda: self.daemon.state("db1") == "crashed", 60)
        self.daemon.ruche("vm", "delete", "db1", "--purge", "--yes")
        self.assertEqual(glob.glob(os.path.join(self.daemon.data, "**/*.tpm"), recursive=True), [])


if __name__ == "__main__":
    unittest.main()
