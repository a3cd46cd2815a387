"""Copies of real guests: what they hold, byte for byte, that none sees what another writes, and that
each has an identity of its own."""

import os
import time
import unittest

from counting_guest import MIB, CountingTest, guest_files
from harness import wait_for

FILL = 8  # MiB


class Clones(CountingTest):
    def clone(self, original, name, *more):
        self.daemon.ruche("vm", "clone", original, name, *more)
        self.addCleanup(self.remove, name)

    def identity(self, name):
        """Everything of a guest that no other may have."""
        vm = self.daemon.vm(name)
        spec = vm["spec"]
        found = {vm["id"], vm["name"], spec["generation_id"], str(vm["uid"])}
        found |= {nic["mac"] for nic in spec["nics"]}
        found |= {nic["address"] for nic in spec["nics"] if nic["address"]}
        return found | {disk["layer"] for disk in spec["disks"]}

    def check_distinct(self, *names):
        seen = {}
        for name in names:
            for word in self.identity(name):
                self.assertNotIn(word, seen, f"{name} shares it with {seen.get(word)}")
                seen[word] = name

    def owners(self, name, disk="disk1"):
        return {row["owner"] for row in self.layers_of_disk(name, disk)}

    def shows(self, name, *fills, number=0):
        """What the second disk of a guest without a process must hold."""
        self.check_disk(self.top_of(name), number, number, fills)

    def written(self, name):
        """When each of its disks was written to last."""
        folder = f"/{self.daemon.vm(name)['id']}/"
        return {f: os.stat(f).st_mtime_ns for f in guest_files(self.daemon.directory)
                if folder in f and f.endswith(".qcow2")}

    # --- of one guest -------------------------------------------------------------------------

    def test_copies_of_a_stopped_guest_go_their_own_ways(self):
        self.make("own1", fill=FILL, start=False)
        whole = (MIB, FILL * MIB, 0x5a)
        before = self.daemon.vm("own1")["spec"]["disks"][1]["layer"]
        self.clone("own1", "linked1", "--linked", "--description", "a copy", "--tag", "copies")
        self.clone("own1", "full1")
        vm = self.daemon.vm("linked1")
        self.assertEqual((vm["status"]["state"], vm["description"], vm["tags"]),
                         ("stopped", "a copy", ["copies"]))
        for name in ("own1", "linked1", "full1"):
            self.shows(name, whole)
        self.write_at("own1", 2 * MIB, MIB, 0xa1)
        self.write_at("linked1", 2 * MIB, MIB // 2, 0xb2)
        self.write_at("full1", 3 * MIB, MIB, 0xc3)
        for _ in range(2):
            self.shows("own1", whole, (2 * MIB, MIB, 0xa1))
            self.shows("linked1", whole, (2 * MIB, MIB // 2, 0xb2))
            self.shows("full1", whole, (3 * MIB, MIB, 0xc3))
            self.daemon.restart()  # and a new daemon leaves it so
        self.check_distinct("own1", "linked1", "full1")
        # The linked one stands on what the original was, the full one on nothing of it.
        self.assertIn(before, [row["id"] for row in self.layers_of_disk("linked1")])
        self.assertEqual(self.owners("linked1"), {"linked1", "own1"})
        self.assertEqual(self.owners("full1"), {"full1"})
        self.assertEqual(self.owners("full1", "disk0"), {"full1", "demo"})
        self.assertIn("own1", self.daemon.ruche("vm", "layers", "linked1").stdout)
        self.check_nothing_leaks()
        # It cannot go while the linked one stands on it; flattened, that one needs nobody.
        said = self.refused("vm", "delete", "own1", "--purge", "--yes")
        self.assertIn("linked1", said)
        self.assertIn("flatten", said)
        self.shows("linked1", whole, (2 * MIB, MIB // 2, 0xb2))
        self.daemon.ruche("vm", "flatten", "linked1")
        for disk in ("disk0", "disk1"):
            self.assertEqual([row["what"] for row in self.layers_of_disk("linked1", disk)], ["current"])
        self.shows("linked1", whole, (2 * MIB, MIB // 2, 0xb2))
        self.daemon.ruche("vm", "delete", "own1", "--purge", "--yes")
        self.shows("linked1", whole, (2 * MIB, MIB // 2, 0xb2))
        self.check_nothing_leaks()
        self.boot("linked1")

    def test_copies_of_a_running_guest(self):
        self.make("own2")
        self.begin("own2")
        low = self.wait_counter("own2", 5)
        pid = self.daemon.vm("own2")["status"]["pid"]
        self.clone("own2", "linked2", "--linked")
        linked = self.check_disk(self.top_of("linked2"), low, self.counter("own2"))
        low = self.counter("own2")
        self.clone("own2", "full2")
        full = self.check_disk(self.top_of("full2"), low, self.counter("own2"))
        self.assertEqual(self.owners("full2"), {"full2"})
        self.assertEqual(self.daemon.vm("own2")["status"]["pid"], pid)
        self.check_nothing_leaks()
        # Both count on from there, and both look whether their disk is theirs.
        self.daemon.ruche("vm", "start", "linked2", "--wait", "running")
        self.booted("linked2")
        self.begin("linked2", linked)
        theirs = self.wait_counter("linked2", linked + 5)
        mine = self.wait_counter("own2", low + 5)
        self.check_distinct("own2", "linked2", "full2")
        for name, number in (("own2", mine), ("linked2", theirs)):
            number = self.halt(name)
            self.daemon.ruche("vm", "stop", name)
            self.check_disk(self.top_of(name), number, number)
        self.check_disk(self.top_of("full2"), full, full)
        # What the cut for the linked one left is merged when that has gone; a daemon looks when it
        # starts, and every minute.
        for name in ("linked2", "full2"):
            self.remove(name)
        self.daemon.restart()
        wait_for(lambda: len(self.layers_of_disk("own2")) == 1, 90, lambda: self.layers("own2"))
        self.settle()
        self.check_disk(self.top_of("own2"), mine)
        self.assertEqual(self.owners("own2", "disk0"), {"own2", "demo"})

    def test_copies_of_a_snapshot(self):
        self.make("own3", fill=FILL, start=False)
        whole = (MIB, FILL * MIB, 0x5a)
        self.daemon.ruche("snapshot", "create", "own3", "then")
        self.write_at("own3", 2 * MIB, MIB, 0xa1)
        self.clone("own3", "linked3", "--linked", "--snapshot", "then")
        self.clone("own3", "full3", "--snapshot", "then")
        self.assertIn("none", self.refused("vm", "clone", "own3", "more3", "--snapshot", "none"))
        self.shows("own3", whole, (2 * MIB, MIB, 0xa1))
        for name in ("linked3", "full3"):
            self.shows(name, whole)
        # The snapshot goes; what the linked one stands on stays as it was, and theirs alone.
        self.daemon.ruche("snapshot", "delete", "own3", "then")
        self.assertEqual(self.snapshots("own3"), {})
        self.shows("linked3", whole)
        self.shows("own3", whole, (2 * MIB, MIB, 0xa1))
        self.check_nothing_leaks()
        self.assertEqual(len(self.layers_of_disk("own3")), 2)
        self.remove("linked3")
        self.daemon.restart()
        wait_for(lambda: len(self.layers_of_disk("own3")) == 1, 90, lambda: self.layers("own3"))
        self.settle()
        self.shows("own3", whole, (2 * MIB, MIB, 0xa1))
        self.shows("full3", whole)

    # --- of a template ------------------------------------------------------------------------

    def test_a_template_and_its_copies(self):
        self.make("gold", fill=1, start=False)
        whole = (MIB, MIB, 0x5a)
        self.daemon.ruche("vm", "template", "gold")
        self.assertIn("template", self.refused("vm", "start", "gold"))
        for command in (("vm", "set", "gold", "--memory", "256MiB"),
                        ("vm", "disk", "add", "gold", "--size", "8MiB"),
                        ("vm", "disk", "grow", "gold", "disk1", "64MiB")):
            self.assertIn("template", self.refused(*command), command)
        self.assertEqual(self.daemon.state("gold"), "stopped")
        written = self.written("gold")
        self.daemon.ruche("vm", "create", "app", "--from-template", "gold", "--count", "8")
        apps = [f"app-{i}" for i in range(1, 9)]
        for name in (*apps, "web-1", "web-2", "web-3"):
            self.addCleanup(self.remove, name)
        self.daemon.ruche("vm", "create", "web", "--from-template", "gold", "--count", "3", "--start",
                          timeout=300)
        webs = ["web-1", "web-2", "web-3"]
        self.assertEqual([self.daemon.state(name) for name in apps], ["stopped"] * 8)
        self.assertEqual([self.daemon.state(name) for name in webs], ["running"] * 3)
        self.check_distinct("gold", *apps, *webs)
        for name in apps[:2]:
            self.assertEqual(self.owners(name), {name, "gold"})
            self.shows(name, whole)
        # Every one has disks of its own.
        for i, name in enumerate(webs):
            self.booted(name)
            self.begin(name)
            self.wait_counter(name, 2 + i)
        for name in webs:
            number = self.halt(name)
            self.daemon.ruche("vm", "stop", name, "--force", expect=None)
            self.check_disk(self.top_of(name), number, number, (whole,))
        self.shows("app-1", whole)
        self.shows("gold", whole)
        self.assertEqual(self.written("gold"), written)
        self.check_nothing_leaks()
        # A name that is taken refuses all of them, and nothing is made.
        self.daemon.ruche("vm", "delete", "app-3", "--purge", "--yes")
        said = self.refused("vm", "create", "app", "--from-template", "gold", "--count", "8")
        self.assertIn("app-1", said)
        self.assertEqual(self.daemon.api("GET", "/v1/vms/app-3").status, 404)
        said = self.refused("vm", "delete", "gold", "--purge", "--yes")
        self.assertRegex(said, r"app-\d|web-\d")
        self.assertIn("flatten", said)
        said = self.refused("vm", "template", "gold", "--undo")
        self.assertIn("flatten", said)
        self.shows("app-8", whole)
        for name in (*apps, *webs):
            self.remove(name)
        self.daemon.ruche("vm", "template", "gold", "--undo")
        self.boot("gold")

    def test_a_daemon_that_is_killed_while_it_copies(self):
        self.make("own4", fill=FILL, start=False)
        whole = (MIB, FILL * MIB, 0x5a)
        self.daemon.ruche("snapshot", "create", "own4", "base")
        for i, delay in enumerate((0.0, 0.05, 0.2)):
            with self.subTest(delay=delay):
                linked = ("--linked",) if i < 2 else ()
                names = [f"part{i}-{n}" for n in range(1, 5)]
                for name in names:
                    self.addCleanup(self.remove, name)
                task = self.ask_for("vm", "clone", "own4", f"part{i}", *linked, "--snapshot", "base",
                                    "--count", "4")
                time.sleep(delay)
                self.daemon.restart()
                ended = self.ended(task)
                self.settle()
                self.assertEqual(ended["state"], "done", ended)
                for name in names:
                    self.shows(name, whole)
                self.check_distinct("own4", *names)
                self.check_nothing_leaks()
        self.shows("own4", whole)

    def test_what_is_refused(self):
        self.make("own5", start=False)
        self.make("own6", start=False)
        self.assertIn("own6", self.refused("vm", "clone", "own5", "own6"))
        self.refused("vm", "clone", "none", "own7")
        self.refused("vm", "clone", "own5", "Not A Name")
        self.refused("vm", "create", "own7", "--from-template", "own5")  # it is none
        self.refused("vm", "create", "own7", "--from-template", "own5", "--image", "demo")
        # Each would be of another instant.
        self.assertIn("--snapshot", self.refused("vm", "clone", "own5", "own7", "--count", "2"))
        plan = self.daemon.ruche("vm", "clone", "own5", "own7", "--linked", "--dry-run").stdout
        self.assertTrue(plan.strip())
        self.daemon.ruche("vm", "flatten", "own5", "--dry-run")
        names = [vm["name"] for vm in self.daemon.ruche_json("vm", "list")["items"]]
        self.assertEqual(sorted(names), ["own5", "own6"])
        self.assertEqual(len(self.layers_of_disk("own5")), 1)


if __name__ == "__main__":
    unittest.main()
