"""Many guests: created at once, listed at once."""

import concurrent.futures
import subprocess
import time
import unittest

from harness import SystemTest


class Scale(SystemTest):
    def test_1_fifty_guests_created_and_started_in_parallel(self):
        self.daemon.ruche("setting", "set", "--cpu-overcommit", "64")

        def create(n):
            return self.daemon.ruche("vm", "create", f"p{n}", "--image", "demo", "--cpus", "1",
                                     "--memory", "48MiB", "--start", "--wait", "running",
                                     expect=None, timeout=300)

        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            done = list(pool.map(create, range(50)))
        failed = [d.stderr for d in done if d.returncode != 0]
        self.assertEqual(failed, [])
        items = self.daemon.api("GET", "/v1/vms?filter=state=running", expect=200).json["items"]
        self.assertEqual(len(items), 50)
        self.assertEqual(len({vm["status"]["pid"] for vm in items}), 50)
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda vm: self.daemon.ruche(
                "vm", "delete", vm["id"], "--stop", "--purge", "--yes", timeout=300), items))
        self.assertEqual(self.daemon.api("GET", "/v1/vms").json["items"], [])

    def test_2_a_thousand_real_stopped_guests(self):
        def create(n):
            body = {"name": f"g{n:04}", "memory_bytes": 32 << 20, "disk_size_bytes": 1 << 20}
            # A conflict or an unavailable store asks to come back, as any client does; it is told.
            for attempt in range(5):
                answer = self.daemon.raw("POST", "/v1/vms?wait=60s", body,
                                         {"Content-Type": "application/json"})
                if answer.status not in (409, 503):
                    break
                print(f"g{n:04}: {answer.status} {answer.text}", flush=True)
                time.sleep(0.2 * (attempt + 1))
            self.assertEqual(answer.json.get("state"), "done", answer.text)

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(create, range(1000)))
        begun = time.monotonic()
        page = self.daemon.raw("GET", "/v1/vms?limit=1000").json
        self.assertLess(time.monotonic() - begun, 1)
        self.assertEqual([vm["name"] for vm in page["items"]], [f"g{n:04}" for n in range(1000)])
        files = subprocess.run(["find", self.daemon.data, "-path", "*/guests/*", "-name", "*.qcow2"],
                               capture_output=True, text=True).stdout.split()
        self.assertEqual(len(files), 1000)
        self.daemon.restart()
        self.assertEqual(len(self.daemon.raw("GET", "/v1/vms?limit=1000").json["items"]), 1000)


if __name__ == "__main__":
    unittest.main()
