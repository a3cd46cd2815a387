"""Hardware virtualization for real: in a machine with an emulated AMD-V, ruched finds KVM usable
and the guest that it starts runs on it."""

import os
import shutil
import subprocess
import unittest

import harness
from harness import Daemon
from outer_machine import OuterImage, OuterMachine, demo_cache, make_package, run_machine

PROGRAMS = ("ruched", "ruche", "jail", "pump", "fetch")

SETTING = r"""
data=/var/lib/trial
export PATH=/run/payload/bin:$PATH RUCHE_SOCKET=/run/ruche.sock
explain() { cat /run/errors; tail -c 4000 /run/ruched.log; dmesg | tail -15; }
"""
SCRIPT = r"""
ruched --data-dir $data --socket $RUCHE_SOCKET --log-file /run/ruched.log \
  > /run/first 2> /run/errors &
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
try vcpu sh -c 'ls -l /proc/$(pidof qemu-system-x86_64)/fd | grep kvm-vcpu'
try speaks ruche vm console inner --no-input --until 'tick [0-9]+' --timeout 600s
# From inside: what the guest's own kernel found.
hypervisor() {
  printf 'dmesg | grep Hypervisor\n' |
    ruche vm console inner --until 'Hypervisor detected: KVM' --timeout 60s > /run/hypervisor
}
try asked until_true 300 hypervisor
try hypervisor cat /run/hypervisor
try stopped ruche vm shutdown inner --timeout 60s
report done ok
"""


@unittest.skipUnless(os.geteuid() == 0, "only root makes the files of a machine")
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
        daemon.stop()
        payload, script = {"bin": programs, **files}, SETTING + place_cache + SCRIPT

        def follow(machine):
            for name in ("started", "kvm", "virtualization", "nested-paging", "cgroups",
                         "accelerator", "vcpu"):
                machine.wait_for(name, 400)
            self.assertIn("Hypervisor detected: KVM", machine.wait_for("hypervisor", 600))
            machine.wait_for("done", 400)

        run_machine(self, lambda: OuterMachine(image, payload, script,
                                               init="/usr/local/sbin/plain-init"), follow)


if __name__ == "__main__":
    unittest.main()
