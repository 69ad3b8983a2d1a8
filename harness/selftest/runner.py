"""Running faults side by side: those of different gates share a copy, each gate judged by itself."""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import zip_longest

from harness.errors import GonogoError
from harness.masking import mask
from harness.selftest.fault import Came, Fault, Row
from harness.selftest.lab import Lab
from harness.selftest.table import HEALTHY

Job = tuple[Fault, ...]
_RAISED = re.compile(r"[\w.]+(Error|Exception)\b")


def run_all(
    lab: Lab, faults: Iterable[Fault], *, tell: Callable[[Row], None] = lambda _: None, width: int = 0
) -> list[Row]:
    """Inject every fault; the rows come in the order of the faults, and are told as they end.

    Args:
        lab: where.
        faults: which.
        tell: told about each as it ends.
        width: how many copies are run at once; 0 for as many as there are cores, and two at least.
    """
    wanted = list(faults)
    found = {
        fault.name: Row(fault, "", False, 0.0, why) for fault in wanted if (why := fault.needs(lab.profile))
    }
    for row in found.values():
        tell(row)
    jobs = packed(fault for fault in wanted if fault.name not in found)
    with ThreadPoolExecutor(width or max(2, os.cpu_count() or 2), thread_name_prefix="selftest") as pool:
        for done in as_completed([pool.submit(_run, lab, job) for job in jobs]):
            for row in done.result():
                found[row.fault.name] = row
                tell(row)
    return [found[fault.name] for fault in wanted]


def packed(faults: Iterable[Fault]) -> list[Job]:
    """Which faults are run together: at most one of each gate, and none with one that other gates would see too."""
    alone: list[Job] = []
    of_gates: dict[str, list[Fault]] = {}
    for fault in faults:
        if fault.inject is not None or fault.alone:
            alone.append((fault,))
        else:
            of_gates.setdefault(fault.gate, []).append(fault)
    together = [tuple(fault for fault in group if fault) for group in zip_longest(*of_gates.values())]
    return [*alone, *together]


def _run(lab: Lab, job: Job) -> Sequence[Row]:
    started = time.monotonic()
    try:
        cames = dict(_inject(lab, job))
    except (GonogoError, OSError, ValueError) as error:
        text = error.message if isinstance(error, GonogoError) else f"{type(error).__name__}: {error}"
        text = f"could not be injected: {mask(text)}"
        return [Row(fault, text, False, time.monotonic() - started) for fault in job]
    seconds = time.monotonic() - started
    return [
        Row(fault, in_words(fault, cames[fault.name]), fault.caught(cames[fault.name]), seconds)
        for fault in job
    ]


def _inject(lab: Lab, job: Job) -> Iterator[tuple[str, Came]]:
    (first, *_) = job
    if first.inject is not None:
        yield first.name, first.inject(lab)
        return
    copy = lab.copy(*(fault.gate for fault in job))
    try:
        for fault in job:
            HEALTHY[fault.gate](copy)
        for fault in job:
            if fault.arrange is not None:
                fault.arrange(copy)
        done = copy.gate()
        for fault in job:
            yield fault.name, copy.came(done, gate=fault.gate)
    finally:
        copy.close()


def in_words(fault: Fault, came: Came) -> str:
    """What it came to: the decision and the refusal; where it is not what was expected, also what was said."""
    decision = f"{came.decision}, " if came.decision else ""
    answer = "accepted by verify" if came.answer == "go" else f"refused: {came.answer}"
    if fault.caught(came):
        return f"{decision}{answer}"
    said = _worth_telling(came.told)
    missing = f"; nobody said {fault.said!r}" if fault.said and fault.said not in came.told else ""
    return f"{decision}{answer}{missing}{f' ({said[:160]})' if said else ''}"


def _worth_telling(told: str) -> str:
    """The end of a traceback, or the first line that speaks of an error or a failure, or the first of all."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    if "Traceback (most recent call last):" in lines:
        raised = [line for line in lines if _RAISED.match(line)]
        return raised[-1] if raised else lines[-1]
    return next((line for line in lines if "error" in line or "fail" in line), next(iter(lines), ""))
