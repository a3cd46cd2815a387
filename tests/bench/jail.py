#!/usr/bin/python3
"""What the jail costs: a program that does nothing, alone and behind the options that a guest's QEMU
gets (user, limits, Landlock, descriptors), in turn. Usage: jail.py [RUNS]."""

import os
import statistics
import subprocess
import sys
import time

BUILD = os.environ.get("RUCHE_BUILD") or os.path.join(os.path.dirname(__file__), "../../build/release")
USER = "1879048192"  # the first that guests get
PROGRAM = "/usr/bin/true"
READ = ["/usr/lib", "/usr/share", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom"]


def jailed():
    line = [os.path.join(BUILD, "bin/jail"), "--limit", "core=0", "--user", USER, "--group", USER,
            "--landlock"]
    for path in READ:
        line += ["--read", path]
    for path in (PROGRAM, "/lib64/ld-linux-x86-64.so.2"):
        line += ["--execute", path]
    return line + ["--write", "/dev/null", "--keep", "3", "--directory", "/", "--", PROGRAM]


def milliseconds(line):
    begin = time.monotonic()
    subprocess.run(line, check=True, pass_fds=[3])
    return (time.monotonic() - begin) * 1000


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    os.dup2(os.open("/dev/null", os.O_RDONLY), 3)
    alone, behind = [], []
    for _ in range(runs):
        alone.append(milliseconds([PROGRAM]))
        behind.append(milliseconds(jailed()))
    first, second = statistics.median(alone), statistics.median(behind)
    print(f"a program that does nothing, alone, median of {runs}: {first:.2f} ms")
    print(f"the same behind the jail: {second:.2f} ms, {second - first:.2f} ms more")


if __name__ == "__main__":
    main()
