"""Run as ``python -m harness.local.emulator FD``: ministack on a socket that the supervisor bound.

A socket that is handed over leaves no moment in which someone else takes its port.
"""

import asyncio
import sys


def main(descriptor: int) -> None:
    """Serve until told to stop."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.2
    config.accesslog = None
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main(int(sys.argv[1]))
