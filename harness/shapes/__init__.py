"""Closed shapes: what may stand where in a profile, a verdict or a record, declared as annotated classes and held strictly.

A class of `Shape` declares its keys as a dataclass does, with pydantic's words (`Field`, ``Annotated``,
`model_validator`); reading refuses an unknown key, a missing one, another type and what is out of bounds, all of them
at once. Why it is not pydantic: a deploy step verifies a verdict in a fraction of the time that importing pydantic and
building its validators takes. Tests hold this package against pydantic, shape by shape.
"""

from harness.shapes.errors import ValidationError, Wrong
from harness.shapes.field import (
    AfterValidator,
    Field,
    Key,
    Later,
    Mark,
    field_validator,
    model_validator,
    origin,
)
from harness.shapes.reading import plain
from harness.shapes.shape import Shape, keys_of

__all__ = [
    "AfterValidator",
    "Field",
    "Key",
    "Later",
    "Mark",
    "Shape",
    "ValidationError",
    "Wrong",
    "field_validator",
    "keys_of",
    "model_validator",
    "origin",
    "plain",
]
