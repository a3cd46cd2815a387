"""NAT throughput and latency of a network of Ruche against a hand-made bridge with one masquerading
rule, in one run: the same two programs, from a namespace that stands for a guest to one that stands
for the outside."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from harness import Daemon  # noqa: E402

NAME = f"ruche-bench-{os.getpid()}"
HOST, OUTSIDE, GUEST = f"{NAME}-h", f"{NAME}-o", f"{NAME}-g"
TARGET = "198.51.100.1"

SERVER = f"""
import socket, threading
tcp = socket.create_server(("{TARGET}", 7000))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("{TARGET}", 7001))
def echo():
    while True:
        data, sender = udp.recvfrom(2048)
        udp.sendto(data, sender)
threading.Thread(target=echo, daemon=True).start()
print("ready", flush=True)
while True:
    one, _ = tcp.accept()
    while one.recv(1 << 20):
        pass
    one.close()
"""
CLIENT = f"""
import socket, statistics, time
block = b"x" * (1 << 20)
one = socket.create_connection(("{TARGET}", 7000))
begun, sent = time.monotonic(), 0
while time.monotonic() - begun < 4:
    one.sendall(block)
    sent += len(block)
rate = sent * 8 / (time.monotonic() - begun) / 1e9
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.connect(("{TARGET}", 7001))
times = []
for _ in range(3000):
    begun = time.monotonic()
    udp.send(b"ping")
    udp.recv(100)
    times.append(time.monotonic() - begun)
print(rate, statistics.median(times) * 1e6)
"""


def run(*words, check=True):
    subprocess.run(words, check=check, stdin=subprocess.DEVNULL)


def inside(namespace, *words):
    run("nsenter", f"--net=/run/netns/{namespace}", *words)


def plug(link, bridge, mac, address, gateway):
    """The guest's end of a cable whose other end is called as Ruche calls that guest's tap."""
    inside(HOST, "ip", "link", "add", link, "type", "veth", "peer", "name", "guest0", "address", mac)
    inside(HOST, "ip", "link", "set", link, "master", bridge, "up")
    inside(HOST, "ip", "link", "set", "guest0", "netns", GUEST)
    inside(GUEST, "ip", "address", "add", address, "dev", "guest0")
    inside(GUEST, "ip", "link", "set", "guest0", "up")
    inside(GUEST, "ip", "route", "add", "default", "via", gateway)


def measure():
    out = subprocess.run(["nsenter", f"--net=/run/netns/{GUEST}", "python3", "-c", CLIENT],
                         capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return [float(word) for word in out.stdout.split()]


def ours(daemon):
    base = ("--image", "demo", "--memory", "64MiB", "--network", "default")
    daemon.ruche("vm", "create", "real", *base, "--start")  # so that the network is there
    daemon.ruche("vm", "create", "stand-in", *base)
    time.sleep(2)  # its rules follow its creation
    nic = daemon.vm("stand-in")["spec"]["nics"][0]
    network = daemon.ruche_json("network", "show", "default")
    bridge = network["status"]["bridge"]
    link = "rt" + bridge[2:7] + "".join(f"{int(n):02x}" for n in nic["address"].split("."))
    plug(link, bridge, nic["mac"], f"{nic['address']}/20", network["gateway"])
    daemon.ruche("vm", "pause", "real")
    result = measure()
    inside(HOST, "ip", "link", "delete", link)
    daemon.ruche("vm", "delete", "real", "--stop", "--purge", "--yes")
    return result


def by_hand():
    inside(HOST, "ip", "link", "add", "hand", "type", "bridge")
    inside(HOST, "ip", "address", "add", "192.168.77.1/24", "dev", "hand")
    inside(HOST, "ip", "link", "set", "hand", "up")
    inside(HOST, "nft", "add table ip hand; add chain ip hand out { type nat hook postrouting priority "
           "100; }; add rule ip hand out ip saddr 192.168.77.0/24 masquerade")
    plug("port0", "hand", "52:54:00:00:00:77", "192.168.77.2/24", "192.168.77.1")
    result = measure()
    inside(HOST, "ip", "link", "delete", "port0")
    inside(HOST, "ip", "link", "delete", "hand")
    inside(HOST, "nft", "delete", "table", "ip", "hand")
    return result


def bench_network(show):
    daemon, server = None, None
    try:
        for namespace in (HOST, OUTSIDE, GUEST):
            run("ip", "netns", "add", namespace)
            inside(namespace, "ip", "link", "set", "lo", "up")
        inside(HOST, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0")
        inside(HOST, "ip", "link", "set", "down0", "netns", OUTSIDE)
        for namespace, link, address in ((HOST, "up0", "198.51.100.2/24"),
                                         (OUTSIDE, "down0", f"{TARGET}/24")):
            inside(namespace, "ip", "address", "add", address, "dev", link)
            inside(namespace, "ip", "link", "set", link, "up")
        server = subprocess.Popen(["nsenter", f"--net=/run/netns/{OUTSIDE}", "python3", "-c", SERVER],
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        server.stdout.readline()
        daemon = Daemon().start()
        daemon.demo_image()  # from the package mirror, which the namespace does not reach
        daemon.stop()
        daemon.prefix = ["nsenter", f"--net=/run/netns/{HOST}"]
        daemon.extra = ["--networks", "bridge"]
        daemon.start()
        own, hand = ours(daemon), by_hand()
        show("network: TCP through NAT, Ruche / by hand", f"{own[0]:.2f} / {hand[0]:.2f} Gbit/s")
        show("network: UDP round trip, Ruche / by hand", f"{own[1]:.0f} / {hand[1]:.0f} µs")
    finally:
        if daemon:
            daemon.clean_up()
        if server:
            server.kill()
        for namespace in (HOST, OUTSIDE, GUEST):
            run("ip", "netns", "delete", namespace, check=False)
