"""What must be kept and never shown: sealed in the store, with a key that only root reads."""

import glob
import os
import stat
import unittest

from harness import SystemTest

MARK = "a-word-that-nobody-else-says"


class Secrets(SystemTest):
    needs_demo = False

    def test_user_data_and_passwords_are_sealed_and_the_key_is_never_made_anew(self):
        daemon = self.daemon
        user_data = os.path.join(daemon.directory, "user-data")
        with open(user_data, "w") as file:
            file.write(f"#cloud-config\nbootcmd: [echo {MARK}]\n")
        daemon.ruche("vm", "create", "web1", "--user-data", user_data, "--disk-size", "64MiB")
        key = os.path.join(daemon.data, "secrets.key")
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertEqual(os.stat(key).st_size, 32)
        daemon.stop()
        for path in glob.glob(os.path.join(daemon.data, "*.db*")) + [daemon.log]:
            with open(path, "rb") as file:
                self.assertNotIn(MARK.encode(), file.read(), path)
        os.rename(key, key + ".kept")
        daemon.start(expect_failure=True)
        self.assertIn("secrets.key", daemon.log_tail())
        self.assertFalse(os.path.exists(key))
        os.rename(key + ".kept", key)
        daemon.start()
        daemon.ruche("vm", "start", "web1", "--wait", "running")
        daemon.ruche("vm", "delete", "web1", "--stop", "--purge", "--yes")


if __name__ == "__main__":
    unittest.main()
