"""Run as ``python -I -S launch.py PARENT SIGNAL UID PROGRAM ARGUMENT…``: become the program, and die with the parent.

The kernel's parent-death signal must be armed after any change of user and in the process itself, so this small
step stands between the supervisor's fork and the program. Standard library only, imported by nobody.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Arm, check that the parent still is the parent, and exec."""
    parent, signal, uid = (int(argument) for argument in arguments[:3])
    if uid != os.getuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        sys.exit(0)
    program = arguments[3:]
    os.execv(program[0], program)  # noqa: S606 - this is the point


if __name__ == "__main__":
    main(sys.argv[1:])
