"""A guest's screen: RFB over the API's WebSocket, read by a small client that decodes what it gets,
and pictures of it, decoded too."""

import base64
import os
import re
import socket
import struct
import subprocess
import unittest
import zlib

from harness import BIN, PATIENCE, SystemTest, wait_for


class WebSocket:
    """A client of RFC 6455, as far as a test needs it."""

    def __init__(self, path, target):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        self.raw = b""
        while b"\r\n\r\n" not in self.raw:
            self.raw += self.more()
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        self.status = int(head.split()[1])
        self.data = b""  # payloads of binary frames, joined

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError("the connection ended")
        return got

    def take(self, size):
        while len(self.raw) < size:
            self.raw += self.more()
        out, self.raw = self.raw[:size], self.raw[size:]
        return out

    def frame(self):
        first, length = self.take(2)
        if length == 126:
            length, = struct.unpack(">H", self.take(2))
        elif length == 127:
            length, = struct.unpack(">Q", self.take(8))
        payload = self.take(length)
        if first & 15 == 8:
            raise EOFError("the server said goodbye")
        if first & 15 == 9:
            self.write(payload, 10)
        elif first & 15 in (0, 2):
            self.data += payload

    def read(self, size):
        while len(self.data) < size:
            self.frame()
        out, self.data = self.data[:size], self.data[size:]
        return out

    def write(self, payload, opcode=2):
        mask = os.urandom(4)
        assert len(payload) < 126
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def close(self):
        self.socket.close()


class Plain:
    """The same two calls on a TCP socket."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, PATIENCE)

    def read(self, size):
        out = b""
        while len(out) < size:
            got = self.socket.recv(size - len(out))
            if not got:
                raise EOFError("the connection ended")
            out += got
        return out

    def write(self, payload):
        self.socket.sendall(payload)


def look(stream):
    """The RFB handshake without authentication, then the whole screen in Raw encoding (RFC 6143):
    width, height and 32-bit pixels."""
    version = stream.read(12)
    assert version == b"RFB 003.008\n", version
    stream.write(version)
    kinds = stream.read(stream.read(1)[0])
    assert 1 in kinds, kinds  # None: nobody but the daemon reaches this server
    stream.write(b"\1")
    assert stream.read(4) == b"\0\0\0\0"
    stream.write(b"\1")
    width, height = struct.unpack(">HH", stream.read(4))
    stream.read(16)
    stream.read(struct.unpack(">I", stream.read(4))[0])
    # 32 bits, 24 of them used, little-endian; then only the Raw encoding.
    stream.write(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
    stream.write(struct.pack(">BxHi", 2, 1, 0))
    stream.write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
    pixels = bytearray(width * height * 4)
    missing = width * height
    while missing > 0:
        kind = stream.read(1)[0]
        if kind == 2:  # a bell
            continue
        assert kind == 0, kind
        for _ in range(struct.unpack(">xH", stream.read(3))[0]):
            x, y, w, h, encoding = struct.unpack(">HHHHi", stream.read(12))
            assert encoding == 0, encoding
            assert x + w <= width and y + h <= height
            for row in range(y, y + h):
                at = (row * width + x) * 4
                pixels[at:at + w * 4] = stream.read(w * 4)
            missing -= w * h
    return width, height, bytes(pixels)


def colours(pixels, size=4):
    return {pixels[i:i + 3] for i in range(0, len(pixels), size)}


def read_png(data):
    """Width, height and the bytes of an 8-bit RGB picture (PNG, ISO/IEC 15948)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, compressed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length:][:4])[0]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            compressed += body
        at += 12 + length
    width, height, depth, colour = header[:4]
    assert (depth, colour) == (8, 2), header
    raw, stride, out = zlib.decompress(compressed), width * 3, bytearray()
    before = bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1:start + 1 + stride])
        unfilter(raw[start], line, before)
        out += line
        before = line
    return width, height, bytes(out)


def unfilter(kind, line, above):
    for i in range(len(line)):
        left = line[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        guess = left + above[i] - corner
        distances = [(abs(guess - v), n) for n, v in enumerate((left, above[i], corner))]
        paeth = (left, above[i], corner)[min(distances)[1]]
        line[i] = (line[i] + (0, left, above[i], (left + above[i]) // 2, paeth)[kind]) & 255


class Screen(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.ruche("vm", "create", "screen1", "--image", "demo", "--memory", "128MiB",
                         "--display", "vga", "--start", "--wait", "running")
        cls.daemon.ruche("vm", "create", "blind1", "--image", "demo", "--memory", "128MiB",
                         "--display", "none", "--start", "--wait", "running")

    def shot(self):
        path = os.path.join(self.daemon.directory, "shot.png")
        self.daemon.ruche("vm", "screenshot", "screen1", "-o", path)
        with open(path, "rb") as file:
            return read_png(file.read())

    def test_1_screenshot(self):
        # The firmware writes its name before the kernel starts.
        wait_for(lambda: len(colours(self.shot()[2], 3)) > 1)
        self.daemon.ruche("vm", "pause", "screen1")
        self.assertGreater(len(colours(self.shot()[2], 3)), 1)
        self.daemon.ruche("vm", "resume", "screen1")

    def test_2_rfb_through_the_api(self):
        viewer = WebSocket(self.daemon.socket, "/v1/vms/screen1/vnc")
        self.assertEqual(viewer.status, 101)
        width, height, pixels = look(viewer)
        self.assertEqual((width, height), self.shot()[:2])
        self.assertGreater(len(colours(pixels)), 1)
        # A second viewer beside the first, which does not read any more: nobody waits for it.
        viewer.write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
        other = WebSocket(self.daemon.socket, "/v1/vms/screen1/vnc")
        self.assertEqual(look(other)[:2], (width, height))
        before = self.tick("screen1")
        wait_for(lambda: self.tick("screen1") > before)
        other.close()
        viewer.close()

    def test_3_a_viewer_of_the_command_line(self):
        process = subprocess.Popen([os.path.join(BIN, "ruche"), "--socket", self.daemon.socket,
                                    "vm", "vnc", "screen1", "--once"],
                                   stdout=subprocess.PIPE, text=True)
        try:
            port = int(re.search(r"127\.0\.0\.1::(\d+)", process.stdout.readline())[1])
            viewer = Plain(("127.0.0.1", port))
            self.assertGreater(len(colours(look(viewer)[2])), 1)
            viewer.socket.close()
            self.assertEqual(process.wait(PATIENCE), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def test_4_the_daemon_may_go(self):
        viewer = WebSocket(self.daemon.socket, "/v1/vms/screen1/vnc")
        look(viewer)
        self.daemon.restart()
        with self.assertRaises((EOFError, ConnectionError)):
            viewer.read(1 << 30)
        again = WebSocket(self.daemon.socket, "/v1/vms/screen1/vnc")
        self.assertGreater(len(colours(look(again)[2])), 1)
        again.close()

    def test_5_refusals(self):
        blind = self.daemon.ruche("vm", "screenshot", "blind1", "-o", "/dev/null", expect=None)
        self.assertNotEqual(blind.returncode, 0)
        self.assertIn("no screen", blind.stderr)
        plain = self.daemon.api("GET", "/v1/vms/screen1/vnc")
        self.assertEqual(plain.json["reason"], "bad-request")
        self.daemon.ruche("vm", "stop", "screen1")
        for target in ("vnc", "screenshot"):
            gone = self.daemon.api("GET", f"/v1/vms/screen1/{target}")
            self.assertEqual(gone.json["reason"], "wrong-state")


if __name__ == "__main__":
    unittest.main()
