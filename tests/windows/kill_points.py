"""What tests put at the end of some modules of the host: it ends a process before a step of its removal.

``C:/customer/stop`` says which: ``ROLE STEP NUMBER HOW``. ``remover delete 3 kill`` is the remover, before
it deletes by handle for the third time. With ``hang`` it waits there until that file is gone. That it came so
far is in ``C:/customer/stopped``; a process that begins after that goes on undisturbed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path("C:\\customer")
ROLE = sys.argv[1] if len(sys.argv) > 1 else ""


class Steps:
    """Counts the steps of this process."""

    def __init__(self) -> None:
        self.step, self.left, self.how = "", 0, ""
        if (HERE / "stop").exists() and not (HERE / "stopped").exists():
            role, step, number, how = (HERE / "stop").read_text().split()
            if role == ROLE:
                self.step, self.left, self.how = step, int(number), how

    def reach(self, step: str) -> None:
        """A step is about to be done."""
        if step != self.step:
            return
        self.left -= 1
        if self.left == 0:
            (HERE / "stopped").write_text(f"{ROLE} {step}")
            if self.how == "hang":
                while (HERE / "stop").exists():
                    time.sleep(0.1)
                return
            os.kill(os.getpid(), 9)


STEPS = Steps()


def watched(step: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """`real`, which is a step."""

    def call(*arguments: Any, **named: Any) -> Any:
        STEPS.reach(step)
        return real(*arguments, **named)

    return call


os.replace = watched("replace", os.replace)
subprocess.Popen.__init__ = watched("start", subprocess.Popen.__init__)  # type: ignore[method-assign]
