"""``python -m apps.worker [QUEUE …]``: works on the named queues, or on all, until it is told to stop (SIGTERM)."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from threading import Event, Thread

from apps.config import Names, client, database, names, parameter
from apps.domains import STEPS
from apps.messaging import SqsInbox
from apps.postgres import PostgresStore
from apps.worker.worker import ROUTE53, Act, HostedZone, Note, Worker, log
from apps.zones import Route53Zones

_AGAIN = 2.0
"""Seconds before a queue that does not answer is asked again."""


def main(queues: list[str]) -> int:
    """Read the queues, each in a thread, until SIGTERM; 1 where one of them could not go on."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    if unknown := set(queues) - set(STEPS):
        log.error("no such queue: %s; there are %s", ", ".join(sorted(unknown)), ", ".join(STEPS))
        return 2
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    known = names(os.environ)
    chosen = queues or list(STEPS)
    store = PostgresStore(database(client("secretsmanager"), known.database_secret), connections=len(chosen))
    store.create()
    failed: list[str] = []
    ssm, sqs = client("ssm"), client("sqs")

    def begin(queue: str) -> Worker:
        inbox = SqsInbox(sqs, parameter(ssm, known.queue_parameter(queue)), wait=2)
        return Worker(inbox, store, queue, _act(queue, known), pause=lambda: bool(stop.wait(1)))

    def run(queue: str) -> None:
        try:
            work(queue, lambda: begin(queue), stop)
        except Exception:
            log.exception("%s: cannot go on", queue)
            failed.append(queue)
            stop.set()

    threads = [Thread(target=run, args=(queue,), name=queue) for queue in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if failed else 0


def work(queue: str, begin: Callable[[], Worker], stop: Event) -> None:
    """Read one queue until `stop`; while it does not answer, or does not exist yet, it is asked again."""
    from botocore.exceptions import BotoCoreError, ClientError

    worker: Worker | None = None
    while not stop.is_set():
        try:
            if worker is None:
                worker = begin()
                log.info("%s: reading", queue)
            worker.step()
        except (BotoCoreError, ClientError) as error:
            log.warning("%s: the queue does not answer: %s", queue, error)
            stop.wait(_AGAIN)


def _act(queue: str, known: Names) -> Act:
    return (
        HostedZone(Route53Zones(partial(client, "route53"), known.environment))
        if queue == ROUTE53
        else Note()
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
