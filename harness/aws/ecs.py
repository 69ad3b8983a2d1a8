"""ECS: services, their rollouts and tasks."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from harness.model import Phase
from harness.profile.schema import IMAGE, Resource


class EcsService(Resource):
    """``[[ecs.services]]``."""

    fixture: ClassVar[str] = "ecs_service"

    cluster: str
    service: str
    image: Annotated[str, IMAGE] = ""
    """The image (a key of ``[app] images``) that its tasks run."""
    min_tasks: int = Field(default=1, ge=1)
    log_group: str = ""
    """Where its tasks log, for a diagnosis."""

    @property
    def id(self) -> str:
        """The service's name."""
        return self.service

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """State, counts, rollout; and the running digest where the image is ours."""
        digest = ("ecs.running_digest",) if self.image else ()
        return ("ecs.is_active", "ecs.running_count", "ecs.rollout_is_complete", *digest)
