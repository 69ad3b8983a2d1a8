"""The rules of a store, the same over a folder, over S3 (the emulator), and over objects that lose every race."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aws_parts import emulator, no_inherited_aws, owner_of  # noqa: F401 - fixtures
from harness.aws.verdict_store import Bucket
from harness.errors import GonogoError, UsageError, VerdictError
from harness.model import Decision, Evidence, Phase
from harness.profile.schema import StoreConfig
from harness.verdict.folder_store import FolderStore
from harness.verdict.named_store import chosen, located, open_store
from harness.verdict.object_store import Objects, ObjectStore
from harness.verdict.reading import encode
from harness.verdict.statement import build, parse, placeholder
from harness.verdict.store import FILE, StoreError, run_of
from harness.verdict.stores import Series, VerdictStore

SERIES = Series("staging", Phase.PRE_DEPLOY)
PATH = "unit/evidence/pytest.txt"
EVIDENCE = b"12 passed\n"


@dataclass
class Run:
    """A run of the case under an id of its own, with its evidence in a folder."""

    case: Any
    run_id: str

    @property
    def info(self) -> Any:
        return replace(self.case.info, run_id=self.run_id)

    @property
    def pending(self) -> bytes:
        return encode(placeholder(self.info))

    @property
    def go(self) -> bytes:
        return encode(build(self.info, self.case.record, self.case.decided))

    @property
    def folder(self) -> Path:
        return self.folder_with(EVIDENCE)

    def folder_with(self, content: bytes) -> Path:
        folder: Path = self.case.folder / "work" / self.run_id
        (folder / PATH).parent.mkdir(parents=True, exist_ok=True)
        (folder / PATH).write_bytes(content)
        return folder

    def begin(self, store: VerdictStore) -> None:
        store.begin(SERIES, self.run_id, self.pending)

    def finish(self, store: VerdictStore) -> bool:
        return store.finish(SERIES, self.run_id, self.go, self.folder)


class Memory:
    """Objects in memory; `meddle` is called before each write and may change what is there."""

    uri = "memory:"

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.meddle: Callable[[str], None] = lambda _: None
        self.writes: list[str] = []

    def read(self, key: str) -> tuple[bytes, str] | None:
        found = self.content.get(key)
        return None if found is None else (found, str(hash(found)))

    def create(self, key: str, content: bytes) -> bool:
        self.meddle(key)
        with self.lock:
            if key in self.content:
                return False
            self.content[key] = content
            self.writes.append(key)
            return True

    def replace(self, key: str, content: bytes, tag: str) -> bool:
        self.meddle(key)
        with self.lock:
            if key not in self.content or str(hash(self.content[key])) != tag:
                return False
            self.content[key] = content
            self.writes.append(key)
            return True

    def create_file(self, key: str, path: Path, sha256: str) -> bool:
        return self.create(key, path.read_bytes())

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self.content[key]).hexdigest() if key in self.content else ""

    def download(self, key: str, path: Path, size: int) -> bool:
        if key not in self.content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content[key])
        return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.content if key.startswith(prefix)))

    def folders(self, prefix: str, after: str = "") -> tuple[str, ...]:
        rest = (key.removeprefix(prefix) for key in self.keys(prefix))
        names = {part.partition("/")[0] for part in rest if "/" in part}
        return tuple(sorted(name for name in names if name > after))


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VerdictStore:
    match request.param:
        case "folder":
            return FolderStore(tmp_path / "share")
        case "memory":
            return ObjectStore(Memory())
        case _:
            return s3_store(request.getfixturevalue("s3_url"), tmp_path.name.replace("_", "-"), monkeypatch)


def s3_store(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> VerdictStore:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "111122223333")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = f"v{abs(hash(name))}"
    owner_of(url, "111122223333")("s3").create_bucket(Bucket=bucket)
    return open_store(StoreConfig(uri=f"s3://{bucket}/verdicts", endpoint_url=url))


@pytest.fixture
def make(case: Any) -> Callable[[str], Run]:
    return lambda run_id: Run(case, run_id)


Make = Callable[[str], Run]


def newest(store: VerdictStore) -> tuple[str, Decision]:
    verdict = parse(store.latest(SERIES) or b"")
    return verdict.info.run_id, verdict.decision


def test_a_run_is_pending_first_and_then_what_it_came_to(store: VerdictStore, make: Make) -> None:
    assert store.latest(SERIES) is None
    assert store.runs(SERIES) == ()
    assert store.series() == ()
    run = make("r1")
    run.begin(store)
    assert newest(store) == ("r1", Decision.PENDING)
    assert store.verdict(SERIES, "r1") == run.pending
    assert run.finish(store)
    assert newest(store) == ("r1", Decision.GO)
    assert store.verdict(SERIES, "r1") == run.go
    assert store.series() == (SERIES,)


@pytest.mark.parametrize("order", [("r1", "r2"), ("r2", "r1")])
def test_of_two_runs_the_last_to_begin_is_the_newest(
    store: VerdictStore, make: Make, order: tuple[str, ...]
) -> None:
    make("r1").begin(store)
    make("r2").begin(store)
    assert {name: make(name).finish(store) for name in order} == {"r1": False, "r2": True}
    assert newest(store) == ("r2", Decision.GO)
    assert store.runs(SERIES) == ("r2", "r1")
    assert store.verdict(SERIES, "r1") == make("r1").go


def test_what_was_published_already_is_published_again_without_harm(store: VerdictStore, make: Make) -> None:
    run = make("r1")
    for _ in range(2):
        run.begin(store)
    for _ in range(2):
        assert run.finish(store)
    assert newest(store) == ("r1", Decision.GO)


def test_a_verdict_is_never_replaced(store: VerdictStore, make: Make) -> None:
    run = make("r1")
    run.begin(store)
    run.finish(store)
    before = store.verdict(SERIES, "r1")
    run.case.result("unit.tests.all_pass", title="Another title")
    with pytest.raises(StoreError, match=r"other content|another verdict"):
        run.finish(store)
    assert store.verdict(SERIES, "r1") == before
    assert store.latest(SERIES) == before


def test_a_newest_verdict_that_is_gone_is_left_to_the_next_run(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)
    make("r1").begin(store)
    del objects.content[f"{SERIES}/{FILE}"]
    assert not make("r1").finish(store)
    assert store.latest(SERIES) is None
    make("r2").begin(store)
    assert newest(store) == ("r2", Decision.PENDING)


def test_a_run_publishes_only_its_own_verdict(store: VerdictStore, make: Make) -> None:
    with pytest.raises(StoreError, match="would publish"):
        store.finish(SERIES, "r2", make("r1").go)
    with pytest.raises(StoreError, match=r"would publish|instead of PENDING"):
        store.begin(SERIES, "r1", make("r1").go)
    with pytest.raises(VerdictError):
        store.finish(SERIES, "r1", b"{}")


def test_a_fetched_run_has_all_that_its_verdict_names(
    store: VerdictStore, make: Make, tmp_path: Path
) -> None:
    run = make("r1")
    run.begin(store)
    run.finish(store)
    folder = store.fetch(SERIES, "r1", tmp_path / "to")
    assert folder == tmp_path / "to" / "r1"
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {FILE, PATH}
    assert (folder / FILE).read_bytes() == run.go
    with pytest.raises(UsageError, match="is there already"):
        store.fetch(SERIES, "r1", tmp_path / "to")
    with pytest.raises(VerdictError, match="there is no run r9"):
        store.fetch(SERIES, "r9", tmp_path / "to")
    for name in ("", "..", "a/b"):
        with pytest.raises(GonogoError):
            store.fetch(SERIES, name, tmp_path / "to")


def test_records_are_kept_beside_the_verdict_and_none_replaces_another(
    store: VerdictStore, make: Make, tmp_path: Path
) -> None:
    with pytest.raises(VerdictError, match="there is no run r1"):
        store.attach(SERIES, "r1", "approval", b"{}")
    make("r1").begin(store)
    make("r1").finish(store)
    assert store.records(SERIES, "r1") == ()
    with ThreadPoolExecutor(4) as pool:
        names = list(
            pool.map(lambda number: store.attach(SERIES, "r1", "approval", b"%d" % number), range(4))
        )
    assert store.attach(SERIES, "r1", "override", b"why") == "override-1.intoto.json"
    kept = store.records(SERIES, "r1")
    assert kept == (*(f"approval-{number}.intoto.json" for number in range(1, 5)), "override-1.intoto.json")
    folder = store.fetch(SERIES, "r1", tmp_path / "to") / "records"
    assert {name: (folder / name).read_bytes() for name in names} == {
        name: b"%d" % number for number, name in enumerate(names)
    }


def test_records_that_cannot_be_written_or_have_no_name_are_errors(tmp_path: Path, make: Make) -> None:
    share = FolderStore(tmp_path)
    make("r1").begin(share)
    (tmp_path / "staging" / "pre-deploy" / "runs" / "r1" / "records").write_bytes(b"in the way")
    with pytest.raises(StoreError, match="the approval could not be written"):
        share.attach(SERIES, "r1", "approval", b"{}")
    objects = Memory()
    store = ObjectStore(objects)
    make("r1").begin(store)
    for number in range(1, 200):
        objects.content[f"{SERIES}/runs/r1/records/denial-{number}.intoto.json"] = b""
    assert store.attach(SERIES, "r1", "denial", b"{}") == "denial-200.intoto.json"
    objects.content[f"{SERIES}/runs/r1/records/a/b"] = b""
    with pytest.raises(StoreError, match="'a/b' is no record"):
        store.fetch(SERIES, "r1", tmp_path / "to")


def test_two_that_publish_at_once_give_one_newest_and_lose_neither(store: VerdictStore, make: Make) -> None:
    names = [f"r{number}" for number in range(6)]
    runs = [make(name) for name in names]
    for run in runs:
        assert run.folder.is_dir()
    start = threading.Barrier(len(runs))
    said: dict[str, bool] = {}
    failed: list[BaseException] = []

    def publish(run: Run) -> None:
        try:
            start.wait(30)
            run.begin(store)
            said[run.run_id] = run.finish(store)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=publish, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    last, decision = newest(store)
    assert decision is Decision.GO
    assert said[last]
    assert sorted(store.runs(SERIES)) == names
    assert all(store.verdict(SERIES, run.run_id) == run.go for run in runs)


def test_who_loses_every_race_gives_up(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)

    def meddle(key: str) -> None:
        if key == f"{SERIES}/{FILE}":
            objects.content[key] = b"%d" % len(objects.writes)
            objects.writes.append("meddled")

    objects.meddle = meddle
    with pytest.raises(StoreError, match="changed 100 times"):
        make("r1").begin(store)


def test_who_loses_to_a_later_run_at_the_end_is_not_the_newest(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)
    make("r1").begin(store)
    later = make("r2").pending

    def meddle(key: str) -> None:
        if key == f"{SERIES}/{FILE}":
            objects.content[key] = later

    objects.meddle = meddle
    assert not make("r1").finish(store)
    assert newest(store) == ("r2", Decision.PENDING)
    assert store.verdict(SERIES, "r1") == make("r1").go


def test_evidence_is_kept_before_the_verdict_and_that_before_the_newest(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)
    run = make("r1")
    run.begin(store)
    run.finish(store)
    home = f"{SERIES}/runs/r1"
    assert objects.writes == [
        f"{home}/pending.intoto.json",
        f"{SERIES}/{FILE}",
        f"{home}/{PATH}",
        f"{home}/{FILE}",
        f"{SERIES}/{FILE}",
    ]


def test_publishing_goes_on_where_it_broke_off(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)
    run = make("r1")
    run.begin(store)

    def broken(key: str) -> None:
        if key.endswith(f"r1/{FILE}"):
            raise StoreError("the line is down", hint="again")

    objects.meddle = broken
    with pytest.raises(StoreError, match="the line is down"):
        run.finish(store)
    assert newest(store) == ("r1", Decision.PENDING)
    objects.meddle, objects.writes = lambda _: None, []
    assert run.finish(store)
    assert objects.writes == [f"{SERIES}/runs/r1/{FILE}", f"{SERIES}/{FILE}"]


def test_evidence_that_is_gone_or_another_is_no_evidence(make: Make) -> None:
    objects = Memory()
    store = ObjectStore(objects)
    run = make("r1")
    run.begin(store)
    with pytest.raises(StoreError, match="the evidence is not there"):
        store.finish(SERIES, "r1", run.go, run.case.folder / "nowhere")
    objects.content[f"{SERIES}/runs/r1/{PATH}"] = b"13 passed\n"
    with pytest.raises(StoreError, match="other content"):
        run.finish(store)
    assert newest(store) == ("r1", Decision.PENDING)


def test_errors_side_by_side_are_all_told(make: Make) -> None:
    from harness.verdict.object_store import _side_by_side

    def fail(name: str) -> None:
        raise StoreError(f"{name} is broken", hint="again")

    with pytest.raises(StoreError, match="a is broken; b is broken"):
        _side_by_side(fail, ["a", "b"])


def test_a_share_that_cannot_be_read_is_an_error(tmp_path: Path, make: Make) -> None:
    store = FolderStore(tmp_path)
    (tmp_path / "staging" / "pre-deploy" / FILE).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot be read"):
        store.latest(SERIES)


def test_evidence_that_cannot_be_copied_is_an_error(tmp_path: Path, make: Make) -> None:
    with pytest.raises(StoreError, match="cannot be copied"):
        FolderStore(tmp_path).finish(SERIES, "r1", make("r1").go, tmp_path / "nowhere")


def test_a_folder_whose_names_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / ("x" * 300))
    for ask in (store.series, lambda: store.runs(SERIES), lambda: store.records(SERIES, "r1")):
        with pytest.raises(StoreError, match=r"cannot be listed: .*too long"):
            ask()


def test_evidence_of_another_verdict_does_not_touch_what_is_kept(store: VerdictStore, make: Make) -> None:
    run = make("r1")
    run.begin(store)
    run.finish(store)
    more = b"13 passed\n"
    evidence = Evidence("pytest.txt", PATH, hashlib.sha256(more).hexdigest(), len(more))
    run.case.result("unit.tests.all_pass", evidence=(evidence,))
    with pytest.raises(StoreError, match=r"other content|another verdict"):
        store.finish(SERIES, "r1", run.go, run.folder_with(more))
    folder = store.fetch(SERIES, "r1", run.case.folder / "to")
    assert (folder / PATH).read_bytes() == EVIDENCE


def test_evidence_that_was_changed_after_the_run_is_not_kept(tmp_path: Path, make: Make) -> None:
    run = make("r1")
    share = FolderStore(tmp_path / "share")
    run.begin(share)
    with pytest.raises(StoreError, match="not what the verdict rests on"):
        share.finish(SERIES, "r1", run.go, run.folder_with(b"99 passed\n"))
    with pytest.raises(StoreError, match="larger than 10 bytes") as told:
        share.finish(SERIES, "r1", run.go, run.folder_with(EVIDENCE * 2))
    assert told.value.hint.endswith("find out who changed it"), "no want of room"
    assert newest(share) == ("r1", Decision.PENDING)


def test_a_link_in_a_share_leads_nowhere(tmp_path: Path, make: Make) -> None:
    run = make("r1")
    share = FolderStore(tmp_path / "share")
    run.begin(share)
    run.finish(share)
    kept = tmp_path / "share" / str(SERIES) / "runs" / "r1" / PATH
    kept.unlink()
    kept.symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match="cannot be copied"):
        share.fetch(SERIES, "r1", tmp_path / "to")


def test_a_run_that_is_not_there_leaves_no_folder(store: VerdictStore, tmp_path: Path) -> None:
    for name in ("r9", "..", "a/b", "a\x00b"):
        with pytest.raises(GonogoError):
            store.fetch(SERIES, name, tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"payload', b"[" * 100_000])
def test_what_is_no_verdict_is_nobodys(raw: bytes) -> None:
    assert run_of(raw) == ""


def test_a_store_is_named_by_uri_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert located("share").uri == (tmp_path / "share").as_uri()
    found = open_store(located("with space"))
    assert isinstance(found, FolderStore)
    assert found.root == tmp_path / "with space"
    assert found.uri == (tmp_path / "with space").as_uri()
    assert open_store(located("s3://bucket-x/a/b/")).uri == "s3://bucket-x/a/b"
    for wrong in ("s3://", "s3://UPPER/x", "https://example.com", "s3://b", "ftp://x"):
        with pytest.raises(UsageError, match="not a store"):
            located(wrong)


def test_the_profile_and_the_command_line_name_one_store(case: Any) -> None:
    profile = case.profile
    assert chosen(profile) is None
    asked = chosen(profile, "s3://bucket/x")
    assert asked is not None
    assert asked.region == profile.aws.region
    own = replace(profile, store=StoreConfig(uri="s3://bucket/x/", region="eu-west-1"))
    assert chosen(own) is own.store
    assert chosen(own, "s3://bucket/x") is own.store
    with pytest.raises(UsageError, match="are kept in s3://bucket/x/"):
        chosen(own, "s3://bucket/y")


def test_s3_without_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs boto3") as refused:
        open_store(located("s3://bucket/x"))
    assert "gonogo[aws]" in refused.value.hint


def test_both_are_stores() -> None:
    """For the type checker: that they are what the interface says."""
    stores: tuple[type[VerdictStore], ...] = (FolderStore, ObjectStore)
    objects: tuple[type[Objects], ...] = (Memory, Bucket)
    assert len(stores) == len(objects)
    assert urlsplit("s3://a/b").scheme == "s3"
