"""Images from outside: every format, from a URL, by upload; whatever breaks meanwhile."""

import glob
import hashlib
import http.client
import os
import random
import re
import struct
import subprocess
import threading
import unittest

from harness import BIN, SOURCE, SystemTest, UnixConnection, wait_for
from image_server import ImageServer

MIB = 1 << 20


def make_iso(path, sectors=40):
    """The smallest volume that ECMA-119 allows: one primary descriptor and a terminator."""
    data = bytearray(random.Random(3).randbytes(sectors * 2048))
    primary = bytearray(2048)
    primary[:7] = b"\1CD001\1"
    struct.pack_into("<I", primary, 80, sectors)
    struct.pack_into(">I", primary, 84, sectors)
    struct.pack_into("<H", primary, 128, 2048)
    struct.pack_into(">H", primary, 130, 2048)
    data[0x8000:0x8800] = primary
    data[0x8800:0x9000] = b"\xffCD001\1" + bytes(2041)
    with open(path, "wb") as file:
        file.write(data)


def make_bootable_iso(path):
    """The same with a boot sector of 512 bytes (El Torito 1.0, no emulation): prints "tick"."""
    make_iso(path)
    with open(os.path.join(SOURCE, "tests/contract/boot_sector.hpp")) as file:
        code = bytes(int(b, 16) for b in re.findall(r"0x([0-9a-f]{2})[,}]", file.read()))
    record = bytearray(2048)  # the boot record, section 2.0: where the catalog is
    record[:7] = b"\0CD001\1"
    record[7:30] = b"EL TORITO SPECIFICATION"
    struct.pack_into("<I", record, 0x47, 19)
    catalog = bytearray(2048)  # a validation entry (2.1) and the default entry (2.2)
    catalog[0], catalog[30], catalog[31] = 1, 0x55, 0xAA
    struct.pack_into("<H", catalog, 28, -sum(struct.unpack("<16H", catalog[:32])) & 0xFFFF)
    catalog[32] = 0x88
    struct.pack_into("<HI", catalog, 38, 1, 20)
    with open(path, "r+b") as file:
        file.seek(17 * 2048)
        file.write(record + b"\xffCD001\1" + bytes(2041) + catalog + code)


class Images(SystemTest):
    daemon_options = {"listen": "127.0.0.1:0"}
    needs_demo = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work = os.path.join(cls.daemon.directory, "work")
        os.mkdir(cls.work)
        # Data, holes, and data in the last sector.
        data = bytearray(24 * MIB)
        noise = random.Random(1)
        for at in (0, 5 * MIB + 512, 17 * MIB):
            data[at:at + 300000] = noise.randbytes(300000)
        data[-512:] = noise.randbytes(512)
        cls.raw = cls.path("plain.raw")
        with open(cls.raw, "wb") as file:
            file.write(data)
        cls.qcow2 = cls.path("plain.qcow2")
        cls.run_tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", cls.raw, cls.qcow2)
        with open(cls.qcow2, "rb") as file:
            cls.content = file.read()
        cls.checksum = "sha256:" + hashlib.sha256(cls.content).hexdigest()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.work, name)

    @staticmethod
    def run_tool(*argv):
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def image(self, name):
        return self.daemon.api("GET", f"/v1/images/{name}", expect=200).json

    def volume(self, name):
        """The one file of an image on the datastore."""
        folder = os.path.join(self.daemon.data, "datastore", "images", self.image(name)["id"])
        files = [f for f in glob.glob(folder + "/*") if not f.endswith(".checksum")]
        self.assertEqual(len(files), 1, files)
        return files[0]

    def assert_is_the_disk(self, name):
        self.run_tool("qemu-img", "compare", "-U", "-f", "raw", "-F", "qcow2", self.raw,
                      self.volume(name))

    def assert_nothing_is_left(self):
        incoming = os.path.join(self.daemon.data, "datastore", "incoming")
        self.assertEqual(os.listdir(incoming) if os.path.isdir(incoming) else [], [])
        known = {i["id"] for i in self.daemon.api("GET", "/v1/images?limit=1000").json["items"]}
        folder = os.path.join(self.daemon.data, "datastore", "images")
        self.assertEqual(set(os.listdir(folder)) - known, set())

    def delete(self, name):
        self.daemon.ruche("image", "delete", name)

    # --- formats ----------------------------------------------------------------------------

    def test_formats_arrive_byte_for_byte(self):
        kinds = [("vmdk", "subformat=monolithicSparse"), ("vmdk", "subformat=streamOptimized"),
                 ("vpc", "subformat=dynamic,force_size=on"),
                 ("vpc", "subformat=fixed,force_size=on"), ("vhdx", "subformat=dynamic"),
                 ("vdi", "static=off")]
        for number, (kind, options) in enumerate(kinds):
            name, file = f"format-{number}", self.path(f"disk.{number}")
            self.run_tool("qemu-img", "convert", "-f", "raw", "-O", kind, "-o", options, self.raw,
                          file)
            self.daemon.ruche("image", "import", name, file)
            self.assert_is_the_disk(name)
            self.assertEqual(self.image(name)["size_bytes"], 24 * MIB)
            self.delete(name)
        self.assert_nothing_is_left()

    def test_hostile_images_are_refused_and_leave_nothing(self):
        self.run_tool("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat",
                      self.path("flat.vmdk"), "8M")
        self.run_tool("qemu-img", "create", "-q", "-f", "vpc", self.path("cut.vhd"), "8M")
        os.truncate(self.path("cut.vhd"), os.path.getsize(self.path("cut.vhd")) - 512)
        # A disk whose footer says VHD and whose first bytes say qcow2.
        self.run_tool("qemu-img", "create", "-q", "-f", "vpc", "-o",
                      "subformat=fixed,force_size=on", self.path("both.vhd"), "8M")
        with open(self.path("both.vhd"), "r+b") as file:
            file.write(b"QFI\xfb\0\0\0\3")
        for file, words in [("flat.vmdk", "other files"), ("cut.vhd", "cut short"),
                            ("both.vhd", "could be read as qcow2 and as VHD")]:
            done = self.daemon.ruche("image", "import", "bad", self.path(file), expect=3)
            self.assertIn(words, done.stderr)
            self.assertIn("next:", done.stderr)
        self.assert_nothing_is_left()

    def test_a_guest_boots_from_a_cd(self):
        iso = self.path("installer.iso")
        make_bootable_iso(iso)
        self.daemon.ruche("image", "import", "installer", iso)
        self.daemon.ruche("vm", "create", "fresh", "--cdrom", "installer", "--disk-size", "1GiB",
                          "--memory", "64MiB", "--start", "--wait", "running")
        self.daemon.ruche("vm", "console", "fresh", "--no-input", "--until", "tick [0-9a-f]+",
                          "--timeout", "60s")
        self.assertIn("cdrom0", self.daemon.ruche("vm", "show", "fresh").stdout)
        refusal = self.daemon.ruche("image", "delete", "installer", expect=None)
        self.assertNotEqual(refusal.returncode, 0)
        refusal = self.daemon.ruche("vm", "create", "wrong", "--image", "installer", expect=None)
        self.assertIn("--cdrom installer", refusal.stderr)
        self.daemon.ruche("vm", "delete", "fresh", "--stop", "--purge", "--yes")
        self.daemon.ruche("image", "delete", "installer")

    def test_an_iso_is_kept_as_it_came_and_is_no_disk(self):
        iso = self.path("cd.iso")
        make_iso(iso)
        self.daemon.ruche("image", "import", "cd", iso)
        self.assertEqual(self.image("cd")["kind"], "iso")
        self.run_tool("cmp", iso, self.volume("cd"))
        done = self.daemon.ruche("vm", "create", "no", "--image", "cd", expect=3)
        self.assertIn("is a CD", done.stderr)
        self.daemon.restart()
        self.assertEqual(self.image("cd")["state"], "ready")
        self.delete("cd")
        self.assert_nothing_is_left()

    # --- URLs -------------------------------------------------------------------------------

    def serve(self, content=None):
        server = ImageServer(self.content if content is None else content)
        self.addCleanup(server.close)
        return server

    def test_a_url_whose_server_drops_connections(self):
        server = self.serve()
        server.break_after = [100_000, 1]
        self.daemon.ruche("image", "import", "web", server.url("/moved"), "--checksum",
                          self.checksum)
        self.assert_is_the_disk("web")
        self.assertEqual(self.image("web")["checksum"], self.checksum)
        self.assertEqual(server.requests[:2], [None, None])  # the redirect and its target
        self.assertTrue(server.requests[-1].startswith("bytes="), server.requests)
        self.delete("web")
        self.assert_nothing_is_left()

    def test_a_download_outlives_the_daemon(self):
        server = self.serve()
        server.gate = threading.Event()
        task = self.daemon.ruche("image", "import", "gated", server.url(), "--no-wait").stdout
        incoming = os.path.join(self.daemon.data, "datastore", "incoming")
        half = len(self.content) // 2

        def arrived():
            files = glob.glob(incoming + "/*-*-*-*-*")
            return any(os.path.getsize(f) >= half for f in files if not f.endswith(".download"))

        wait_for(arrived)
        self.daemon.kill()
        server.gate.set()
        self.daemon.start()
        wait_for(lambda: self.daemon.api("GET", f"/v1/tasks/{task.strip()}").json["state"] ==
                 "done", 120)
        self.assertEqual(server.requests[-1], f"bytes={half}-")
        self.assert_is_the_disk("gated")
        self.delete("gated")
        self.assert_nothing_is_left()

    def test_what_a_server_must_not_do(self):
        server = self.serve()
        wrong = "sha256:" + "0" * 64
        done = self.daemon.ruche("image", "import", "bad", server.url(), "--checksum", wrong,
                                 expect=3)
        self.assertIn(self.checksum, done.stderr)
        done = self.daemon.ruche("image", "import", "bad", server.url("/elsewhere"), expect=9)
        self.assertIn("rotocol", done.stderr)
        server.status = 404
        done = self.daemon.ruche("image", "import", "bad", server.url(), expect=9)
        self.assertIn("404", done.stderr)
        server.status, server.endless = 200, True
        self.daemon.ruche("setting", "set", "--image-size-limit", "16MiB")
        done = self.daemon.ruche("image", "import", "bad", server.url(), expect=3)
        self.assertIn("more than the", done.stderr)
        self.daemon.ruche("setting", "set", "--image-size-limit", "1TiB")
        for url in ("ftp://localhost/x", "http://user:secret@localhost/x", "http://"):
            answer = self.daemon.api("POST", "/v1/images", {"name": "bad", "url": url})
            self.assertEqual((answer.status, answer.json["reason"]), (400, "bad-format"), url)
        answer = self.daemon.api("POST", "/v1/images", {"name": "bad"}, expect=400)
        self.assertEqual(answer.json["reason"], "missing-field")
        self.assert_nothing_is_left()

    # --- uploads ----------------------------------------------------------------------------

    def begin(self, size=None, checksum=None):
        body = {"name": "f", "size_bytes": size or len(self.content),
                "checksum": checksum or self.checksum}
        return self.daemon.api("POST", "/v1/uploads", body, expect=200).json["id"]

    def send(self, upload, offset, data, expect=200):
        return self.daemon.api("PUT", f"/v1/uploads/{upload}/content?offset_bytes={offset}", data,
                               {"Content-Type": "application/octet-stream"}, expect=expect).json

    def offset(self, upload):
        return self.daemon.api("GET", f"/v1/uploads/{upload}", expect=200).json["offset_bytes"]

    def test_an_upload_goes_on_where_it_was_after_a_kill(self):
        upload = self.begin()
        sent = self.send(upload, 0, self.content[:700_000])
        self.assertEqual(sent["offset_bytes"], 700_000)
        # Half of a piece, and then the daemon is gone.
        connection = UnixConnection(self.daemon.socket)
        connection.putrequest("PUT", f"/v1/uploads/{upload}/content?offset_bytes=700000")
        connection.putheader("Content-Length", "1000000")
        connection.endheaders()
        connection.send(self.content[700_000:1_200_000])
        self.daemon.kill()
        with self.assertRaises((http.client.HTTPException, OSError)):
            connection.getresponse()
        connection.close()
        self.daemon.start()
        offset = self.offset(upload)
        self.assertGreaterEqual(offset, 700_000)
        self.assertLessEqual(offset, 1_200_000)
        refused = self.send(upload, offset + 1, b"x", expect=409)
        self.assertEqual(refused["reason"], "wrong-offset")
        refused = self.daemon.api("POST", "/v1/images", {"name": "up", "upload": upload}, expect=409)
        self.assertEqual(refused.json["reason"], "wrong-state")
        self.send(upload, offset, self.content[offset:])
        refused = self.send(upload, len(self.content), b"more", expect=400)
        self.assertEqual(refused["reason"], "too-long")
        self.daemon.ruche("image", "import", "up", "--upload-id", upload)
        self.assert_is_the_disk("up")
        self.daemon.api("GET", f"/v1/uploads/{upload}", expect=404)
        self.delete("up")
        self.assert_nothing_is_left()

    def test_the_command_line_uploads_through_a_restart(self):
        large = self.path("large.raw")
        with open(large, "wb") as file:
            for seed in range(48):
                file.write(random.Random(seed).randbytes(MIB))
        command = subprocess.Popen(
            [os.path.join(BIN, "ruche"), "--socket", self.daemon.socket, "image", "import", "sent",
             large, "--format", "raw", "--upload"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def some():
            items = self.daemon.api("GET", "/v1/uploads").json["items"]
            return command.poll() is not None or any(i["offset_bytes"] > 0 for i in items)

        wait_for(some)
        self.daemon.restart()
        output, _ = command.communicate(timeout=180)
        self.assertEqual(command.returncode, 0, output)
        self.run_tool("qemu-img", "compare", "-U", "-f", "raw", "-F", "qcow2", large,
                      self.volume("sent"))
        self.delete("sent")
        self.assert_nothing_is_left()

    def test_from_afar_an_operator_sends_files_and_names_none_of_the_host(self):
        line, word = self.daemon.first_line, "three blue kettles whistle\n"
        self.daemon.ruche("user", "add", "olga", "--role", "operator", "--password-stdin",
                          stdin=word)
        home = self.path("home")
        os.mkdir(home)
        self.daemon.remote("login", line["url"], "--name", "there", "--user", "olga",
                           "--fingerprint", line["fingerprint"], "--password-stdin", stdin=word,
                           home=home)
        self.daemon.remote("image", "import", "afar", self.qcow2, home=home)
        self.assert_is_the_disk("afar")
        self.assertEqual(self.image("afar")["source"], "plain.qcow2")
        server = self.serve()
        done = self.daemon.remote("image", "import", "no", server.url(), home=home, expect=5)
        self.assertIn("administrators", done.stderr)
        self.assertEqual(server.requests, [])
        self.delete("afar")
        self.assert_nothing_is_left()

    def test_bounds_of_uploads(self):
        answer = self.daemon.api("POST", "/v1/uploads",
                                 {"size_bytes": 5, "checksum": "md5:x"}, expect=400)
        self.assertEqual(answer.json["reason"], "bad-format")
        store = self.daemon.api("GET", "/v1/datastores/local").json
        too_large = store["status"]["available_bytes"] + (1 << 40)
        self.daemon.ruche("setting", "set", "--image-size-limit", str(too_large + 1))
        body = {"size_bytes": too_large, "checksum": self.checksum}
        answer = self.daemon.api("POST", "/v1/uploads", body, expect=507)
        self.assertEqual(answer.json["reason"], "not-enough-space")
        self.daemon.ruche("setting", "set", "--image-size-limit", "1TiB")
        uploads = [self.begin(size=1000) for _ in range(16)]
        answer = self.daemon.api("POST", "/v1/uploads",
                                 {"size_bytes": 5, "checksum": self.checksum}, expect=409)
        self.assertEqual(answer.json["reason"], "too-many-uploads")
        # One that is damaged on its way is not imported, and not offered again.
        self.send(uploads[0], 0, bytes(1000))
        done = self.daemon.ruche("image", "import", "bad", "--upload-id", uploads[0], "--format",
                                 "raw", expect=3)
        self.assertIn("instead of", done.stderr)
        self.daemon.api("GET", f"/v1/uploads/{uploads[0]}", expect=404)
        for upload in uploads[1:]:
            self.daemon.ruche("upload", "delete", upload)
        self.assertEqual(self.daemon.api("GET", "/v1/uploads").json["items"], [])


if __name__ == "__main__":
    unittest.main()
