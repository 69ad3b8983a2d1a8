"""Our shapes against pydantic's models of the same declarations: what is accepted, as what, and what is said of the rest."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Literal

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import shapes
from harness.frozen import dataclass
from harness.shapes import AfterValidator, Field, Shape, ValidationError, field_validator, model_validator

quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


def even(number: int) -> int:
    if number % 2:
        msg = f"{number} is odd"
        raise ValueError(msg)
    return number


class Inner(Shape):
    name: str
    size: int = Field(default=1, ge=1)


class TheirInner(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    name: str
    size: int = pydantic.Field(default=1, ge=1)


@dataclass(frozen=True)
class Point:
    x: int
    label: str = ""
    parts: tuple[float, ...] = ()


def declared(lib: Any, after: Any, inner: Any) -> dict[str, Any]:
    """Annotated types, with the words of either library."""
    field = lib.Field
    return {
        "text": str,
        "whole": int,
        "number": float,
        "truth": bool,
        "anything": Any,
        "pattern": Annotated[str, field(pattern=r"^[a-z0-9][a-z0-9-]*$")],
        "pattern within": Annotated[str, field(pattern=r"b+")],
        "pattern or": Annotated[str, field(pattern=r"^$|^\d{2}$")],
        "length": Annotated[str, field(min_length=2, max_length=3)],
        "bounds": Annotated[int, field(ge=1, le=3)],
        "open bounds": Annotated[float, field(gt=0, lt=1)],
        "texts": list[str],
        "some": Annotated[list[int], field(min_length=1, max_length=2)],
        "bounded each": list[Annotated[int, field(ge=0)]],
        "table": dict[str, str],
        "full table": Annotated[dict[str, str], field(min_length=1)],
        "table of all": dict[str, Any],
        "table of known": dict[Literal["a", "b"], Annotated[int, field(ge=0)]],
        "option": Literal["on", "off"],
        "one option": Literal["on"],
        "perhaps": int | None,
        "perhaps bounded": Annotated[int | None, field(ge=2)],
        "judged": Annotated[int, after(even)],
        "inner": inner,
        "inners": list[inner],
        "perhaps inner": inner | None,
    }


UNIONS = {
    "scalars": str | int | bool,
    "status": int | list[int],
    "retention": Annotated[int, AfterValidator(even)] | Literal["never"] | None,
}
OURS = declared(shapes, AfterValidator, Inner)
THEIRS = declared(pydantic, pydantic.AfterValidator, TheirInner)

plain = (
    st.none()
    | st.booleans()
    | st.integers(-3, 4)
    | st.floats()
    | st.sampled_from(["", "a", "on", "red", "12", "b-1", "xbbx", "a\n", "Ä", "never"])
)
trees = st.recursive(
    plain,
    lambda kids: (
        st.lists(kids, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "name", "size", "x"]), kids, max_size=3)
    ),
    max_leaves=6,
)


def ours(hint: Any, value: Any) -> Any:
    kind: Any = type("Holder", (Shape,), {"__annotations__": {"key": hint}})
    try:
        return ("read", plainly(kind.model_validate({"key": value}, strict=True).key))
    except ValidationError as error:
        return ("wrong", {each.path: each.text.lower() for each in error.wrong})


def theirs(hint: Any, value: Any) -> Any:
    config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)
    kind = pydantic.create_model("Holder", __config__=config, key=(hint, ...))
    try:
        return ("read", plainly(kind.model_validate({"key": value}, strict=True).key))  # type: ignore[attr-defined]
    except pydantic.ValidationError as error:
        return (
            "wrong",
            {
                tuple(part for part in each["loc"] if part != "[key]"): re.sub(
                    "^value error, ", "", each["msg"].lower()
                )
                for each in error.errors()
            },
        )


def plainly(value: Any) -> Any:
    """Values of either library as one; a type is part of what was read."""
    if isinstance(value, Inner | TheirInner):
        return {"name": value.name, "size": value.size}
    if isinstance(value, list):
        return [plainly(item) for item in value]
    if isinstance(value, dict):
        return {key: plainly(item) for key, item in value.items()}
    return (type(value).__name__, repr(value))


@pytest.mark.parametrize("name", OURS)
def test_the_same_is_read_and_the_same_is_said(name: str) -> None:
    @quick
    @given(trees)
    def prop(value: Any) -> None:
        mine, other = ours(OURS[name], value), theirs(THEIRS[name], value)
        if other[0] == "wrong":
            other = ("wrong", {path: text.replace("theirinner", "inner") for path, text in other[1].items()})
        if (
            name == "some" and mine[0] == "wrong"
        ):  # pydantic does not look at the items of a list that is too long
            assert other[0] == "wrong"
        else:
            assert mine == other

    prop()


@pytest.mark.parametrize("name", UNIONS)
def test_of_several_types_the_same_is_read(name: str) -> None:
    hint = UNIONS[name]
    other = (
        hint
        if name != "retention"
        else Annotated[int, pydantic.AfterValidator(even)] | Literal["never"] | None
    )

    @quick
    @given(trees)
    def prop(value: Any) -> None:
        mine, their = ours(hint, value), theirs(other, value)
        assert mine[0] == their[0], value
        assert mine == their or mine[0] == "wrong"

    prop()


# --- Records in JSON ---------------------------------------------------------------------------------------------

RECORDS: dict[str, Any] = {
    "enum": Colour,
    "time": datetime | None,
    "exact": Fraction | None,
    "tuple": tuple[str, ...],
    "pairs": tuple[tuple[str, str], ...],
    "by enum": Mapping[Colour, tuple[str, ...]],
    "counts": Mapping[str, int],
    "indexed": Mapping[int, int],
    "point": Point,
    "points": tuple[Point, ...],
    "by name": Mapping[str, Point],
    "not proven": Literal[False],
    "time, not naive": datetime,
}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 4)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [
            *("", "red", "blue", "green", "19/20", "-3", "1/0", "1e5", "x", "1", "2026-11-02T12:00:00Z"),
            *(
                "2026-11-02T12:00:00.500000Z",
                "2026-11-02T12:00:00+02:00",
                "2026-11-02",
                "2026-13-02T12:00:00Z",
            ),
        ]
    ),
    lambda kids: (
        st.lists(kids, max_size=3)
        | st.dictionaries(st.sampled_from(["red", "x", "label", "parts", "1", "y"]), kids, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read_and_written_as_pydantic_does(name: str) -> None:
    hint: Any = RECORDS[name]
    config = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    adapter = pydantic.TypeAdapter(list[hint], config=config)
    kind: Any = type("Holder", (Shape,), {"__annotations__": {"key": hint}})

    @quick
    @given(json_values)
    def prop(value: Any) -> None:
        codes: set[str] = set()
        try:
            mine = kind.model_validate({"key": value}, strict=True)
        except ValidationError as error:
            mine, codes = None, {each.code for each in error.wrong}
        try:
            (their,) = adapter.validate_json(json.dumps([value]))
        except pydantic.ValidationError:
            assert mine is None, value
            return
        if mine is None:  # of the ways to write an exact number or a time, we take one
            assert codes <= {"fraction_type", "datetime_type"} or value == 0, value  # 0 is no False, either
            return
        assert mine.key == their
        assert isinstance(mine.key, datetime) or repr(mine.key) == repr(their)
        assert json.dumps(mine.model_dump()["key"]) == json.dumps(
            adapter.dump_python([their], mode="json")[0]
        )

    prop()


# --- What pydantic has no part in ----------------------------------------------------------------------------------


class Whole(Shape):
    """A shape with everything."""

    low: int = 0
    high: int = 9
    names: list[str] = Field(default_factory=list)
    written: str = Field(default="", alias="as-written")
    inner: Inner = Inner(name="i")

    @field_validator("low", "high")
    @classmethod
    def _small(cls, value: int) -> int:
        if value > 99:
            msg = f"{value} is too much"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "Whole":
        if self.low > self.high:
            msg = "low is above high"
            raise ValueError(msg)
        return self


class Wider(Whole):
    low: Literal[3] = 3
    more: str

    @model_validator(mode="after")
    def _in_order(self) -> "Wider":
        return self


def wrong(kind: type[Shape], values: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(values, strict=True)
    return [(each.path, each.code) for each in caught.value.wrong]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = wrong(Whole, {"low": "1", "hihg": 2, "names": ["a", 1, 2], "inner": {"size": 0}})
    assert found == [
        (("low",), "int_type"),
        (("hihg",), "extra_forbidden"),
        (("names", 1), "string_type"),
        (("names", 2), "string_type"),
        (("inner", "size"), "greater_than_equal"),
        (("inner", "name"), "missing"),
    ]
    assert wrong(Whole, {"low": 5, "high": 4}) == [((), "value_error")]
    assert wrong(Whole, {"low": 100}) == [(("low",), "value_error")]
    assert wrong(Whole, []) == [((), "model_type")]
    assert wrong(Whole, {"written": "x"}) == [(("written",), "extra_forbidden")]


def test_an_error_says_where_and_what() -> None:
    with pytest.raises(ValidationError, match=r"^inner\.size: Input should be greater than or equal to 1$"):
        Whole.model_validate({"inner": {"name": "x", "size": 0}})
    with pytest.raises(ValidationError, match=r"^low is above high$"):
        Whole(low=10)


def test_a_subclass_adds_keys_and_takes_validators_back() -> None:
    assert Wider(more="x", high=1).low == 3
    assert [name for name, _ in Wider(more="x")] == ["low", "high", "names", "written", "inner", "more"]
    assert wrong(Wider, {"low": 4, "more": "x"}) == [(("low",), "literal_error")]


def test_equal_content_is_equal_and_nothing_can_be_changed() -> None:
    one = Inner(name="a")
    assert one == Inner(name="a", size=1)
    assert hash(one) == hash(Inner(name="a", size=1))
    assert one != Inner(name="b")
    assert one != {"name": "a", "size": 1}
    assert one.model_fields_set == {"name"}
    assert repr(one) == "Inner(name='a', size=1)"
    with pytest.raises(AttributeError, match="frozen"):
        one.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del one.name
    assert Whole().names is not Whole().names


def test_copies_and_dumps_know_what_was_given() -> None:
    made = Whole.model_validate({"as-written": "w", "inner": {"name": "n"}})
    assert made.model_dump(exclude_unset=True) == {"as-written": "w", "inner": {"name": "n"}}
    assert made.model_dump()["inner"] == {"name": "n", "size": 1}
    assert made.model_copy(update={"low": 3}).model_fields_set == {"written", "inner", "low"}
    assert Whole.model_validate(made) is made
    assert Whole.model_construct(low=4) == Whole(low=4)


def test_only_the_very_end_is_the_end() -> None:
    """Python's ``$`` would let a line feed follow; JSON Schema's does not."""
    kind: Any = type(
        "Holder", (Shape,), {"__annotations__": {"key": Annotated[str, Field(pattern=r"^[$a]\$$")]}}
    )
    assert kind.model_validate({"key": "$$"})
    assert wrong(kind, {"key": "a$\n"}) == [(("key",), "string_pattern_mismatch")]


def test_a_field_of_pydantic_is_told_from_ours() -> None:
    kind: Any = type("Mixed", (Shape,), {"__annotations__": {"key": int}, "key": pydantic.Field(ge=1)})
    with pytest.raises(TypeError, match=r"take Field from harness\.shapes"):
        kind.model_validate({"key": 1})


def test_what_no_shape_can_hold_is_told_when_it_is_met() -> None:
    kind: Any = type("Odd", (Shape,), {"__annotations__": {"key": complex}})
    with pytest.raises(TypeError, match="no shape can hold"):
        kind.model_validate({"key": 1})
