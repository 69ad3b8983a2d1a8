"""What ``gonogo approve`` and ``gonogo override`` share: the verdict that is on file, who signs, and adding the record."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.asked import load, print_verdict, read_phase, say
from harness.errors import UsageError
from harness.frozen import dataclass

if TYPE_CHECKING:
    from harness.profile import Profile
    from harness.profile.schema import SignerConfig
    from harness.verdict.record_format import Record
    from harness.verdict.signing import Signer
    from harness.verdict.stores import VerdictStore
    from harness.verdict.verify import Examined

As = Annotated[
    str,
    typer.Option("--as", metavar="NAME", help="Who you are, as the profile names you.", show_default=False),
]
SignWith = Annotated[
    str,
    typer.Option(
        "--sign-with",
        metavar="SIGNER",
        help="Your key: file:PATH, awskms:KEY or sigstore: (or GONOGO_SIGN_WITH).",
    ),
]
Profile_ = Annotated[
    str, typer.Option("--profile", "-p", metavar="NAME", help="The environment; default: the verdict's own.")
]
Verdict_ = Annotated[
    Path | None,
    typer.Option(
        "--verdict",
        metavar="FILE",
        help="The verdict; default: reports/<profile>/<phase>/verdict.intoto.json.",
    ),
]
Phase_ = Annotated[str, typer.Option("--phase", help="When in the release; default: the verdict's own.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@dataclass(frozen=True)
class OnFile:
    """A verdict that can be relied on, with the profile that it is held against."""

    profile: "Profile"
    found: "Examined"
    store: "VerdictStore | None" = None
    """The store that deploy steps read, where there is one: the record goes there."""


@contextmanager
def on_file(profile: str, file: Path | None, phase: str, profiles: str, store: str) -> Iterator[OnFile]:
    """A verdict, on file or in a store, held against its profile as a deploy step would, whatever it decides.

    Raises:
        GonogoError: neither a profile nor a file is named, or the verdict cannot be relied on.
    """
    from harness.gates import question
    from harness.verdict.on_file import read_verdict
    from harness.verdict.origin import verdict_from
    from harness.verdict.verify import examine

    if file is not None:
        _no_bundle(file)
        info = read_verdict(file).info
        profile, phase = profile or info.profile, phase or info.phase
    if not profile:
        raise UsageError("no verdict is named", hint="--profile NAME, or --verdict FILE")
    when = read_phase(phase or "pre-deploy")
    environment = load(profile, profiles)
    with verdict_from(environment, when, file=file, store=store) as origin:
        asked = question(environment, when, now=datetime.now(UTC))
        yield OnFile(environment, examine(origin.path, asked, origin.kept), _open(environment, store))


def _no_bundle(file: Path) -> None:
    from harness.verdict.on_file import is_bundle

    if is_bundle(file):
        raise UsageError(
            f"{file} is a bundle, to which nothing can be added",
            hint="name the verdict's file or the store; then bundle it again",
        )


def _open(profile: "Profile", asked: str) -> "VerdictStore | None":
    if not (asked or profile.store.uri):
        return None
    from harness.verdict.named_store import store_of

    return store_of(profile, asked)


def named(name: str, known: Sequence["SignerConfig"], what: str) -> "SignerConfig":
    """The one of `known` who is called so.

    Raises:
        UsageError: nobody is.
    """
    for each in known:
        if each.name == name:
            return each
    names = [each.name for each in known]
    near = get_close_matches(name, names, 1)
    raise UsageError(
        f"--as {name}: not among those who may {what} ({', '.join(names) or 'nobody is named'})",
        hint=f"did you mean {near[0]}?" if near else f"name them in the profile's {_TABLES[what]}",
    )


_TABLES = {"approve": "[approval] approvers", "override": "[override] signers"}


def one_signer(uri: str, config: "SignerConfig", *, region: str) -> "Signer":
    """Open the one key that signs a record, which must be the one that the profile has of the person.

    Raises:
        GonogoError: none or several are named, it cannot be opened, or it is another's.
    """
    from harness.verdict.signing import SIGN_WITH, open_signers
    from harness.verdict.trust import key_ring

    uris = [uri] if uri else os.environ.get(SIGN_WITH, "").split()
    if len(uris) != 1:
        raise UsageError(
            f"a record is signed by one person, and {SIGN_WITH} names {len(uris)}"
            if uris
            else "nothing says with which key to sign",
            hint="--sign-with file:PATH, awskms:KEY or sigstore:",
        )
    (signer,) = open_signers(uris, region=region)
    if signer.keyid and signer.keyid not in key_ring([config]):
        raise UsageError(
            f"--sign-with names key {signer.keyid}, which is not the one that the profile has of {config.name}",
            hint="name the key of whom --as names; `gonogo keys show FILE` prints its id",
        )
    return signer


def show(found: "Examined", *, to_stderr: bool) -> None:
    """What is about to be signed for, before it is."""
    info = found.verdict.info
    print_verdict(found, str(found.verdict.decision), to_stderr=to_stderr)
    say(f"  started by {info.told_starter}", to_stderr=to_stderr)
    say(f"  verdict sha256:{found.verdict.sha256}", to_stderr=to_stderr)
    for each in found.attached:
        said = each.record
        about = f"  {said.kind} by {said.by} at {said.at:%Y-%m-%dT%H:%M:%SZ}{_words(said)}"
        say(about, "yellow", to_stderr=to_stderr)


def _words(record: "Record") -> str:
    """What a person said with a record, for the next one who signs."""
    from harness.verdict.record_format import Approval, Denial, EmergencyOverride

    match record:
        case EmergencyOverride(reason=reason, incident=incident):
            return f" for {incident}: {reason}"
        case Approval(comment=words) | Denial(reason=words) if words:
            return f": {words}"
        case _:
            return ""


def confirm(question: str, *, yes: bool) -> None:
    """Ask, where somebody is there to answer; on no, the command is aborted."""
    if not yes and sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)


def add(on_file: OnFile, record: "Record", signer: "Signer", trusted: Sequence["SignerConfig"]) -> str:
    """Sign a record, hold it as its readers will, and put it beside the verdict's run, in the store first; says where.

    Raises:
        GonogoError: it could not be signed or written, or its readers would refuse it.
    """
    from harness.verdict.evidence import run_home
    from harness.verdict.records import attach, hold, read_record, sign

    raw = sign(record, signer)
    verdict = on_file.found.verdict
    hold([read_record(raw, f"the {record.kind}")], verdict, trusted, now=datetime.now(UTC))
    where = ""
    if on_file.store is not None:
        from harness.verdict.stores import Series

        series = Series(record.about.profile, record.about.phase)
        name = on_file.store.attach(series, record.about.run_id, record.kind, raw)
        where = f"{on_file.store.uri}/{series} run {record.about.run_id}: {name}"
    path = attach(run_home(on_file.found.path, verdict.info.run_id), raw)
    return where or str(path)
