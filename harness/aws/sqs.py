"""SQS: queues, their dead letters, and a probe message where writing is allowed."""

from typing import Any, ClassVar

from pydantic import Field

from harness.model import Phase
from harness.profile.schema import Duration, Resource


class SqsQueue(Resource):
    """``[[sqs.queues]]``."""

    fixture: ClassVar[str] = "sqs_queue"

    queue: str
    dead_letter_queue: str = ""
    max_receives: int = Field(default=3, ge=1)
    """Receives after which a message goes to the dead-letter queue."""
    max_dead_letters: int = Field(default=0, ge=0)
    visibility: Duration = 30.0
    probe: bool = False
    """Send, receive and delete a probe message, where the profile allows writing."""

    @property
    def id(self) -> str:
        """The queue's name."""
        return self.queue

    @property
    def fifo(self) -> bool:
        """Whether it is a FIFO queue, which its name must say."""
        return self.queue.endswith(".fifo")

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """Kind, dead letters where it has a queue for them, and the probe where it may be sent."""
        dead = (
            ("sqs.redrives_to_its_dead_letter_queue", "sqs.has_no_dead_letters")
            if self.dead_letter_queue
            else ()
        )
        probe = ("sqs.carries_a_message",) if self.probe and profile.aws.access == "read-write" else ()
        return ("sqs.is_of_its_kind", *dead, *probe)
