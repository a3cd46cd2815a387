"""Networks with real guests: the daemon lives in a network namespace of its own, which is joined to
another one that plays the outside, so that nothing of the machine's own network is touched."""

import itertools
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness import SystemTest, wait_for

NAME = f"ruche-{os.getpid()}"
HOST, OUTSIDE = f"{NAME}-host", f"{NAME}-out"
OUTSIDE_ADDRESS, HOST_ADDRESS = "198.51.100.1", "198.51.100.2"
MARKS = itertools.count(1)


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def inside(namespace, *words, check=True):
    return run("nsenter", f"--net=/run/netns/{namespace}", *words, check=check)


def can_have_networks():
    return os.geteuid() == 0 and all(shutil.which(p, path="/usr/sbin:/usr/bin:/sbin")
                                     for p in ("nft", "dnsmasq", "ip", "nsenter"))


@unittest.skipUnless(can_have_networks(), "networks need root, nft and dnsmasq")
class Networks(SystemTest):
    @classmethod
    def setUpClass(cls):
        for namespace in (HOST, OUTSIDE):
            run("ip", "netns", "add", namespace)
            cls.addClassCleanup(run, "ip", "netns", "delete", namespace, check=False)
            inside(namespace, "ip", "link", "set", "lo", "up")
        inside(HOST, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "down0")
        inside(HOST, "ip", "link", "set", "down0", "netns", OUTSIDE)
        for namespace, link, address in ((HOST, "up0", HOST_ADDRESS),
                                         (OUTSIDE, "down0", OUTSIDE_ADDRESS)):
            inside(namespace, "ip", "address", "add", f"{address}/24", "dev", link)
            inside(namespace, "ip", "link", "set", link, "up")
        inside(HOST, "ip", "route", "add", "default", "via", OUTSIDE_ADDRESS)
        # The image comes from the package mirror, which the namespace does not reach.
        super().setUpClass()
        cls.daemon.stop()
        cls.daemon.prefix = ["nsenter", f"--net=/run/netns/{HOST}"]
        cls.daemon.extra = ["--networks", "bridge"]
        cls.daemon.start()
        cls.create(cls, "web1", start=False)
        cls.create(cls, "web2", start=False)

    def host(self, *words, check=True):
        return inside(HOST, *words, check=check)

    def network(self, name="default"):
        return self.daemon.api("GET", f"/v1/networks/{name}", expect=200).json

    def address(self, name):
        return self.daemon.vm(name)["spec"]["nics"][0]["address"]

    def in_guest(self, name, command, timeout=120):
        """Types a command on the guest's console; what it printed, ticks left out."""
        # A console begins with the last output from before, so every command has a mark of its own.
        mark = f"mark{next(MARKS)}"
        done = self.daemon.ruche(
            "vm", "console", name, "--until", f"end [0-9]+ of {mark}", "--timeout", f"{timeout}s",
            stdin=f"\ntouch /tmp/quiet; echo begin of {mark}; {command}; echo end $? of {mark}\n",
            timeout=timeout + 30)
        text = done.stdout.replace("\r", "")
        ends = re.findall(rf"end (\d+) of {mark}", text)
        return int(ends[-1]), text.rsplit(f"begin of {mark}\n", 1)[-1]

    def name_servers(self):
        found, network = [], self.network()["id"]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(w.startswith("--conf-file=/run/ruche-networks-") and
                   network in w for w in words):
                found.append(int(pid))
        return found

    def test_1_an_idle_daemon_changes_nothing(self):
        network = self.network()
        self.assertEqual((network["kind"], network["vms"]), ("nat", 2))
        self.assertEqual(self.host("nft", "list", "ruleset"), "")
        self.assertEqual(self.host("ip", "-o", "link", "show", "type", "bridge"), "")
        # The addresses are known before anything runs.
        self.assertTrue(self.address("web1").startswith("10."))
        self.assertNotEqual(self.address("web1"), self.address("web2"))

    def test_2_guests_reach_each_other_the_host_and_the_outside(self):
        server = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{OUTSIDE}", "python3", "-m", "http.server", "8000",
             "--bind", OUTSIDE_ADDRESS, "--directory", "/usr/share/common-licenses"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for name in ("web1", "web2"):
            self.daemon.ruche("vm", "start", name)
            self.daemon.ruche("vm", "console", name, "--no-input", "--until",
                              f"address {re.escape(self.address(name))} on", "--timeout", "180s")
        self.assertEqual(self.daemon.vm("web1")["status"]["addresses"], [self.address("web1")])
        gateway = self.network()["gateway"]
        status, text = self.in_guest("web1", f"nslookup web2.default.internal {gateway}")
        self.assertEqual(status, 0, text)
        self.assertIn(self.address("web2"), text)
        for target in (self.address("web2"), gateway, OUTSIDE_ADDRESS):
            status, text = self.in_guest("web1", f"ping -c 1 -W 20 {target}")
            self.assertEqual(status, 0, text)
        # The request by hand: Debian's static busybox has a wget that may crash in its resolver.
        status, text = self.in_guest(
            "web1", f"printf 'GET /GPL-2 HTTP/1.0\\r\\n\\r\\n' | nc -w 60 {OUTSIDE_ADDRESS} 8000"
                    " | grep -m 1 GENERAL")
        self.assertIn("GNU GENERAL PUBLIC LICENSE", text)
        self.assertIn("GNU", self.host("curl", "-sS", "--max-time", "60",
                                       f"http://{OUTSIDE_ADDRESS}:8000/GPL-2"))
        page = self.host("curl", "-sS", "--max-time", "60",
                         f"http://{self.address('web1')}/cgi-bin/index.cgi")
        self.assertIn("<h1>", page)

    def test_3_forwards(self):
        self.daemon.ruche("network", "forward", "default", "8080", "web1:80")
        for target in ("localhost", HOST_ADDRESS):
            page = self.host("curl", "-4", "-sS", "--max-time", "60",
                             f"http://{target}:8080/cgi-bin/index.cgi")
            self.assertIn("<h1>", page)
        page = inside(OUTSIDE, "curl", "-sS", "--max-time", "60",
                      f"http://{HOST_ADDRESS}:8080/cgi-bin/index.cgi")
        self.assertIn("<h1>", page)
        # Nothing else leads from the outside to the guest.
        inside(OUTSIDE, "ip", "route", "add", self.network()["subnet"], "via", HOST_ADDRESS)
        refused = inside(OUTSIDE, "curl", "-sS", "--max-time", "3",
                         f"http://{self.address('web1')}/", check=False)
        self.assertEqual(refused, "")
        taken = self.daemon.ruche("network", "forward", "default", "8080", "web2:80", expect=9)
        self.assertIn("web1", taken.stderr)
        listener = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{HOST}", "python3", "-m", "http.server", "8181"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        wait_for(lambda: ":8181" in self.host("ss", "-ltn"))
        taken = self.daemon.ruche("network", "forward", "default", "8181", "web1:80", expect=9)
        self.assertIn("python3", taken.stderr)
        shown = self.daemon.ruche_json("network", "show", "default")["forwards"]
        self.assertEqual([(f["host_port"], f["vm"]) for f in shown], [(8080, "web1")])
        self.daemon.ruche("network", "unforward", "default", "8080")
        self.assertEqual(self.network()["forwards"], [])
        gone = self.host("curl", "-4", "-sS", "--max-time", "3", "http://localhost:8080/",
                         check=False)
        self.assertEqual(gone, "")

    def test_4_nobody_notices_the_death_of_the_daemon(self):
        before = self.name_servers()
        self.assertEqual(len(before), 1)
        address = self.address("web1")
        rules = self.host("nft", "list", "ruleset")
        self.daemon.kill()
        page = self.host("curl", "-sS", "--max-time", "60",
                           f"http://{address}/cgi-bin/index.cgi")
        self.assertIn("<h1>", page)
        self.daemon.start()
        wait_for(lambda: self.network()["status"]["state"] == "active")
        self.assertEqual(self.name_servers(), before)
        self.assertEqual(self.host("nft", "list", "ruleset"), rules)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(self.name_servers()) == 1 and self.name_servers() != before)
        gateway = self.network()["gateway"]

        def answers():
            done = self.in_guest("web1", f"nslookup web2.default.internal {gateway}")
            return self.address("web2") in done[1]
        wait_for(answers)

    def test_5_refusals(self):
        taken = self.daemon.ruche("network", "create", "lab", "--subnet", "198.51.100.0/25",
                                  expect=9)
        self.assertIn("198.51.100.0/24", taken.stderr)
        bad = self.daemon.ruche("network", "create", "lab", "--subnet", "10.1.1.1/24", expect=3)
        self.assertIn("10.1.1.1/24", bad.stderr)
        self.daemon.ruche("network", "create", "user", expect=3)
        self.daemon.ruche("network", "delete", "default", expect=9)
        self.daemon.ruche("network", "create", "lab", "--kind", "isolated")
        wait_for(lambda: self.network("lab")["status"]["state"] == "idle")
        self.daemon.ruche("network", "delete", "lab")

    def test_6_nothing_is_left(self):
        for name in ("web1", "web2"):
            self.daemon.ruche("vm", "delete", name, "--stop", "--purge", "--yes")
        wait_for(lambda: self.network()["status"]["state"] == "idle", 120)
        self.assertEqual(self.host("nft", "list", "ruleset"), "")
        links = self.host("ip", "-o", "link", "show")
        self.assertNotIn(" rb", links)
        self.assertNotIn(" rt", links)
        self.assertEqual(self.name_servers(), [])


class WithoutNetworks(SystemTest):
    needs_demo = False

    def test_it_says_why(self):
        networks = self.daemon.api("GET", "/v1/networks", expect=200).json["items"]
        self.assertEqual([n["name"] for n in networks], ["default"])
        wait_for(lambda: self.daemon.ruche_json("network", "show", "default")["status"]["state"]
                 == "unavailable")
        self.assertIn("--networks none", self.daemon.ruche("network", "list").stdout)
        self.daemon.ruche("vm", "create", "plain")
        self.assertEqual(self.daemon.vm("plain")["spec"]["nics"][0]["kind"], "user")
        refused = self.daemon.ruche("vm", "create", "other", "--network", "default", expect=12)
        self.assertIn("--networks none", refused.stderr)
        self.daemon.ruche("network", "create", "lab", expect=12)


if __name__ == "__main__":
    unittest.main()
