"""Hardware virtualization for real: in a machine with an emulated AMD-V, ruched finds KVM usable and
the guest that it starts runs on it."""

import os
import shutil
import subprocess
import unittest

import harness
from harness import Daemon
from outer_machine import OuterImage, OuterMachine, demo_cache, make_package

PROGRAMS = ("ruched", "ruche", "jail", "pump", "fetch")

SETTING = r"""
data=/var/lib/trial
export PATH=/run/payload/bin:$PATH RUCHE_SOCKET=/run/ruche.sock
"""
SCRIPT = r"""
ruched --data-dir $data --socket $RUCHE_SOCKET --log-file /run/ruched.log > /run/first 2>/run/errors &
try started until_true 120 ruche host show
ruche host check > /run/check; check=$?
report check-exit $([ $check = 0 ] && echo ok || echo failed) "$check $(cat /run/check)"
try kvm grep -E '^ok +kvm ' /run/check
try virtualization grep -E '^ok +virtualization +AMD-V' /run/check
try nested-paging grep -E '^ok +nested-paging +NPT' /run/check
try cgroups grep -E '^ok +cgroups +version 2' /run/check
try image ruche image build demo
try created ruche vm create inner --image demo --cpus 1 --memory 256MiB --start --wait running
try accelerator sh -c "ruche vm show inner -o json | grep '\"accelerator\": \"kvm\"'"
hypervisor() {
  printf 'dmesg | grep Hypervisor\n' |
    ruche vm console inner --until 'Hypervisor detected: KVM' --timeout 20s
}
try speaks ruche vm console inner --no-input --until 'tick [0-9]+' --timeout 300s
try hypervisor until_true 60 hypervisor
try stopped ruche vm shutdown inner --timeout 60s
report done ok
"""


class NestedKvm(unittest.TestCase):
    def test_a_guest_runs_on_hardware_virtualization(self):
        daemon = Daemon().start()
        self.addCleanup(daemon.clean_up)
        files, place_cache = demo_cache(daemon)
        _, dependencies = make_package(daemon.directory)
        programs = os.path.join(daemon.directory, "programs")
        os.mkdir(programs)
        for program in PROGRAMS:
            shutil.copy(os.path.join(harness.BIN, program), programs)
            subprocess.run(["strip", os.path.join(programs, program)], check=True)
        image = OuterImage(dependencies).ensure()
        machine = OuterMachine(image, {"bin": programs, **files},
                               SETTING + place_cache + SCRIPT, init="/usr/local/sbin/plain-init")
        self.addCleanup(machine.clean_up)
        machine.start()
        daemon.stop()
        machine.wait_for("started", 300)
        for name in ("kvm", "virtualization", "nested-paging", "cgroups", "accelerator"):
            machine.wait_for(name, 300)
        self.assertIn("Hypervisor detected: KVM", machine.wait_for("hypervisor", 600))
        machine.wait_for("done", 300)


if __name__ == "__main__":
    unittest.main()
