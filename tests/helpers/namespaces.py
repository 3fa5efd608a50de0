"""Two network namespaces joined by a cable of our own, slow or lossy: for what loopback cannot show.

Linux, as root, with `ip`, `tc` and `nft` (iproute2, nftables); elsewhere there is no cable, and a sentence
why. What is made has names of its own and is gone afterwards.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

QUEUE_SECONDS: Final = 0.02
"""What the cable's queue holds at its rate, before it drops: a router that is set up for calls and games."""
NEAR_ADDRESS: Final = "127.203.0.1"
FAR_ADDRESS: Final = "127.203.0.2"
"""Of loopback, which a relay without TLS asks for; inside, the kernel is told that they are elsewhere."""


@dataclass(frozen=True)
class Cable:
    """A cable between two namespaces; each has also a loopback of its own.

    Attributes:
        near, far: commands that run the command behind them in one namespace.
        address: of the near end.
    """

    near: Sequence[str]
    far: Sequence[str]
    address: str = NEAR_ADDRESS


class Unavailable(Exception):
    """No namespaces here; `str()` says why."""


def check_available() -> None:
    """Raises `Unavailable` unless cables can be made here."""
    if os.name != "posix" or os.geteuid() != 0:
        raise Unavailable("making network namespaces takes root")
    for program in ("ip", "tc", "nft", "sysctl"):
        if shutil.which(program) is None:
            raise Unavailable(f"the program {program} is not installed")


@contextmanager
def open_cable(
    *, bits_per_second: float | None = None, loss_percent: int = 0, congestion: str | None = None
) -> Iterator[Cable]:
    """A cable for the time of the block.

    Args:
        bits_per_second: what each direction carries, with a queue of `QUEUE_SECONDS`; None for no limit.
        loss_percent: of the packets that arrive at either end, at random.
        congestion: TCP's congestion control at both ends; by default the machine's.

    Raises:
        Unavailable: there can be none on this machine.
    """
    check_available()
    near, far = (f"adhoc-{os.getpid()}-{end}" for end in ("near", "far"))
    made: list[str] = []
    try:
        for name in (near, far):
            _run("ip", "netns", "add", name)
            made.append(name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
            _run("ip", "-n", name, "address", "delete", "127.0.0.1/8", "dev", "lo")
            _run("ip", "-n", name, "address", "add", "127.0.0.1/32", "dev", "lo")
        _run("ip", "-n", near, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far)
        for name, device, address in ((near, "near", NEAR_ADDRESS), (far, "far", FAR_ADDRESS)):
            _run(*_inside(name), "sysctl", "-qw", f"net.ipv4.conf.{device}.route_localnet=1")
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", device, "scope", "global")
            # Packets as on a real cable: none that the kernel would cut into forty only later.
            _run("ip", "-n", name, "link", "set", device, "up", "gso_max_segs", "1")
            if bits_per_second is not None:
                _slow_down(name, device, bits_per_second)
            if loss_percent:
                _lose(name, device, loss_percent)
            if congestion is not None:
                _run(*_inside(name), "sysctl", "-qw", f"net.ipv4.tcp_congestion_control={congestion}")
        yield Cable(_inside(near), _inside(far))
    finally:
        for name in made:  # the cable goes with its ends
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _inside(name: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", name)


def _slow_down(name: str, device: str, bits_per_second: float) -> None:
    rate = f"{int(bits_per_second)}bit"
    shape = ("rate", rate, "burst", "16kb", "latency", f"{int(QUEUE_SECONDS * 1000)}ms")
    _run("tc", "-n", name, "qdisc", "add", "dev", device, "root", "tbf", *shape)


def _lose(name: str, device: str, percent: int) -> None:
    rule = f'iifname "{device}" numgen random mod 100 < {percent} drop'
    hook = "type filter hook input priority 0;"
    _run(*_inside(name), "nft", f"table inet loss {{ chain arriving {{ {hook} {rule}; }}; }}")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
