"""The step between the supervisor's fork and a program, with the kernel's part played."""

import ctypes
import os
from typing import Any

import pytest

from harness.local import launch


class Kernel:
    """Records what would have been done to this process."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.armed: list[int] = []
        self.refuses = refuses

    def prctl(self, option: int, number: int, *_: int) -> int:
        self.armed += [option, number]
        return -1 if self.refuses else 0


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *call: calls.append(call))
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: calls.append((name, value)))
    return calls


def arm(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> Kernel:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: kernel)
    return kernel


def run(parent: int, uid: int) -> None:
    launch.main([str(parent), "9", str(uid), "/bin/true", "an argument"])


def test_it_arms_and_becomes_the_program(monkeypatch: pytest.MonkeyPatch, done: list[Any]) -> None:
    kernel = arm(monkeypatch, Kernel())
    run(os.getppid(), os.getuid())
    assert kernel.armed == [1, 9]
    assert done == [("/bin/true", ["/bin/true", "an argument"])]


def test_it_changes_the_user_before_it_arms(monkeypatch: pytest.MonkeyPatch, done: list[Any]) -> None:
    arm(monkeypatch, Kernel())
    run(os.getppid(), os.getuid() + 7)
    assert done[:3] == [("setgroups", []), ("setgid", os.getuid() + 7), ("setuid", os.getuid() + 7)]


def test_without_its_parent_it_ends(monkeypatch: pytest.MonkeyPatch, done: list[Any]) -> None:
    arm(monkeypatch, Kernel())
    with pytest.raises(SystemExit) as ended:
        run(os.getppid() + 1, os.getuid())
    assert ended.value.code == 0
    assert not done


def test_a_kernel_that_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch, done: list[Any]) -> None:
    arm(monkeypatch, Kernel(refuses=True))
    with pytest.raises(SystemExit) as ended:
        run(os.getppid(), os.getuid())
    assert "prctl" in str(ended.value.code)
    assert not done
