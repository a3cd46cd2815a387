"""A web server for the image tests that breaks, stalls and lies as it is told."""

import hashlib
import http.server
import threading


class ImageServer:
    """Serves one file under /image; every request and what it asked for is kept."""

    def __init__(self, content):
        self.content = content
        self.etag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        self.requests = []      # the Range of each, None without
        self.break_after = []   # bytes after which the next answers break, one each
        self.gate = None        # an event: the answer stands still at half until it is set
        self.status = 200
        self.endless = False
        handler = type("Handler", (_Handler,), {"owner": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="/image"):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def close(self):
        if self.gate:
            self.gate.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        owner = self.owner
        wanted = self.headers.get("Range")
        owner.requests.append(wanted)
        if self.path == "/elsewhere":
            return self.redirect("file:///etc/passwd")
        if self.path == "/moved":
            return self.redirect("/image")
        if owner.status != 200:
            self.send_response(owner.status)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if owner.endless:
            return self.send_endless()
        begin = 0
        if wanted and self.headers.get("If-Range") == owner.etag:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_file(begin)

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, begin):
        owner = self.owner
        size = len(owner.content)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - begin))
        self.send_header("ETag", owner.etag)
        self.end_headers()
        end = size
        if owner.break_after:
            end = min(size, begin + owner.break_after.pop(0))
        middle = max(begin, size // 2) if owner.gate and begin < size // 2 else None
        if middle is not None:
            self.wfile.write(owner.content[begin:middle])
            self.wfile.flush()
            owner.gate.wait(120)
            begin = middle
        self.wfile.write(owner.content[begin:end])
        if end < size:
            self.close_connection = True

    def send_endless(self):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        piece = bytes(1 << 20)
        try:
            while True:
                self.wfile.write(piece)
        except OSError:
            pass
