"""A real daemon in a directory of its own, its API and its command line, for the system tests.

Every JSON answer of the API is checked against the OpenAPI document that the daemon serves, with
Debian's python3-jsonschema: a validator that this project did not write.
"""

import contextlib
import fcntl
import glob
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import jsonschema

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("RUCHE_BUILD", os.path.join(SOURCE, "build", "release"))
BIN = os.path.join(BUILD, "bin")
PATIENCE = 60.0


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=PATIENCE):
        super().__init__("localhost", timeout=timeout)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix_path)


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        is_json = "json" in headers.get("content-type", "")
        self.json = json.loads(text) if text and is_json else None


class OpenApi:
    """Finds the schema of an answer and validates against it."""

    def __init__(self, document):
        self.document = document
        self.routes = []
        for path, operations in document["paths"].items():
            pattern = re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$")
            self.routes.append((pattern, operations))

    def check(self, method, path, answer):
        if answer.json is None:
            return
        bare = path.split("?")[0]
        for pattern, operations in self.routes:
            if not pattern.match(bare) or method.lower() not in operations:
                continue
            responses = operations[method.lower()]["responses"]
            response = responses.get(str(answer.status), responses.get("default"))
            assert response, f"{method} {bare}: status {answer.status} is not in the document"
            response = self.resolve(response)
            content = response.get("content", {})
            kind = answer.headers.get("content-type", "").split(";")[0]
            assert kind in content, f"{method} {bare} {answer.status}: {kind} is not in the document"
            schema = dict(content[kind]["schema"])
            schema["components"] = self.document["components"]
            jsonschema.Draft202012Validator(schema).validate(answer.json)
            return

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part]
            node = target
        return node


class Daemon:
    """One instance: data directory, socket, process. `listen`: for HTTPS; port 0 is any free one."""

    def __init__(self, directory=None, program="ruched", extra=(), environment=None, listen="none",
                 prefix=()):
        self.directory = directory or tempfile.mkdtemp(prefix="ruche-system-")
        self.data = os.path.join(self.directory, "data")
        self.socket = os.path.join(self.directory, "s")
        self.log = os.path.join(self.directory, "ruched.log")
        self.program, self.extra, self.listen = program, list(extra), listen
        self.prefix = list(prefix)
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.first_line = None
        self.openapi = None

    def start(self, environment=None, expect_failure=False):
        log = open(self.log, "ab")
        argv = [os.path.join(BIN, self.program), "--data-dir", self.data, "--socket", self.socket,
                "--listen", self.listen]
        # The machine's own network is not the tests' to change; test_networks.py has its own.
        if "--networks" not in self.extra:
            argv += ["--networks", "none"]
        self.process = subprocess.Popen(
            self.prefix + argv + self.extra, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            env=dict(self.environment, **(environment or {})), start_new_session=True)
        log.close()
        line = self.process.stdout.readline()
        self.process.stdout.close()
        if not line:
            status = self.process.wait()
            if expect_failure:
                return self
            raise AssertionError(f"ruched ended with {status}: {self.log_tail()}")
        self.first_line = json.loads(line)
        if self.openapi is None:
            self.openapi = OpenApi(json.loads(self.raw("GET", "/v1/openapi.json").text))
        return self

    def log_tail(self, size=4000):
        with open(self.log, errors="replace") as log:
            return log.read()[-size:]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def restart(self):
        if self.process.poll() is None:
            self.kill()
        return self.start()

    # --- API --------------------------------------------------------------------------------

    def raw(self, method, path, body=None, headers=None):
        connection = UnixConnection(self.socket)
        try:
            data = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, data, headers or {})
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, text)
        finally:
            connection.close()

    def api(self, method, path, body=None, headers=None, expect=None):
        sent = dict(headers or {})
        if body is not None:
            sent.setdefault(
                "Content-Type",
                "application/merge-patch+json" if method == "PATCH" else "application/json")
        answer = self.raw(method, path, body, sent)
        self.openapi.check(method, path, answer)
        if expect is not None and answer.status != expect:
            raise AssertionError(f"{method} {path}: {answer.status}, expected {expect}: {answer.text}")
        return answer

    def vm(self, name):
        return self.api("GET", f"/v1/vms/{name}", expect=200).json

    def state(self, name):
        return self.vm(name)["status"]["state"]

    def wait_state(self, name, state, patience=PATIENCE):
        return wait_for(lambda: self.state(name) == state, patience,
                        lambda: f"{name} is {self.vm(name)['status']}")

    # --- CLI --------------------------------------------------------------------------------

    def ruche(self, *arguments, expect=0, timeout=180, stdin=None):
        done = subprocess.run(
            [os.path.join(BIN, "ruche"), "--socket", self.socket, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else None, input=stdin,
            capture_output=True, text=True, timeout=timeout)
        return self.checked(done, arguments, expect)

    def remote(self, *arguments, home, expect=0, timeout=180, stdin=None, environment=None):
        """The command line as on another machine: no socket, contexts in the directory `home`."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("RUCHE_")}
        done = subprocess.run(
            [os.path.join(BIN, "ruche"), *arguments],
            stdin=subprocess.DEVNULL if stdin is None else None, input=stdin,
            env=dict(clean, HOME=home, XDG_CONFIG_HOME=home, **(environment or {})),
            capture_output=True, text=True, timeout=timeout, start_new_session=True)
        return self.checked(done, arguments, expect)

    @staticmethod
    def checked(done, arguments, expect):
        if expect is not None and done.returncode != expect:
            raise AssertionError(
                f"ruche {' '.join(arguments)}: exit {done.returncode}, expected {expect}\n"
                f"{done.stdout}{done.stderr}")
        return done

    def ruche_json(self, *arguments):
        return json.loads(self.ruche(*arguments, "-o", "json").stdout)

    def pids(self):
        """Process ids of this instance's guests, by its own list."""
        with open(os.path.join(self.data, "leaks.json")) as file:
            return [p["pid"] for p in json.load(file)["processes"]]

    def demo_image(self):
        """The demo image; built once per machine and shared by the tests through its files."""
        self.ruche("image", "build", "demo")

    @staticmethod
    def debian_image_file():
        """Where the tests of this machine keep the Debian image; it may not be there yet."""
        with open(os.path.join(SOURCE, "src/drivers/mirror/debian_guest.cpp"), "rb") as file:
            recipe = hashlib.sha256(file.read()).hexdigest()[:16]
        folder = os.environ.get("RUCHE_TEST_CACHE", "/var/tmp/ruche-test-images")
        return os.path.join(folder, f"debian-{recipe}.qcow2")

    def debian_image(self, name="debian12"):
        """The Debian image, built at most once a day on this machine for all tests: the file of the
        first build is kept outside its instance and imported by the others."""
        kept = self.debian_image_file()
        folder = os.path.dirname(kept)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(os.path.join(folder, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds it built
            if os.path.exists(kept) and time.time() - os.path.getmtime(kept) < 86400:
                self.ruche("image", "import", name, kept, timeout=600)
                return
            self.ruche("image", "build", "debian", "--name", name, timeout=1800)
            built = glob.glob(os.path.join(self.data, "build/cache/debian-*/disk.qcow2"))
            shutil.copyfile(built[0], kept + ".partial")
            for old in glob.glob(os.path.join(folder, "debian-*.qcow2")):
                os.unlink(old)
            os.rename(kept + ".partial", kept)

    def clean_up(self):
        """Stops guests and daemon and removes everything."""
        with contextlib.suppress(Exception):
            if self.process.poll() is not None:
                self.start()
            with contextlib.suppress(Exception):
                self.process.send_signal(signal.SIGCONT)
            for vm in self.api("GET", "/v1/vms?limit=1000").json["items"]:
                if vm["status"].get("pid"):
                    self.ruche("vm", "stop", vm["id"], "--force", expect=None)
            if "bridge" in self.extra:  # name servers outlive the daemon as long as they are needed
                wait_for(lambda: not any(n["status"]["bridge"] for n in
                                         self.api("GET", "/v1/networks").json["items"]))
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_for(condition, patience=PATIENCE, explain=lambda: ""):
    """Polls until the condition holds; the only waiting the system tests do."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience} s: {explain()}")
        time.sleep(0.05)


class SystemTest(unittest.TestCase):
    """A test with one daemon of its own for the whole class."""

    daemon_options = {}
    needs_demo = True

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(**cls.daemon_options).start()
        cls.addClassCleanup(cls.daemon.clean_up)
        if cls.needs_demo:
            cls.daemon.demo_image()

    def create(self, name, *more, start=True):
        arguments = ["vm", "create", name, "--image", "demo", "--cpus", "1", "--memory", "128MiB"]
        if start:
            arguments += ["--start", "--wait", "running"]
        self.daemon.ruche(*arguments, *more)
        return self.daemon.vm(name)

    def tick(self, name, timeout=PATIENCE):
        """The number of the next tick that the demo guest prints."""
        done = self.daemon.ruche("vm", "console", name, "--no-input", "--until", "tick [0-9]+",
                                 "--timeout", f"{int(timeout)}s")
        return int(re.findall(r"tick (\d+)", done.stdout)[-1])


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
