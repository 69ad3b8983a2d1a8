"""HTML from Python: whatever is not known to be HTML is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from harness.report.text import clean


class Html(str):
    """Text that is HTML already; only this module makes any."""

    __slots__ = ()


def el(tag: str, *children: str | Html, **attributes: str | None) -> Html:
    """An element. Children and attributes are escaped unless they are `Html`; an attribute of ``None`` is left out.

    A trailing underscore frees names that Python keeps (``class_``).
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(clean(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def join(parts: Iterable[str | Html]) -> Html:
    """The parts, one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(clean(part)) for part in parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str | Html]], *, numbers: Sequence[int] = ()) -> Html:
    """A table whose rows begin with their heading; `numbers` are the columns that hold figures."""

    def kind(index: int) -> str | None:
        return "num" if index in numbers else None

    heads = el("tr", *(el("th", text, scope="col", class_=kind(index)) for index, text in enumerate(head)))
    body = [
        el(
            "tr",
            el("th", row[0], scope="row"),
            *(el("td", cell, class_=kind(index)) for index, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    # Focusable, so that a keyboard can scroll what does not fit.
    return el("div", el("table", el("thead", heads), el("tbody", *body)), class_="scroll", tabindex="0")
