"""Machines on one machine: network namespaces with a link between each and this process, and a rate for each direction.

It needs Linux, root, and the programs ip, tc, unshare and nsenter. This process moves into a namespace of its own first
(`enter_own`), so nothing of the machine's real network is touched, and all of it is gone when the processes end.
Rates are token buckets of the kernel (tc tbf) at both ends of a link. A delay needs netem, which not every kernel has:
`benchmarks.relay` does that.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = ("ip", "tc", "unshare", "nsenter")
INSIDE = "GANNS_BENCHMARK_NAMESPACE"
CLONE_NEWNET = 0x40000000


def why_not() -> str | None:
    """Return the reason why there are no namespaces here; None if there are."""
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found: apt-get install iproute2 util-linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    trial = "ip link add name trial0 type veth peer name trial1 && tc qdisc add dev trial0 root "
    trial += "tbf rate 1mbit burst 32kb latency 50ms"
    done = subprocess.run(["unshare", "--net", "sh", "-c", trial], capture_output=True, text=True)
    return None if done.returncode == 0 else f"the kernel refuses them: {' '.join(done.stderr.split())[:200]}"


def enter_own(module: str) -> None:
    """Start this program, `python -m module`, again in a network namespace of its own, unless it is in one."""
    if os.environ.get(INSIDE) != "1":
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", module, *sys.argv[1:]])
    _run("ip", "link", "set", "lo", "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this namespace: the machines reach each other through it


class Machine:
    """One namespace and its link. `host` is our end's address, `address` the machine's, `device` its end's name."""

    def __init__(self, number: int) -> None:
        """Make it, without a limit."""
        self._end, self.device = f"to{number}", f"link{number}"
        self.host, self.address = f"10.77.{number}.1", f"10.77.{number}.2"
        # A namespace lives as long as a process in it. `cat` ends with this one, however this one ends.
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
        self.namespace = f"/proc/{self._holder.pid}/ns/net"
        while os.readlink(self.namespace) == os.readlink("/proc/self/ns/net"):  # it has not moved yet
            os.sched_yield()
        peer = ["peer", "name", self.device, "netns", str(self._holder.pid)]
        _run("ip", "link", "add", self._end, "type", "veth", *peer)
        _run("ip", "address", "add", f"{self.host}/30", "dev", self._end)
        _run("ip", "link", "set", self._end, "up")
        for command in (
            "ip link set lo up",
            f"ip address add {self.address}/30 dev {self.device}",
            f"ip link set {self.device} up",
            f"ip route add default via {self.host}",
        ):
            _run(*self.inside(command.split()))

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` on this machine."""
        return ["nsenter", f"--net={self.namespace}", *command]

    def limit(self, up_mbit: float, down_mbit: float) -> None:
        """Limit the rates of the link."""
        # A queue of 200 ms, as a modem has; the burst must hold the largest packet that the kernel makes.
        for dev, rate, where in ((self._end, down_mbit, list), (self.device, up_mbit, self.inside)):
            options = f"tc qdisc replace dev {dev} root tbf rate {rate}mbit burst 64kb latency 200ms"
            _run(*where(options.split()))

    def moved(self) -> tuple[int, int]:
        """Return the bytes that went up and down so far, with all headers."""
        for line in Path("/proc/net/dev").read_text().splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == self._end:
                found = numbers.split()
                return int(found[0]), int(found[8])  # received here is up
        raise RuntimeError(f"no device {self._end}")

    def close(self) -> None:
        """End it; the link goes with it."""
        self._holder.kill()
        self._holder.communicate()


def enter(namespace: str) -> None:
    """Move this thread, and those that it starts, into a namespace.

    Raises:
        OSError: if the system refuses it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
