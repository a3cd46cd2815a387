"""Users, roles, sessions, tokens and the audit log on a real daemon."""

import os
import threading
import unittest

from harness import PATIENCE, SystemTest, UnixConnection, wait_for

PASSWORD = "seven green hedgehogs sing"
WRONG = "seven green hedgehogs shout"


class Identity(SystemTest):
    needs_demo = False

    def add_user(self, name, role, password=PASSWORD):
        self.daemon.ruche("user", "add", name, "--role", role, "--password-stdin",
                          stdin=password + "\n")

    def log_in(self, name, password=PASSWORD, expect=200):
        answer = self.daemon.api("POST", "/v1/sessions", {"user": name, "password": password},
                                 expect=expect)
        return answer.json.get("token") if expect == 200 else answer

    def as_(self, token, method, path, body=None, expect=None):
        return self.daemon.api(method, path, body, {"Authorization": f"Bearer {token}"}, expect)

    def audit(self, condition):
        return self.daemon.ruche_json("audit", "list", "--filter", condition)["items"]

    def make_vm(self, token, name, expect):
        body = {"name": name, "memory_bytes": 32 << 20, "disk_size_bytes": 1 << 20}
        return self.as_(token, "POST", "/v1/vms?wait=60s", body, expect)

    def test_roles(self):
        for role in ("viewer", "operator", "administrator"):
            self.add_user(f"r-{role}", role)
        viewer, operator, administrator = (
            self.log_in(f"r-{role}") for role in ("viewer", "operator", "administrator"))
        self.as_(viewer, "GET", "/v1/vms", expect=200)
        self.make_vm(viewer, "no", 403)
        self.make_vm(operator, "roles1", 200)
        self.as_(operator, "GET", "/v1/users", expect=403)
        self.as_(administrator, "GET", "/v1/users", expect=200)
        me = self.as_(operator, "GET", "/v1/sessions/current", expect=200).json
        self.assertEqual((me["user"], me["role"]), ("r-operator", "operator"))
        self.assertIn("root", self.daemon.ruche("whoami").stdout)

    def test_nothing_but_401_without_a_good_token(self):
        for path in ("/v1/vms", "/v1/nothing", "/"):
            answer = self.daemon.raw("GET", path, headers={"Authorization": "Bearer nonsense"})
            self.assertEqual(answer.status, 401)
            self.assertTrue(answer.headers["www-authenticate"].startswith("Bearer"))

    def test_log_out_and_a_new_password_end_sessions(self):
        self.add_user("leaver", "viewer")
        first, second = self.log_in("leaver"), self.log_in("leaver")
        self.as_(first, "DELETE", "/v1/sessions/current", expect=200)
        self.as_(first, "GET", "/v1/vms", expect=401)
        self.as_(second, "GET", "/v1/vms", expect=200)
        self.daemon.ruche("user", "set", "leaver", "--password-stdin", stdin="another " + PASSWORD)
        self.as_(second, "GET", "/v1/vms", expect=401)
        self.log_in("leaver", expect=401)
        third = self.log_in("leaver", "another " + PASSWORD)
        self.daemon.restart()
        self.as_(third, "GET", "/v1/vms", expect=200)
        self.daemon.ruche("user", "set", "leaver", "--disabled")
        self.as_(third, "GET", "/v1/vms", expect=401)

    def test_lockout(self):
        self.add_user("locked", "viewer")
        for _ in range(40):
            answer = self.daemon.api("POST", "/v1/sessions", {"user": "locked", "password": WRONG})
            if answer.status == 429:
                break
            self.assertEqual(answer.status, 401)
        self.assertEqual(answer.status, 429)
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        # Root at the socket is never locked out, and can help.
        self.daemon.ruche("user", "unlock", "locked")
        self.log_in("locked")

    def test_tokens(self):
        self.add_user("worker", "operator")
        made = self.daemon.ruche_json("token", "create", "ci", "--user", "worker", "--role", "viewer",
                                      "--lifetime", "1d")
        self.as_(made["token"], "GET", "/v1/vms", expect=200)
        self.make_vm(made["token"], "no", 403)
        self.assertNotIn(made["token"], self.daemon.ruche("token", "list").stdout)
        self.daemon.ruche("token", "delete", "ci")
        self.as_(made["token"], "GET", "/v1/vms", expect=401)
        short = self.daemon.ruche_json("token", "create", "brief", "--user", "worker",
                                       "--lifetime", "1s")
        wait_for(lambda: self.as_(short["token"], "GET", "/v1/vms").status == 401)

    def test_a_running_stream_ends_with_its_session(self):
        self.add_user("watcher", "viewer")
        token = self.log_in("watcher")
        connection = UnixConnection(self.daemon.socket)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events", headers={
            "Accept": "text/event-stream", "Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        ended = threading.Event()

        def drain():
            try:
                while response.read1(4096):
                    pass
            except OSError:
                pass
            except Exception:  # a chunk that was cut off
                pass
            ended.set()

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        self.daemon.ruche("user", "set", "watcher", "--disabled")
        self.assertTrue(ended.wait(PATIENCE))

    def test_audit_and_history(self):
        self.add_user("doer", "operator")
        token = self.log_in("doer")
        self.make_vm(token, "history1", 200)
        self.as_(token, "PATCH", "/v1/vms/history1?wait=60s", {"memory_bytes": 64 << 20}, 200)
        self.as_(token, "GET", "/v1/users", expect=403)
        self.log_in("doer", WRONG, expect=401)
        records = [item["record"] for item in self.audit("user=doer")]
        told = {(record["method"], record["outcome"]) for record in records}
        for expected in (("session.create", "done"), ("session.create", "refused"),
                         ("user.list", "refused"), ("vm.create", "accepted"),
                         ("vm.create", "done"), ("vm.set", "accepted"), ("vm.set", "done")):
            self.assertIn(expected, told)
        change = next(r for r in records if r["method"] == "vm.set" and r["outcome"] == "accepted")
        self.assertEqual(change["origin"]["via"], "session")
        self.assertIn({"path": "/spec/memory_bytes", "before": str(32 << 20),
                       "after": str(64 << 20)}, change["changes"])
        history = self.as_(token, "GET", "/v1/vms/history1/history", expect=200).json["items"]
        self.assertTrue(any("memory: 32 MiB → 64 MiB" in item["text"] for item in history))
        self.assertIn("doer", self.daemon.ruche("vm", "history", "history1").stdout)
        self.assertTrue(self.daemon.ruche_json("audit", "verify")["intact"])

    def test_a_killed_daemon_forgets_nothing(self):
        for n in range(5):
            self.daemon.api("PATCH", "/v1/settings", {"cpu_overcommit": 5 + n}, expect=200)
            self.daemon.restart()
        found = self.audit("method=setting.set")
        changes = [c for item in found for c in item["record"]["changes"]]
        for n in range(5):
            self.assertTrue(any(c["after"] == str(5 + n) for c in changes), n)
        self.assertTrue(self.daemon.ruche_json("audit", "verify")["intact"])

    def test_no_secret_is_written_down(self):
        self.add_user("secretive", "viewer", "password " + PASSWORD)
        token = self.log_in("secretive", "password " + PASSWORD)
        api_token = self.daemon.ruche_json("token", "create", "t", "--user", "secretive")["token"]
        self.as_(token, "GET", "/v1/vms", expect=200)
        self.as_(api_token, "GET", "/v1/vms", expect=200)
        self.as_(token, "POST", "/v1/vms", {}, expect=403)
        self.audit("user=secretive")
        secrets = [text.encode() for text in ("password " + PASSWORD, token, api_token,
                                              token[-64:], api_token[-64:])]
        for folder, _, files in os.walk(self.daemon.directory):
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                for secret in secrets:
                    self.assertNotIn(secret, content, path)

    def test_weak_passwords_and_arguments_are_refused(self):
        done = self.daemon.ruche("user", "add", "weak", "--password-stdin", stdin="short\n", expect=3)
        self.assertIn("shorter than", done.stderr)
        self.daemon.ruche("user", "add", "weak", "--password", "visible to everybody", expect=2)


if __name__ == "__main__":
    unittest.main()
