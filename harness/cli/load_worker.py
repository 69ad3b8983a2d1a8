"""``gonogo load-worker``: this machine sends a part of another machine's load."""

import signal
import sys
from typing import Annotated

import typer

from harness.errors import UsageError
from harness.threshold import parse_duration


def load_worker(
    address: Annotated[
        str, typer.Argument(help="Where the gate listens, as HOST:PORT; it prints this command.")
    ],
    at_most: Annotated[str, typer.Option(help="End after this time, whatever happens.")] = "1h",
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Worker processes here; each counts as one.")
    ] = 1,
    once: Annotated[
        bool, typer.Option("--once", help="End after one scenario instead of waiting for the next.")
    ] = False,
) -> None:
    """Send a share of the load of a gate that waits for workers (`workers = "external"`).

    Both sides need the same secret in GONOGO_LOAD_TOKEN. Header variables of the scenario are read here, from this
    environment: they never travel.
    """
    from harness.load.workers import serve

    seconds = parse_duration(at_most)
    if seconds <= 0:
        raise UsageError("--at-most 0s leaves no time for a run", hint="give it as 30m or 1h")
    # Told to end, it takes its generator along, as on Ctrl-C: nothing goes on sending load unseen.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"gonogo: worker for {address}, for at most {at_most}", file=sys.stderr)  # noqa: T201
    runs = serve(address, at_most=seconds, processes=processes, once=once)
    print(f"gonogo: took part in {runs} whole run{'' if runs == 1 else 's'}", file=sys.stderr)  # noqa: T201
