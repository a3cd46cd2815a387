"""HTTPS on a real daemon: good clients, bad clients, certificates, the command line from afar."""

import fcntl
import hashlib
import http.client
import http.server
import json
import os
import pty
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import termios
import threading
import time
import unittest

from harness import BIN, PATIENCE, Daemon, SystemTest, wait_for

PASSWORD = "correct horse battery staple"


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class Remote(SystemTest):
    """A daemon that listens on a port of its own, and how to reach it."""

    needs_demo = False
    daemon_options = {"listen": "127.0.0.1:0"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = tempfile.mkdtemp(prefix="ruche-home-")
        cls.addClassCleanup(shutil.rmtree, cls.home, ignore_errors=True)

    @property
    def port(self):
        return int(self.daemon.first_line["url"].rsplit(":", 1)[1])

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def tls(self):
        return context().wrap_socket(self.raw(), server_hostname="localhost")

    def shown_fingerprint(self):
        with self.tls() as connection:
            digest = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest().upper()
        return "SHA256:" + ":".join(re.findall("..", digest))

    def get(self, path, headers=None, connection=None):
        own = connection or http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE,
                                                        context=context())
        own.request("GET", path, headers=headers or {})
        answer = own.getresponse()
        text = answer.read()
        if connection is None:
            own.close()
        return answer, text


class Transport(Remote):
    def test_the_first_line_and_the_api_tell_the_fingerprint(self):
        line = self.daemon.first_line
        self.assertRegex(line["url"], r"^https://127\.0\.0\.1:\d+$")
        self.assertEqual(line["fingerprint"], self.shown_fingerprint())
        told = {"url": line["url"], "fingerprint": line["fingerprint"]}
        self.assertEqual(self.daemon.api("GET", "/v1", expect=200).json["https"], told)
        self.assertEqual(self.daemon.api("GET", "/v1/hosts/self", expect=200).json["https"], told)
        self.assertIn(line["fingerprint"], self.daemon.ruche("host", "show").stdout)
        view = self.daemon.ruche_json("host", "certificate", "show")
        self.assertTrue(view["self_signed"])
        self.assertLessEqual({"localhost", "127.0.0.1", "::1"}, set(view["names"]))
        mode = os.stat(os.path.join(self.daemon.data, "https.pem")).st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def test_nobody_is_anybody_without_saying_so(self):
        for path in ("/v1", "/v1/vms", "/v1/openapi.json", "/v1/nothing"):
            answer, text = self.get(path)
            self.assertEqual(answer.status, 401, path)
            self.assertEqual(json.loads(text)["reason"], "not-authenticated")
            self.assertTrue(answer.headers["Strict-Transport-Security"])
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Cache-Control"], "no-store")
        answer, _ = self.get("/v1/vms", {"Authorization": "Bearer nonsense"})
        self.assertEqual(answer.status, 401)

    def test_old_versions_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            old = context()
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, version
            with self.raw() as below, self.assertRaises((ssl.SSLError, ConnectionError)):
                old.wrap_socket(below)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            good = context()
            good.minimum_version = good.maximum_version = version
            with good.wrap_socket(self.raw()) as connection:
                self.assertEqual(connection.version().replace("v1.", "v1_"), version.name)
                self.assertRegex(connection.cipher()[0], r"GCM|CHACHA20")
                self.assertIsNone(connection.compression())

    def test_plain_http_and_noise(self):
        with self.raw() as plain:
            plain.sendall(b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"https://", plain.recv(4096))
        for n in range(50):
            with self.raw() as noisy:
                noisy.sendall(os.urandom(1 + 37 * n))
        with self.tls() as odd:
            odd.sendall(b"NOT HTTP AT ALL\r\n\r\n")
            self.assertTrue(odd.recv(4096).startswith(b"HTTP/1.1 400"))
        self.assertEqual(self.get("/v1")[0].status, 401)

    def test_slow_clients_hold_up_nobody(self):
        slow = []
        try:
            for n in range(200):
                slow.append(self.raw())
                if n % 2:
                    slow[-1].sendall(b"\x16\x03\x01\x02")  # a handshake that goes no further
            for _ in range(60):
                connection = self.tls()
                connection.sendall(b"GET /v1 HTTP/1.1\r\nHo")  # a request that goes no further
                slow.append(connection)
            begun = time.monotonic()
            for _ in range(10):
                self.assertEqual(self.get("/v1")[0].status, 401)
            self.assertLess(time.monotonic() - begun, 20, "ten requests among 260 slow clients")
            self.assertEqual(self.daemon.api("GET", "/v1").status, 200, "the socket has its own")
        finally:
            for connection in slow:
                connection.close()

    def test_many_connections(self):
        statuses = []

        def client():
            for _ in range(5):
                statuses.append(self.get("/v1")[0].status)
        clients = [threading.Thread(target=client) for _ in range(40)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        self.assertEqual(statuses, [401] * 200)
        # Those that are kept, beyond what one address may have: refused, and told so.
        kept = []
        try:
            for _ in range(140):
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE,
                                                         context=context())
                answer, _ = self.get("/v1", connection=connection)
                kept.append(connection)
                statuses.append(answer.status)
            self.assertIn(503, statuses)
        finally:
            for connection in kept:
                connection.close()
        wait_for(lambda: self.get("/v1")[0].status == 401)


class Certificates(Remote):
    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.home, check=True,
                              capture_output=True, text=True).stdout

    def make(self, name, *more):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-subj",
                     "/CN=" + name, *more)
        return [os.path.join(self.home, name + end) for end in (".pem", ".key")]

    def test_1_replacing_it_takes_no_restart(self):
        certificate, key = self.make("mine", "-days", "30")
        kept = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE,
                                           context=context())
        self.assertEqual(self.get("/v1", connection=kept)[0].status, 401)
        out = self.daemon.ruche("host", "certificate", "set", "--certificate", certificate, "--key",
                                key).stdout
        shown = self.shown_fingerprint()
        self.assertIn(shown, out)
        self.assertNotIn("PRIVATE", out)
        self.assertEqual(self.get("/v1", connection=kept)[0].status, 401, "it was not cut")
        kept.close()
        self.daemon.restart()
        self.assertEqual(self.daemon.first_line["fingerprint"], shown)

    def test_2_what_cannot_serve_changes_nothing(self):
        before = self.shown_fingerprint()
        good, key = self.make("good", "-days", "30")
        _, other = self.make("other", "-days", "30")
        ended = self.expired()
        for certificate, its_key, what in (
                (good, other, "does not belong"), (key, key, "no certificate"),
                (good, good, "no private key"), (*ended, "expired")):
            done = self.daemon.ruche("host", "certificate", "set", "--certificate", certificate,
                                     "--key", its_key, expect=3)
            self.assertIn(what, done.stderr)
        self.daemon.ruche("host", "certificate", "set", "--certificate", "/nowhere", "--key", key,
                          expect=2)
        self.assertEqual(self.shown_fingerprint(), before)
        with open(self.daemon.log, errors="replace") as log:
            self.assertNotIn("PRIVATE KEY", log.read())

    def expired(self):
        """Signed in 2020 for a day."""
        self.make("ended", "-days", "1")
        self.openssl("req", "-new", "-key", "ended.key", "-out", "ended.csr", "-subj", "/CN=ended")
        os.makedirs(os.path.join(self.home, "ca"), exist_ok=True)
        with open(os.path.join(self.home, "ca.cnf"), "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=ca/index\nserial=ca/serial\n"
                       "new_certs_dir=ca\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        open(os.path.join(self.home, "ca/index"), "w").close()
        with open(os.path.join(self.home, "ca/serial"), "w") as file:
            file.write("01\n")
        self.openssl("ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "ended.key",
                     "-in", "ended.csr", "-out", "ended.pem", "-notext",
                     "-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
        return [os.path.join(self.home, "ended" + end) for end in (".pem", ".key")]

    def test_3_a_kill_leaves_a_pair_that_matches(self):
        for n in range(6):
            renewing = subprocess.Popen(
                [os.path.join(BIN, "ruche"), "--socket", self.daemon.socket, "host", "certificate",
                 "renew", "-o", "json"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            time.sleep(0.01 * n)  # somewhere in the midst of it; any moment will do
            self.daemon.kill()
            self.daemon.start()
            self.assertTrue(self.daemon.first_line["fingerprint"], "it could not be read")
            # A client whose request was cut off asks the new daemon again.
            answer = renewing.communicate()[0]
            shown = self.shown_fingerprint()
            if answer:
                self.assertEqual(shown, json.loads(answer)["fingerprint"], "it was lost")

    def test_4_a_broken_file_is_said_and_repaired(self):
        path = os.path.join(self.daemon.data, "https.pem")
        with open(path, "w") as file:
            file.write("nonsense")
        self.daemon.restart()
        self.assertEqual(self.daemon.first_line["fingerprint"], "")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.tls()
        done = self.daemon.ruche("host", "certificate", "show", expect=None)
        self.assertIn("ruche host certificate renew", done.stderr)
        with open(path) as file:
            self.assertEqual(file.read(), "nonsense", "nobody's key was overwritten")
        told = self.daemon.ruche_json("host", "certificate", "renew")
        self.assertEqual(told["fingerprint"], self.shown_fingerprint())


class Work(Remote):
    """A user of the daemon works from afar as over the socket."""

    needs_demo = True

    def far(self, *arguments, **options):
        return self.daemon.remote(*arguments, home=self.home, **options)

    def test_everything_works_from_afar(self):
        line = self.daemon.first_line
        self.daemon.ruche("user", "add", "alice", "--role", "operator", "--password-stdin",
                          stdin=PASSWORD + "\n")
        self.far("login", line["url"], "--name", "there", "--user", "alice", "--fingerprint",
                 line["fingerprint"], "--password-stdin", stdin="not that\n", expect=4)
        out = self.far("login", line["url"], "--name", "there", "--user", "alice", "--fingerprint",
                       line["fingerprint"], "--password-stdin", stdin=PASSWORD + "\n").stdout
        self.assertIn("as alice, operator", out)
        log = os.path.join(self.home, "events")
        with open(log, "w") as file:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("RUCHE_")}
            follower = subprocess.Popen(
                [os.path.join(BIN, "ruche"), "event", "follow", "--kind", "vm", "-o", "json"],
                stdout=file, stdin=subprocess.DEVNULL,
                env=dict(clean, HOME=self.home, XDG_CONFIG_HOME=self.home))
        self.addCleanup(follower.wait)
        self.addCleanup(follower.terminate)
        self.far("vm", "create", "far1", "--image", "demo", "--cpus", "1", "--memory", "128MiB",
                 "--start", "--wait", "running")
        self.assertIn("far1", self.far("vm", "list").stdout)
        spoken = self.far("vm", "console", "far1", "--no-input", "--until", "tick [0-9]+",
                          "--timeout", f"{int(PATIENCE)}s").stdout
        self.assertRegex(spoken, r"tick \d+")
        self.far("vm", "stop", "far1")

        def followed():
            with open(log) as lines:
                return '"stopped"' in lines.read()
        wait_for(followed, explain=lambda: open(log).read()[-2000:])
        self.far("setting", "set", "--cpu-overcommit", "8", expect=5)
        self.far("host", "certificate", "renew", expect=5)
        self.far("vm", "delete", "far1", "--purge", "--yes")
        self.far("logout")
        self.far("vm", "list", expect=4)


class Scripted(http.server.BaseHTTPRequestHandler):
    """A server that knows one user and one session, for what a client does with any server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body))
        if body != {"user": "alice", "password": "a secret"}:
            return self.answer(401, {"code": "unauthenticated", "reason": "not-authenticated",
                                     "title": "x", "status": 401, "detail": "wrong password"})
        return self.answer(201, {"token": "t0ken", "user": "alice", "role": "operator",
                                 "expires_at": "2099-01-01T00:00:00.000Z", "id": "more"})

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["Authorization"]))
        if self.headers["Authorization"] != "Bearer t0ken":
            return self.answer(401, {"code": "unauthenticated", "reason": "not-authenticated",
                                     "title": "x", "status": 401, "detail": "nobody is logged in"})
        return self.answer(200, {"host": self.headers["Host"]})

    def do_DELETE(self):
        self.do_GET()

    def answer(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Login(unittest.TestCase):
    """The command line against a scripted server: trust, contexts, secrets."""

    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="ruche-home-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        self.server.daemon_threads = True
        self.server.seen = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.fingerprint = self.show_certificate("one")
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.contexts = os.path.join(self.home, "ruche", "contexts.json")

    def show_certificate(self, name):
        files = [os.path.join(self.home, name + end) for end in (".pem", ".key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-out", files[0], "-keyout", files[1],
                        "-subj", "/CN=" + name], check=True, capture_output=True)
        self.context.load_cert_chain(*files)
        with open(files[0]) as file:
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest().upper()
        return "SHA256:" + ":".join(re.findall("..", digest))

    def ruche(self, *arguments, **options):
        return Daemon.remote(self, *arguments, home=self.home, **options)

    checked = staticmethod(Daemon.checked)

    def log_in(self, *more, **options):
        return self.ruche("login", self.url, "--user", "alice", "--password-stdin", *more,
                          stdin="a secret\n", **options)

    def test_trust_contexts_and_sessions(self):
        done = self.log_in(expect=9)
        self.assertIn(self.fingerprint, done.stderr)
        self.assertEqual(self.server.seen, [], "nothing is sent to a stranger")
        other = self.fingerprint[:-2] + ("00" if not self.fingerprint.endswith("00") else "11")
        self.log_in("--fingerprint", other, expect=9)
        self.assertEqual(self.server.seen, [])
        self.assertFalse(os.path.exists(self.contexts))
        done = self.ruche("login", self.url, "--user", "alice", "--password-stdin", "--yes",
                          stdin="wrong\n", expect=4)
        self.assertIn("wrong password", done.stderr)

        done = self.log_in("--fingerprint", self.fingerprint.lower().replace(":", "")[6:])
        self.assertIn("as alice, operator", done.stdout)
        self.assertEqual(os.stat(self.contexts).st_mode & 0o777, 0o600)
        self.assertIn("t0ken", open(self.contexts).read())
        listed = self.ruche("context", "list").stdout
        self.assertRegex(listed, r"\* 127\.0\.0\.1 +https://127\.0\.0\.1:\d+ +alice +logged in")
        for command in (("context", "list", "-o", "json"), ("context", "show")):
            self.assertNotIn("t0ken", self.ruche(*command).stdout)
        self.assertIn(self.fingerprint, self.ruche("context", "show").stdout)
        answer = json.loads(self.ruche("api", "GET", "/v1/some").stdout)
        self.assertEqual(answer["host"], self.url.removeprefix("https://"))

        self.ruche("context", "use", "local")
        self.assertIn("/run/ruche/ruche.sock", self.ruche("context", "show").stdout)
        self.ruche("api", "GET", "/v1/some", "--context", "127.0.0.1")
        self.ruche("api", "GET", "/v1/some", environment={"RUCHE_CONTEXT": "127.0.0.1"})
        self.ruche("api", "GET", "/v1/some", "--context", "nobody", expect=6)
        script = {"RUCHE_URL": self.url, "RUCHE_TOKEN": "t0ken"}
        self.ruche("api", "GET", "/v1/some", environment=script, expect=9)
        script["RUCHE_FINGERPRINT"] = self.fingerprint
        self.ruche("api", "GET", "/v1/some", environment=script)
        script["RUCHE_TOKEN"] = "another"
        self.ruche("api", "GET", "/v1/some", environment=script, expect=4)

        self.ruche("context", "use", "127.0.0.1")
        self.ruche("logout")
        self.assertEqual(self.server.seen[-1], ("/v1/sessions/current", "Bearer t0ken"))
        self.assertNotIn("t0ken", open(self.contexts).read())
        done = self.ruche("api", "GET", "/v1/some", expect=4)
        self.assertIn(f"ruche login {self.url}", done.stderr)
        self.ruche("context", "remove", "127.0.0.1")
        self.assertNotIn("127.0.0.1", self.ruche("context", "list").stdout)

    def test_a_changed_certificate_is_refused_loudly(self):
        self.log_in("--yes")
        before = list(self.server.seen)
        changed = self.show_certificate("two")
        done = self.ruche("api", "GET", "/v1/some", expect=9)
        self.assertIn(changed, done.stderr)
        self.assertIn(self.fingerprint, done.stderr)
        self.assertIn("log in again", done.stderr)
        done = self.log_in("--yes", expect=9)
        self.assertIn("HAS CHANGED", done.stderr)
        self.assertEqual(self.server.seen, before, "nothing was sent to it")
        self.log_in("--fingerprint", changed)
        self.ruche("api", "GET", "/v1/some")

    def test_on_a_terminal(self):
        """Asks for trust, name and password, and does not show what is typed."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RUCHE_")}
        environment.update(HOME=self.home, XDG_CONFIG_HOME=self.home)
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [os.path.join(BIN, "ruche"), "login", self.url], stdin=theirs, stdout=theirs,
            stderr=theirs, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        said = b""

        def until(what):
            nonlocal said
            while what not in said:
                said += os.read(ours, 4096)
        until(b"[y/N]")
        self.assertIn(self.fingerprint.encode(), said)
        os.write(ours, b"y\n")
        until(b"User:")
        os.write(ours, b"alice\n")
        until(b"Password of alice:")
        # The echo is off before the question's answer can be typed by a person; wait for it.
        wait_for(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO)
        os.write(ours, b"a secret\n")
        until(b"Logged in to")
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertNotIn(b"a secret", said)
        os.close(ours)


if __name__ == "__main__":
    unittest.main()
