"""RDS: instances and a real login to their database."""

from typing import Any, ClassVar

from pydantic import Field

from harness.model import Phase
from harness.profile.schema import Resource


class RdsInstance(Resource):
    """``[[rds.instances]]``."""

    fixture: ClassVar[str] = "rds_instance"

    identifier: str
    instance_class: str
    multi_az: bool = False
    deletion_protection: bool = False
    encrypted: bool = True
    backup_days: int = Field(default=7, ge=0, le=35)
    engine: str = "postgres"
    database: str = ""
    secret: str = ""
    """The Secrets Manager secret that holds username, password, host, port and dbname; empty: no login is tried."""

    @property
    def id(self) -> str:
        """The instance's identifier."""
        return self.identifier

    def mandatory(self, profile: Any, phase: Phase) -> tuple[str, ...]:  # noqa: ANN401, ARG002
        """State and settings; and a login where a secret is named."""
        login = ("rds.accepts_a_login",) if self.secret else ()
        return ("rds.is_available", "rds.is_configured_as_declared", *login)
