"""Whatever an archive holds: a bundle unpacks to what was packed, or is refused, and then nothing is left of it."""

import gzip
import io
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from fuzz_parts import fuzz, spoilt_bytes
from go_parts import go
from harness.errors import GonogoError
from harness.verdict.bundle import open_bundle, pack
from harness.verdict.envelope import payload_of


@cache
def packed() -> bytes:
    with TemporaryDirectory() as folder:
        verdict, output = Path(folder) / "verdict.intoto.json", Path(folder) / "out.tar.gz"
        verdict.write_bytes(go().sealed)
        pack(verdict, output)
        return output.read_bytes()


def _open(raw: bytes, *, also: bool = False) -> None:
    """Open it: refused and nothing left, or exactly the verdict that was packed."""
    with TemporaryDirectory() as folder:
        file, into = Path(folder) / "in.tar.gz", Path(folder) / "deep/er"
        file.write_bytes(raw)
        run: Path | None = None
        said = ""
        try:
            run = open_bundle(file, into)
        except GonogoError as error:
            said = error.message
        assert run or not also, said
        left = {path for path in Path(folder).rglob("*") if not path.is_dir()} - {file}
        if run is not None:
            # Opening holds evidence; signatures are held by whoever knows the keys, that is by verifying.
            assert {payload_of(path.read_bytes()) for path in left} == {payload_of(go().sealed)}
            assert left == {run / "verdict.intoto.json"}
            return
        assert str(file) in said, said
        assert left == set()


def test_it_opens_before_it_is_changed() -> None:
    _open(packed(), also=True)


@fuzz
@given(st.data())
def test_changed_bytes_are_refused(data: st.DataObject) -> None:
    _open(data.draw(spoilt_bytes(packed())))


@fuzz
@given(st.data())
def test_a_changed_archive_is_refused(data: st.DataObject) -> None:
    _open(gzip.compress(data.draw(spoilt_bytes(gzip.decompress(packed()))), 1))


NAMES = (
    "../out",
    "/tmp/out",
    "a/../../out",
    "run/verdict.intoto.json",
    "run/records/x",
    "run",
    ".",
    "",
    "run//x",
    "run/\x00",
)
TYPES = (
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
)


@fuzz
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=12), st.sampled_from(TYPES), st.binary(max_size=30)
        ),
        max_size=4,
    )
)
def test_archives_of_others_are_refused(members: list[tuple[str, bytes, bytes]]) -> None:
    out = io.BytesIO()
    try:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, kind, content in members:
                info = tarfile.TarInfo(name)
                info.type, info.size, info.linkname = kind, len(content), "../../out"
                tar.addfile(info, io.BytesIO(content))
    except (ValueError, OSError):
        return
    _open(out.getvalue())
