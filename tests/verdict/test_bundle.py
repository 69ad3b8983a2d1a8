"""Bundles: the same bytes of the same files, and nothing unpacked that a verdict does not name."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from byte_flips import changes
from harness.errors import ExitCode, GonogoError, UsageError, VerdictError
from harness.verdict import bundle
from harness.verdict.bundle import open_bundle, opened, pack
from harness.verdict.envelope import PAYLOAD_TYPE, seal
from harness.verdict.on_file import is_bundle
from harness.verdict.refusal import Refusal
from harness.verdict.statement import parse
from harness.verdict.store import FILE, StoreError, write_atomic
from release_parts import EVIDENCE, Releases
from signing_parts import Signer

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.chdir(tmp_path)
    made = Releases(tmp_path)
    made.write_profile()
    return made


@pytest.fixture
def packed(releases: Releases, tmp_path: Path) -> Path:
    run = releases.run()
    return pack(releases.newest(), tmp_path / f"{run}.tar.gz").path


def approve(releases: Releases, run: str, about: str = "") -> Path:
    """A record as bundles see them: an envelope of a statement about the verdict."""
    digest = about or parse((releases.folder(run) / FILE).read_bytes()).sha256
    payload = b'{"subject":[{"digest":{"sha256":"%s"},"name":"x"}]}\n' % digest.encode()
    path = releases.folder(run) / "records" / "approval-1.intoto.json"
    write_atomic(path, seal(payload, PAYLOAD_TYPE, [Signer.make("alice")]))
    return path


def refused(file: Path, into: Path, *, code: Refusal = Refusal.BUNDLE) -> str:
    """That opening is refused, with nothing left."""
    with pytest.raises(VerdictError) as caught:
        open_bundle(file, into)
    assert caught.value.code == code
    assert caught.value.exit_code is ExitCode.UNUSABLE
    assert not list(into.iterdir())
    return caught.value.message


def members(file: Path) -> Members:
    with tarfile.open(file) as archive:
        found = []
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            found.append((member, content.read()))
        return found


def rewrite(file: Path, change: Callable[[Members], Members], form: int = tarfile.USTAR_FORMAT) -> None:
    """The archive again with other members, sorted as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member, content in change(members(file)):
            archive.addfile(member, io.BytesIO(content))
    file.write_bytes(gzip.compress(out.getvalue(), mtime=0))


def plain(name: str, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def test_what_is_packed_is_opened(releases: Releases, tmp_path: Path) -> None:
    run = releases.run()
    approve(releases, run)
    made = pack(releases.newest(), tmp_path / "out" / "bundle.tar.gz")
    assert made.files == 4
    assert is_bundle(made.path)
    folder = open_bundle(made.path, tmp_path / "to")
    assert folder == tmp_path / "to" / run
    for name in (FILE, "records/approval-1.intoto.json", *EVIDENCE):
        assert (folder / name).read_bytes() == (releases.folder(run) / name).read_bytes()
    assert [path.name for path in (tmp_path / "to").iterdir()] == [run]
    with opened(made.path) as verdict:
        assert verdict.read_bytes() == releases.newest().read_bytes()
    assert not verdict.exists()


def test_the_same_files_give_the_same_bytes(releases: Releases, tmp_path: Path) -> None:
    run = releases.run()
    one = pack(releases.newest(), tmp_path / "one.tar.gz")
    for file in releases.folder(run).rglob("*"):
        os.utime(file, (1, 1))
    two = pack(releases.folder(run) / FILE, tmp_path / "two.tar.gz")
    assert one.sha256 == two.sha256
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    found = [member for member, _ in members(two.path)]
    assert [member.name for member in found] == [f"{run}/{name}" for name in (FILE, *sorted(EVIDENCE))]
    assert {(member.mtime, member.mode, member.uid, member.uname) for member in found} == {(0, 0o644, 0, "")}


def test_evidence_may_be_left_out_whole_and_not_in_part(releases: Releases, tmp_path: Path) -> None:
    run = releases.run()
    made = pack(releases.newest(), tmp_path / "small.tar.gz", evidence=False)
    assert made.files == 1
    folder = open_bundle(made.path, tmp_path / "to")
    assert [file.name for file in folder.iterdir()] == [FILE]
    whole = pack(releases.newest(), tmp_path / "whole.tar.gz").path
    rewrite(whole, lambda found: [each for each in found if not each[0].name.endswith("pytest.txt")])
    assert "some of the evidence and not 'unit/evidence/pytest.txt'" in refused(whole, tmp_path / "other")
    assert run


def test_evidence_that_is_gone_or_changed_is_not_packed(releases: Releases, tmp_path: Path) -> None:
    run = releases.run()
    file = releases.folder(run) / "unit/evidence/pytest.txt"
    file.write_bytes(b"13 passed\n")
    with pytest.raises(VerdictError, match="not what the verdict rests on"):
        pack(releases.newest(), tmp_path / "b.tar.gz")
    file.unlink()
    with pytest.raises(VerdictError, match="the evidence is not there"):
        pack(releases.newest(), tmp_path / "b.tar.gz")
    file.symlink_to("/etc/hostname")
    with pytest.raises(VerdictError, match="the evidence is not there"):
        pack(releases.newest(), tmp_path / "b.tar.gz")
    assert not list(tmp_path.glob("*b.tar.gz"))


def test_evidence_that_grows_or_cannot_be_read_is_not_packed(releases: Releases, tmp_path: Path) -> None:
    run = releases.run()
    file = releases.folder(run) / "unit/evidence/pytest.txt"
    with file.open("ab") as more:
        more.write(b"13 passed\n")
    with pytest.raises(VerdictError, match="not what the verdict rests on"):
        pack(releases.newest(), tmp_path / "b.tar.gz")
    file.unlink()
    file.mkdir()
    with pytest.raises(VerdictError, match=r"the evidence cannot be read: .*not a plain file"):
        pack(releases.newest(), tmp_path / "b.tar.gz")
    assert not list(tmp_path.glob("*.tar.gz"))


def test_a_run_that_is_not_over_is_not_packed(releases: Releases, tmp_path: Path) -> None:
    releases.run(ended=False)
    with pytest.raises(VerdictError, match="PENDING"):
        pack(releases.newest(), tmp_path / "b.tar.gz")


def test_a_bundle_that_cannot_be_written_leaves_nothing(releases: Releases, tmp_path: Path) -> None:
    releases.run()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="the bundle could not be written"):
        pack(releases.newest(), tmp_path / "folder")
    assert not list(tmp_path.glob(".writing-*"))


def test_bundle_with_evidence_of_other_bytes_is_refused(packed: Path, tmp_path: Path) -> None:
    def change(found: Members) -> Members:
        return [(member, content.replace(b"12 passed", b"99 passed")) for member, content in found]

    rewrite(packed, change)
    assert "not what the verdict rests on" in refused(packed, tmp_path / "to", code=Refusal.EVIDENCE)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("{run}/notes.txt", "which the verdict does not name"),
        ("{run}/unit/more.txt", "which the verdict does not name"),
        ("{run}/zz/../../../escaped", "no path below"),
        ("{run}/zz//x", "no path below"),
        ("{run}/zz/./x", "no path below"),
        ("{run}/zz\\x", "no path below"),
        ("{run}/zz\nx", "no path below"),
        ("zz", "no path below"),
        ("zz/x", "out of order, twice, or in another folder"),
        ("{run}/aa", "out of order, twice, or in another folder"),
        ("{run}/verdict.intoto.json", "out of order, twice, or in another folder"),
    ],
)
def test_a_bundle_with_something_else_is_refused(packed: Path, tmp_path: Path, name: str, says: str) -> None:
    run = packed.name.removesuffix(".tar.gz")
    one = plain(name.format(run=run), b"hello")

    def change(found: Members) -> Members:
        verdict, *others = found
        if "notes" in name or "more" in name:
            return [verdict, *sorted([*others, one], key=lambda each: each[0].name)]
        return [verdict, *others, one]

    rewrite(packed, change)
    assert says in refused(packed, tmp_path / "to")
    assert not list(tmp_path.rglob("escaped"))


def test_an_absolute_path_is_refused(packed: Path, tmp_path: Path) -> None:
    rewrite(packed, lambda _: [plain("/tmp/x", b"")])
    assert "no path below" in refused(packed, tmp_path / "to")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE,
     tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.AREGTYPE],
)  # fmt: skip
def test_what_is_no_plain_file_is_refused(packed: Path, tmp_path: Path, kind: bytes) -> None:
    run = packed.name.removesuffix(".tar.gz")
    member = tarfile.TarInfo(f"{run}/zz")
    member.type, member.linkname = kind, "/etc/passwd"
    rewrite(packed, lambda found: [*found, (member, b"")])
    assert "no plain file" in refused(packed, tmp_path / "to")


@pytest.mark.parametrize(("field", "value"), [("mtime", 1), ("mode", 0o4755), ("uid", 7), ("uname", "root")])
def test_another_header_is_refused(packed: Path, tmp_path: Path, field: str, value: object) -> None:
    def change(found: Members) -> Members:
        setattr(found[0][0], field, value)
        return found

    rewrite(packed, change)
    assert "not written as a bundle is" in refused(packed, tmp_path / "to")


def test_headers_of_other_formats_are_refused(packed: Path, tmp_path: Path) -> None:
    rewrite(packed, lambda found: found, tarfile.GNU_FORMAT)
    assert "not written as a bundle is" in refused(packed, tmp_path / "to")
    rewrite(packed, lambda _: [plain("r/" + "x" * 200, b"")], tarfile.PAX_FORMAT)
    assert "not written as a bundle is" in refused(packed, tmp_path / "to")


def test_too_much_is_refused_before_it_is_unpacked(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "MOST_FILES", 2)
    assert "more than 2 files" in refused(packed, tmp_path / "to")
    monkeypatch.undo()
    monkeypatch.setattr(bundle, "MOST_BYTES", packed_bytes(packed) - 1)
    assert "or than" in refused(packed, tmp_path / "to")
    monkeypatch.setattr(bundle, "MOST_BYTES", packed_bytes(packed))
    assert open_bundle(packed, tmp_path / "to").is_dir()


def packed_bytes(file: Path) -> int:
    """What an archive has, headers and all, where its last file begins to end."""
    last = members(file)[-1][0]
    return last.offset_data + last.size


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unit/evidence/pytest.txt", "the evidence is not what the verdict rests on"),
        ("zeros", "which the verdict does not name"),
        ("records/approval-1.intoto.json", "its records have more than 64000000 bytes"),
    ],
)
def test_nothing_is_unpacked_beyond_what_the_verdict_names(
    packed: Path, tmp_path: Path, name: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes of zeros, compressed, are gigabytes unpacked: they are refused by their size, before they are read."""
    run = packed.name.removesuffix(".tar.gz")
    bomb = plain(f"{run}/{name}", bytes(100_000_000))

    def change(found: Members) -> Members:
        verdict, *others = found
        others = [each for each in others if each[0].name < bomb[0].name]
        return [verdict, *others, bomb]

    rewrite(packed, change)
    assert packed.stat().st_size < 200_000
    written: list[int] = []
    save = bundle._Reader.save

    def watched(path: Path, content: Iterable[bytes]) -> str:
        pieces = list(content)
        written.append(sum(map(len, pieces)))
        return save(path, pieces)

    monkeypatch.setattr(bundle._Reader, "save", staticmethod(watched))
    with pytest.raises(VerdictError, match=says):
        open_bundle(packed, tmp_path / "to")
    assert sum(written) < 10_000
    assert not list((tmp_path / "to").iterdir())


@pytest.mark.parametrize("cut", [0, 1, 9, 30, 200, -9, -1])
def test_a_bundle_that_is_cut_is_refused(packed: Path, tmp_path: Path, cut: int) -> None:
    packed.write_bytes(packed.read_bytes()[:cut])
    refused(packed, tmp_path / "to")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw[:-512] + b"x" * 512, "what should be empty"),
        (lambda raw: raw + bytes(512), "something follows its end"),
        (lambda raw: raw[:-10240], "it ends in the middle"),
        (lambda raw: b"x" + raw[1:], "a header cannot be read"),
        (lambda _: bytes(10240), "it holds nothing"),
        (lambda _: b"", "it ends in the middle"),
    ],
)
def test_an_archive_that_is_not_whole_is_refused(
    packed: Path, tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    raw = gzip.decompress(packed.read_bytes())
    packed.write_bytes(gzip.compress(change(raw), mtime=0))
    assert says in refused(packed, tmp_path / "to")


def test_no_verdict_or_another_runs_is_refused(packed: Path, tmp_path: Path) -> None:
    rewrite(packed, lambda found: [each for each in found if not each[0].name.endswith(FILE)])
    assert f"and not with a {FILE}" in refused(packed, tmp_path / "to")
    rewrite(packed, lambda _: [plain(f"r/{FILE}", bytes(70_000_000))])
    assert "of 70000000 bytes, and not with a" in refused(packed, tmp_path / "to")


def test_the_folder_is_the_runs(packed: Path, tmp_path: Path) -> None:
    def change(found: Members) -> Members:
        return [plain("r1/" + member.name.partition("/")[2], content) for member, content in found]

    rewrite(packed, change)
    assert "its folder of run r1" in refused(packed, tmp_path / "to")


def test_a_verdict_that_is_damaged_keeps_its_own_reason(packed: Path, tmp_path: Path) -> None:
    def change(found: Members) -> Members:
        return [
            (member, content.replace(b"it-is", b"it is") + (b"\n" if member.name.endswith(FILE) else b""))
            for member, content in found
        ]

    def sized(found: Members) -> Members:
        return [plain(member.name, content) for member, content in change(found)]

    rewrite(packed, sized)
    refused(packed, tmp_path / "to", code=Refusal.NOT_CANONICAL)


@pytest.mark.parametrize(("about", "says"), [("0" * 64, "about another verdict"), ("", "is no record")])
def test_a_record_that_is_not_about_the_verdict_is_refused(
    releases: Releases, tmp_path: Path, about: str, says: str
) -> None:
    run = releases.run()
    path = approve(releases, run, about)
    if not about:
        path.write_bytes(b"{}")
    made = pack(releases.newest(), tmp_path / "b.tar.gz")
    assert says in refused(made.path, tmp_path / "to")


def test_what_is_there_is_not_overwritten(packed: Path, tmp_path: Path) -> None:
    folder = open_bundle(packed, tmp_path / "to")
    (folder / "mine").write_text("kept")
    with pytest.raises(UsageError, match="is there already"):
        open_bundle(packed, tmp_path / "to")
    assert (folder / "mine").read_text() == "kept"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be unpacked"):
        open_bundle(packed, tmp_path / "file")


def test_no_bundle_is_missing(tmp_path: Path) -> None:
    assert not is_bundle(tmp_path / "none")
    refused(tmp_path / "none", tmp_path / "to", code=Refusal.MISSING)


def test_no_changed_byte_of_the_archive_is_accepted(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the archive within the compression: every header byte and a share of the content, several values each."""
    releases.run()
    whole = pack(releases.newest(), tmp_path / "b.tar.gz").path
    raw = gzip.decompress(whole.read_bytes())
    tried, accepted = 0, []
    changed = tmp_path / "changed.tar.gz"
    for position, content in changes(raw, every=1009, offset=3):
        changed.write_bytes(gzip.compress(content, compresslevel=1, mtime=0))
        tried += 1
        try:
            with opened(changed):
                accepted.append(position)
        except GonogoError:
            continue
    assert tried > 100
    assert not accepted
