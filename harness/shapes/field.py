"""How the keys of a shape are declared: defaults, bounds, marks, validators."""

from collections.abc import Callable
from typing import Any, TypeVar, get_origin

from harness.frozen import dataclass

MISSING: Any = object()
F = TypeVar("F")


def origin(hint: Any) -> Any:  # noqa: ANN401 - an annotated type
    """`typing.get_origin`, at once for a plain class: most annotations are one."""
    return None if type(hint) is type else get_origin(hint)


class Mark:
    """Stands in ``Annotated``. What it says about a key is up to whoever looks for it; one with `meaning` changes values."""

    plain = True
    """Whether the meaning is still of the annotated type; else it is taken as an instance of it, and written by `text`."""

    def meaning(self, value: Any, *, strict: bool) -> Any:  # noqa: ANN401, ARG002 - any value of a file
        """What a value means before its type is looked at; `strict` says that it comes from a file.

        Raises:
            ValueError: it means nothing.
        """
        return value

    def text(self, value: Any) -> Any:  # noqa: ANN401
        """The inverse."""
        return value

    def schema(self) -> dict[str, Any]:
        """What a JSON Schema says of the written form, where that is not the annotated type's; or nothing."""
        return {}


class Later:
    """Stands for a class that is imported when it is first needed."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load


class AfterValidator(Mark):
    """``AfterValidator(function)``: what the function gives takes the value's place; its `ValueError` refuses it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class Limits(Mark):
    """What `Field` was given. Bounds hold for numbers, lengths and the pattern for what has them."""

    __slots__ = (
        "alias", "default", "description", "factory", "fits", "ge", "gt", "le", "lt", "max_length", "min_length", "pattern",
    )  # fmt: skip

    def __init__(self, default: Any, factory: Callable[[], Any] | None, alias: str, description: str) -> None:  # noqa: ANN401
        self.default = default
        self.factory = factory
        self.alias = alias
        self.description = description
        self.ge: float | None = None
        self.gt: float | None = None
        self.le: float | None = None
        self.lt: float | None = None
        self.min_length: int | None = None
        self.max_length: int | None = None
        self.pattern: str | None = None
        self.fits = ""


def Field(  # noqa: N802 - the word that the field knows
    default: Any = MISSING,  # noqa: ANN401
    *,
    default_factory: Callable[[], Any] | None = None,
    alias: str = "",
    description: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    pattern: str | None = None,
    fits: str = "",
) -> Any:  # noqa: ANN401 - stands where the default stands
    """A key's default (none: it must be set), the name it is written with, and its bounds.

    The pattern is searched for, as in JSON Schema; in it ``$`` is the very end. `fits` says it to people: ``must be {fits}``.
    """
    limits = Limits(default, default_factory, alias, description)
    limits.ge, limits.gt, limits.le, limits.lt = ge, gt, le, lt
    limits.min_length, limits.max_length, limits.pattern = min_length, max_length, pattern
    limits.fits = fits
    return limits


@dataclass(frozen=True)
class Key:
    """One key of a shape: `name` is the attribute, `written` what stands in a file, `hint` the annotated type."""

    name: str
    written: str
    hint: Any
    marks: tuple[Any, ...]
    default: Any
    factory: Callable[[], Any] | None
    description: str

    @property
    def required(self) -> bool:
        """Whether it must be set."""
        return self.default is MISSING and self.factory is None

    def value(self) -> Any:  # noqa: ANN401
        """Its default, a fresh one each time where it could be changed."""
        return self.factory() if self.factory is not None else self.default


def field_validator(name: str, *more: str) -> Callable[[F], F]:
    """Marks a class method that judges the values of these keys and gives what takes their place; stands above
    ``@classmethod``."""

    def marked(method: F) -> F:
        function: Any = getattr(method, "__func__", method)
        function.judges = (name, *more)
        return method

    return marked


def model_validator(*, mode: str) -> Callable[[F], F]:
    """Marks a method that judges the whole, once each key is right, and returns it."""
    if mode != "after":
        msg = f"only 'after', not {mode!r}"
        raise TypeError(msg)

    def marked(method: F) -> F:
        method.judges_whole = True  # type: ignore[attr-defined]
        return method

    return marked
