"""The API on a real daemon, as a program uses it."""

import threading
import unittest

from harness import SystemTest, UnixConnection


class Api(SystemTest):
    needs_demo = False

    def make(self, name, **more):
        body = dict({"name": name, "memory_bytes": 32 << 20, "disk_size_bytes": 1 << 20}, **more)
        return self.daemon.api("POST", "/v1/vms?wait=30s", body, expect=200).json

    def problem(self, method, path, status, reason, body=None, headers=None):
        answer = self.daemon.api(method, path, body, headers, expect=status)
        self.assertEqual(answer.headers["content-type"].split(";")[0], "application/problem+json")
        self.assertEqual(answer.json["reason"], reason)
        self.assertTrue(answer.json["detail"])
        return answer.json

    def test_problems_name_the_field_and_the_remedy(self):
        found = self.problem("POST", "/v1/vms", 400, "unknown-field", {"name": "x", "cpuz": 1})
        self.assertEqual(found["field"], "/cpuz")
        self.assertTrue(found["remedy"])
        self.problem("POST", "/v1/vms", 400, "topology-mismatch",
                     {"name": "x", "cpus": 3, "topology": {"sockets": 2, "cores": 1, "threads": 1}})
        self.problem("GET", "/v1/vms/nobody", 404, "no-such-object")
        self.problem("GET", "/v1/nothing", 404, "no-such-route")
        self.problem("PUT", "/v1/vms", 405, "method-not-allowed", {})
        self.problem("POST", "/v1/vms", 400, "malformed-json", "{")
        self.assertEqual(self.daemon.api("GET", "/v1/vms/x").status, 404)

    def test_idempotency_keys(self):
        body = {"name": "once", "memory_bytes": 32 << 20, "disk_size_bytes": 1 << 20}
        first = self.daemon.api("POST", "/v1/vms?wait=30s", body, {"Idempotency-Key": "k1"})
        again = self.daemon.api("POST", "/v1/vms?wait=30s", body, {"Idempotency-Key": "k1"})
        self.assertEqual(first.json["id"], again.json["id"])
        self.daemon.restart()
        again = self.daemon.api("POST", "/v1/vms?wait=30s", body, {"Idempotency-Key": "k1"})
        self.assertEqual(first.json["id"], again.json["id"])
        self.problem("POST", "/v1/vms", 409, "idempotency-key-reused", {"name": "other"},
                     {"Idempotency-Key": "k1", "Content-Type": "application/json"})

    def test_etags(self):
        self.make("tagged")
        shown = self.daemon.api("GET", "/v1/vms/tagged")
        etag = shown.headers["etag"]
        self.daemon.api("PATCH", "/v1/vms/tagged?wait=30s", {"description": "one"},
                        {"If-Match": etag, "Content-Type": "application/merge-patch+json"}, expect=200)
        self.problem("PATCH", "/v1/vms/tagged", 412, "revision-mismatch", {"description": "two"},
                     {"If-Match": etag, "Content-Type": "application/merge-patch+json"})
        self.assertEqual(self.daemon.vm("tagged")["description"], "one")

    def test_lists_page_consistently(self):
        for n in range(7):
            self.make(f"page{n}")
        first = self.daemon.api("GET", "/v1/vms?limit=3&filter=name~page&sort=-name", expect=200).json
        self.daemon.api("DELETE", "/v1/vms/page0?purge=true&wait=30s", expect=200)
        names = [vm["name"] for vm in first["items"]]
        cursor = first["next"]
        while cursor:
            page = self.daemon.api("GET", f"/v1/vms?limit=3&cursor={cursor}", expect=200).json
            names += [vm["name"] for vm in page["items"]]
            cursor = page["next"]
        self.assertEqual(names, [f"page{n}" for n in range(6, -1, -1)])

    def test_events_resume_across_a_killed_daemon(self):
        last = self.daemon.api("GET", "/v1/events?limit=1000", expect=200).json["items"][-1]["id"]
        self.make("seen")
        self.daemon.restart()
        connection = UnixConnection(self.daemon.socket, timeout=20)
        connection.request("GET", "/v1/events", headers={"Accept": "text/event-stream",
                                                         "Last-Event-ID": last})
        stream = connection.getresponse()
        self.assertEqual(stream.status, 200)
        stopper = threading.Timer(15, connection.close)
        stopper.start()
        text = b""
        while b'"seen"' not in text:
            piece = stream.read1(65536)
            self.assertTrue(piece, text)
            text += piece
        stopper.cancel()
        connection.close()


if __name__ == "__main__":
    unittest.main()
