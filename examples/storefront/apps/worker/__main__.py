"""``python -m apps.worker``: works until it is told to stop (SIGTERM)."""

import logging
import os
import signal
from threading import Event

from botocore.exceptions import BotoCoreError, ClientError

from apps.config import client, database, names, parameter
from apps.messaging import SqsInbox
from apps.postgres import PostgresStore
from apps.worker.worker import QUEUE, Worker, log


def main() -> None:
    """Read the queue until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    known = names(os.environ)
    ssm = client("ssm")
    store = PostgresStore(database(client("secretsmanager"), known.database_secret), connections=1)
    store.create()
    inbox = SqsInbox(client("sqs"), parameter(ssm, known.queue_parameter(QUEUE)), wait=2)
    worker = Worker(inbox, store, pause=lambda: bool(stop.wait(1)))
    log.info("reading %s", QUEUE)
    while not stop.is_set():
        try:
            worker.step()
        except (BotoCoreError, ClientError) as error:
            log.warning("the queue does not answer: %s", error)
            stop.wait(1)


if __name__ == "__main__":
    main()
