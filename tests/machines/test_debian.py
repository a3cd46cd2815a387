"""The Debian image: how it is built, and that a guest of it starts with either firmware."""

import os
import unittest

from harness import SystemTest, wait_for

# Everything about these guests takes long under emulation on a busy machine.
BOOT_PATIENCE = 600
BUILD_PATIENCE = 900


def build_processes(daemon):
    """Processes that have this instance's build directory in their command line or as their own."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace")
            where = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        if int(pid) != daemon.process.pid and (daemon.data in words or daemon.data in where):
            found.append((pid, words[:80]))
    return found


@unittest.skipUnless(os.geteuid() == 0, "only root makes the files of many users")
class Build(SystemTest):
    """What a build leaves when it does not come to its end: nothing."""

    needs_demo = False

    def begin(self, name):
        task = self.daemon.ruche("image", "build", "debian", "--name", name, "--no-wait")
        return task.stdout.strip()

    def message(self, task):
        return self.daemon.api("GET", f"/v1/tasks/{task}", expect=200).json["progress"]["text"]

    def wait_until_it_unpacks(self, task):
        # The own-root helper is at work: packages are fetched, unpacked or set up.
        steps = ("Fetching", "Unpacking", "Setting up")
        wait_for(lambda: self.message(task).startswith(steps), BUILD_PATIENCE,
                 lambda: self.message(task))

    def end(self, task):
        self.daemon.ruche("task", "cancel", task, expect=None)  # it ends as cancelled
        wait_for(lambda: self.daemon.api("GET", f"/v1/tasks/{task}").json["state"] == "cancelled",
                 explain=lambda: self.daemon.api("GET", f"/v1/tasks/{task}").text)

    def check_nothing_is_left(self):
        build = os.path.join(self.daemon.data, "build")
        wait_for(lambda: os.listdir(build) == ["cache"], explain=lambda: os.listdir(build))
        wait_for(lambda: not build_processes(self.daemon),
                 explain=lambda: build_processes(self.daemon))
        self.assertEqual(self.daemon.api("GET", "/v1/images").json["items"], [])

    def test_1_cancelled(self):
        task = self.begin("one")
        self.wait_until_it_unpacks(task)
        self.end(task)
        self.check_nothing_is_left()

    def test_2_killed(self):
        task = self.begin("two")
        self.wait_until_it_unpacks(task)
        self.daemon.kill()
        # Nobody waits for the helper any more, and still it ends.
        wait_for(lambda: not build_processes(self.daemon),
                 explain=lambda: build_processes(self.daemon))
        self.daemon.start()
        self.end(task)
        self.check_nothing_is_left()

    def test_3_unknown_recipe(self):
        done = self.daemon.ruche("image", "build", "plan9", expect=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("debian", done.stderr)


@unittest.skipUnless(os.geteuid() == 0, "only root makes the files of many users")
class Guest(SystemTest):
    needs_demo = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.daemon.debian_image("debian12")

    def test_1_the_image(self):
        image = self.daemon.ruche_json("image", "show", "debian12")
        self.assertEqual(image["boot"], "bios")
        self.assertEqual(image["size_bytes"], 4 << 30)

    def test_2_boots(self):
        self.daemon.ruche("vm", "create", "db1", "--image", "debian12", "--cpus", "2", "--memory",
                          "1GiB", "--disk-size", "8GiB", "--start", "--wait", "running")
        self.daemon.ruche("vm", "console", "db1", "--no-input", "--until", "login:", "--timeout",
                          f"{BOOT_PATIENCE}s", timeout=BOOT_PATIENCE + 60)
        self.daemon.ruche("vm", "shutdown", "db1", "--timeout", "300s", timeout=400)


if __name__ == "__main__":
    unittest.main()
