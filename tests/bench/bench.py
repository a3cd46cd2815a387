#!/usr/bin/python3
"""Measures what docs/performance.md reports. Usage: bench.py [start api https idle parallel startup ...]

Figures are medians of one run on one machine; compare the ratios, not the seconds.
"""

import http.client
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import BIN, Daemon, UnixConnection, wait_for  # noqa: E402
from network_bench import bench_network  # noqa: E402

RUNS = int(os.environ.get("RUNS", "30"))
PASSWORD = "correct horse battery staple"


def show(name, value):
    print(f"{name:58} {value}", flush=True)


def median_ms(seconds):
    return f"{statistics.median(seconds) * 1000:.1f} ms"


# --- start: API call → RESUME, against exec → RESUME ------------------------------------------


class Qmp:
    def __init__(self, connection):
        self.file = connection.makefile("rw")
        self.read()
        self.command("qmp_capabilities")

    def read(self):
        return json.loads(self.file.readline())

    def command(self, name):
        self.file.write(json.dumps({"execute": name}) + "\n")
        self.file.flush()
        while True:
            message = self.read()
            if "return" in message or "error" in message:
                return message

    def wait_event(self, name):
        while True:
            message = self.read()
            if message.get("event") == name:
                stamp = message["timestamp"]
                return stamp["seconds"] + stamp["microseconds"] / 1e6


def bare_machine(argv, files, directory):
    """Executes QEMU with the arguments that Ruche used. Its process, its QMP, the paths of its
    sockets by name, and when it was executed. It stands before its first instruction."""
    sockets, passed = {}, {}
    for number, what in files.items():
        if what.startswith("socket:"):
            path = os.path.join(directory, f"{what[7:]}{time.monotonic_ns()}")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(1)
            sockets[what[7:]] = path
            passed[number] = listener
        else:
            mode = os.O_RDWR if what.startswith("rw:") else os.O_RDONLY
            passed[number] = os.open(what[3:], mode)

    def place():
        high = {}
        for number, held in passed.items():
            descriptor = held if isinstance(held, int) else held.fileno()
            high[number] = os.dup(descriptor) if descriptor > 60 else \
                __import__("fcntl").fcntl(descriptor, 0, 100)
        for number, descriptor in high.items():
            os.dup2(descriptor, number, inheritable=True)

    begun = time.time()
    qemu = subprocess.Popen(argv, close_fds=False, preexec_fn=place, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sockets["qmp"])
    for held in passed.values():
        os.close(held) if isinstance(held, int) else held.close()
    return qemu, Qmp(connection), sockets, begun


def bare_start(argv, files, directory):
    """The time from exec to RESUME."""
    qemu, qmp, _, begun = bare_machine(argv, files, directory)
    qmp.file.write('{"execute":"cont"}\n')
    qmp.file.flush()
    resumed = qmp.wait_event("RESUME")
    qemu.kill()
    qemu.wait()
    return resumed - begun


def descriptors_of(argv, daemon, vm):
    """What each descriptor number is that the arguments name."""
    files = {}
    for argument in argv:
        chardev = re.match(r"socket,id=(\w+),fd=(\d+)", argument)
        passed = re.match(r"fd=(\d+),set=\d+,opaque=(r[ow]:.*)", argument)
        if chardev:
            files[int(chardev.group(2))] = f"socket:{chardev.group(1)}"
        elif passed:
            files[int(passed.group(1))] = passed.group(2)
    for flag, layer in (("-kernel", "kernel"), ("-initrd", "initrd")):
        number = int(argv[argv.index(flag) + 1].rsplit("/", 1)[1])
        found = subprocess.run(["find", daemon.data, "-name", f"{vm['spec']['boot'][layer]}.{layer}"],
                               capture_output=True, text=True, check=True).stdout.strip()
        files[number] = "ro:" + found
    return files


def bench_start():
    daemon = Daemon(extra=["--log-level", "debug"]).start()
    try:
        daemon.demo_image()
        daemon.ruche("vm", "create", "web1", "--image", "demo", "--cpus", "1", "--memory", "256MiB",
                     "--start")
        vm = daemon.vm("web1")
        argv = vm["status"]["qemu_argv"]
        files = descriptors_of(argv, daemon, vm)
        daemon.ruche("vm", "stop", "web1")
        ours, bare, answered = [], [], []
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(RUNS):
                connection = UnixConnection(daemon.socket)
                connection.connect()
                begun = time.time()
                connection.request("POST", "/v1/vms/web1/start?wait=30s", "{}",
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                answered.append(time.time() - begun)
                assert answer.status in (200, 202), answer.status
                connection.close()
                with open(daemon.log, errors="replace") as log:
                    stamps = [json.loads(line)["at_us"] for line in log if '"message":"RESUME"' in line]
                ours.append(int(stamps[-1]) / 1e6 - begun)
                daemon.ruche("vm", "stop", "web1")
                bare.append(bare_start(argv, files, directory))
        show("start: API call to RESUME, median", median_ms(ours))
        show("start: bare QEMU, exec to RESUME, median", median_ms(bare))
        show("start: over bare QEMU", f"{(statistics.median(ours) - statistics.median(bare)) * 1000:.1f} ms")
        show("start: API call to answered (?wait)", median_ms(answered))
    finally:
        daemon.clean_up()


# --- api: requests per second at 10,000 guests -------------------------------------------------


def load(daemon, path, connections, seconds=5):
    done = subprocess.run([os.path.join(BIN, "ruche-load"), "--socket", daemon.socket, "--path", path,
                           "--connections", str(connections), "--seconds", str(seconds)],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def bench_api():
    daemon = Daemon(program="ruched-sim", extra=["--guests", "10000"]).start()
    try:
        one = load(daemon, "/v1/vms/guest-05000", 8)
        show("api: one of 10,000 guests", f"{one['per_second']} req/s, p99 {one['p99_us'] / 1000:.2f} ms")
        page = load(daemon, "/v1/vms?limit=1000", 4)
        show("api: 1,000 of 10,000 guests",
             f"{page['per_second']} req/s, p50 {page['p50_us'] / 1000:.1f} ms, p99 {page['p99_us'] / 1000:.1f} ms")
        found = load(daemon, "/v1/vms?limit=100&filter=tag=even&sort=-name", 4)
        show("api: 100 of 5,000 filtered and sorted",
             f"{found['per_second']} req/s, p99 {found['p99_us'] / 1000:.1f} ms")
        begun = time.monotonic()
        items = 0
        path = "/v1/vms?limit=1000"
        while path:
            answer = daemon.raw("GET", path).json
            items += len(answer["items"])
            path = f"/v1/vms?limit=1000&cursor={answer['next']}" if answer["next"] else None
        show(f"api: all {items} guests in pages", f"{(time.monotonic() - begun) * 1000:.0f} ms")
    finally:
        daemon.kill()
        daemon.clean_up()


# --- https: the same requests over TLS and over the unix socket, in turns ----------------------


def https_load(daemon, *more, connections=8, seconds=5):
    """Requests with a viewer's token, on connections that are kept unless it is said otherwise."""
    port = daemon.first_line["url"].rsplit(":", 1)[1]
    done = subprocess.run(
        [os.path.join(BIN, "ruche-load"), "--https-port", port, "--fingerprint",
         daemon.first_line["fingerprint"], "--connections", str(connections), "--seconds",
         str(seconds), *more], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def api_token(daemon):
    """The name of a file with the token of a new viewer."""
    daemon.ruche("user", "add", "bench", "--role", "viewer", "--password-stdin",
                 stdin=PASSWORD + "\n")
    path = os.path.join(daemon.directory, "token")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(daemon.ruche_json("token", "create", "bench", "--user", "bench")["token"])
    return path


def login_seconds(daemon):
    """From the request to the answer of one log-in, on a connection that is there already."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    host, port = daemon.first_line["url"].removeprefix("https://").rsplit(":", 1)
    connection = http.client.HTTPSConnection(host, int(port), context=unverified)
    connection.connect()
    begun = time.monotonic()
    connection.request("POST", "/v1/sessions", json.dumps({"user": "bench", "password": PASSWORD}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    elapsed = time.monotonic() - begun
    assert answer.status in (200, 201), text
    connection.close()
    return elapsed


def bench_https():
    daemon = Daemon(program="ruched-sim", extra=["--guests", "10000"], listen="127.0.0.1:0").start()
    try:
        token = api_token(daemon)
        one, page = "/v1/vms/guest-05000", "/v1/vms?limit=1000"
        for name, path, connections in (("one of 10,000 guests", one, 8),
                                        ("1,000 of 10,000 guests", page, 4)):
            pairs = []
            for _ in range(3):
                tls = https_load(daemon, "--path", path, "--token-file", token,
                                 connections=connections)
                assert tls["failures"] == 0 and tls["connections"] == connections, tls
                pairs.append((load(daemon, path, connections), tls))
            socket_rate = statistics.median(s["per_second"] for s, _ in pairs)
            tls_rate = statistics.median(t["per_second"] for _, t in pairs)
            show(f"https: {name}, unix socket", f"{socket_rate} req/s, p99 "
                 f"{statistics.median(s['p99_us'] for s, _ in pairs) / 1000:.2f} ms")
            show(f"https: {name}, kept TLS connections", f"{tls_rate} req/s, p99 "
                 f"{statistics.median(t['p99_us'] for _, t in pairs) / 1000:.2f} ms")
            show(f"https: {name}, TLS against the socket", f"{tls_rate / socket_rate:.2f}")
        fresh = https_load(daemon, "--path", one, "--token-file", token, "--new-connections")
        assert fresh["failures"] == 0 and fresh["connections"] >= fresh["requests"], fresh
        show("https: one of 10,000 guests, a new connection each",
             f"{fresh['per_second']} req/s, p99 {fresh['p99_us'] / 1000:.2f} ms")
        show("https: a log-in", median_ms([login_seconds(daemon) for _ in range(RUNS)]))
    finally:
        daemon.kill()
        daemon.clean_up()


# --- daemon: start-up, memory, idle CPU ---------------------------------------------------------


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(pid, seconds=60):
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds * 100


def bench_daemon():
    sizes = {}
    for count in (100, 1100, 10000):
        daemon = Daemon(program="ruched-sim", extra=["--guests", str(count)])
        begun = time.monotonic()
        daemon.start()
        show(f"daemon: simulated start with {count} guests", f"{(time.monotonic() - begun) * 1000:.0f} ms")
        daemon.raw("GET", "/v1/vms?limit=100")
        sizes[count] = resident_kib(daemon.process.pid)
        show(f"daemon: resident with {count} simulated guests", f"{sizes[count] / 1024:.1f} MiB")
        if count == 100:
            show("daemon: CPU idle, 100 simulated guests, 60 s", f"{idle_share(daemon.process.pid):.2f} % of a core")
        daemon.kill()
        daemon.clean_up()
    show("daemon: each further guest", f"{(sizes[10000] - sizes[100]) / 9900:.2f} KiB")


def bench_real():
    daemon = Daemon().start()
    try:
        daemon.demo_image()
        for n in range(5):
            daemon.ruche("vm", "create", f"idle{n}", "--image", "demo", "--cpus", "1", "--memory",
                         "128MiB", "--start")
        time.sleep(10)
        show("daemon: CPU idle, 5 real guests, 60 s", f"{idle_share(daemon.process.pid):.2f} % of a core")
        show("daemon: resident with 5 real guests", f"{resident_kib(daemon.process.pid) / 1024:.1f} MiB")
    finally:
        daemon.clean_up()


def bench_startup():
    daemon = Daemon().start()
    try:
        for n in range(1000):
            answer = daemon.raw("POST", "/v1/vms?wait=30s",
                                {"name": f"g{n:04}", "memory_bytes": 33554432, "disk_size_bytes": 1048576},
                                {"Content-Type": "application/json"})
            assert answer.status in (200, 202), answer.text
        show("daemon: resident with 1,000 real stopped guests", f"{resident_kib(daemon.process.pid) / 1024:.1f} MiB")
        times = []
        for _ in range(5):
            daemon.kill()
            begun = time.monotonic()
            daemon.start()
            times.append(time.monotonic() - begun)
        show("daemon: start-up with 1,000 known guests", median_ms(times))
        show("daemon: resident after that", f"{resident_kib(daemon.process.pid) / 1024:.1f} MiB")
        begun = time.monotonic()
        listed = daemon.raw("GET", "/v1/vms?limit=1000").json["items"]
        show(f"daemon: list of {len(listed)} real stopped guests", f"{(time.monotonic() - begun) * 1000:.0f} ms")
    finally:
        daemon.clean_up()


def bench_parallel():
    daemon = Daemon().start()
    try:
        daemon.demo_image()
        daemon.ruche("setting", "set", "--cpu-overcommit", "64")
        begun = time.monotonic()
        running = [subprocess.Popen(
            [os.path.join(BIN, "ruche"), "--socket", daemon.socket, "vm", "create", f"p{n}", "--image",
             "demo", "--cpus", "1", "--memory", "64MiB", "--start", "--wait", "running"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for n in range(50)]
        outputs = [p.communicate()[0].decode() for p in running]
        elapsed = time.monotonic() - begun
        failed = [o for p, o in zip(running, outputs) if p.returncode != 0]
        show("parallel: 50 guests created and started", f"{elapsed:.1f} s, {len(failed)} errors")
        for output in failed[:3]:
            print("   ", output.strip())
        show("parallel: resident with 50 running", f"{resident_kib(daemon.process.pid) / 1024:.1f} MiB")
    finally:
        daemon.clean_up()


ALL = {"start": bench_start, "api": bench_api, "https": bench_https, "daemon": bench_daemon,
       "real": bench_real, "network": lambda: bench_network(show), "startup": bench_startup,
       "parallel": bench_parallel}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or ALL:
        ALL[wanted]()
