"""How far a load run is, one JSON line a second, for whoever watches it."""

import json
from pathlib import Path

import gevent

from harness.load.recorder import Recorder

MAX_LINES = 7200
"""The file stays small however long the run is."""


def follow(path: Path, recorder: Recorder, interval: float = 1.0) -> None:
    """Append a line each `interval` seconds until killed."""
    with path.open("w") as file:
        for second in range(1, MAX_LINES + 1):
            gevent.sleep(interval)
            line = {
                "second": second,
                "planned": recorder.plan.arrivals,
                "sent": recorder.sent,
                "completed": recorder.completed,
                "timed_out": recorder.timed_out,
                "succeeded": recorder.succeeded,
                "dropped": recorder.dropped,
            }
            file.write(json.dumps(line) + "\n")
            file.flush()
