"""``gonogo keys``: making, showing and exporting the keys that sign."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.asked import say
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.profile.public_key import KeyText

app = typer.Typer(help="Keys that sign verdicts, approvals and overrides.", no_args_is_help=True)


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the signer is called.", show_default=False)
    ],
    kind: Annotated[str, typer.Option("--type", help="ed25519 or ecdsa (P-256).")] = "ed25519",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where both files go.")] = Path(),
) -> None:
    """Make a key: NAME.key (private, readable by you alone) and NAME.pub. Never overwrites.

    With GONOGO_KEY_PASSPHRASE set, the private key is encrypted with it.
    """
    from harness.masking import register
    from harness.profile.public_key import KeyKind
    from harness.verdict.signing import PASSPHRASE, new_private, private_pem, public_of

    if kind not in list(KeyKind):
        raise UsageError(f"--type {kind}: there is no such type", hint=f"one of {', '.join(KeyKind)}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", name, re.ASCII):
        raise UsageError(
            f"{name!r} is not a name", hint="letters, digits and . _ @ -; --out names the folder"
        )
    passphrase = os.environ.get(PASSPHRASE, "")
    register(passphrase)
    private = new_private(KeyKind(kind))
    key = public_of(private)
    secret, public = out / f"{name}.key", out / f"{name}.pub"
    if public.exists():
        raise UsageError(f"{public} exists already", hint="choose another name, or move it away")
    _write(secret, private_pem(private, passphrase), 0o600)
    _write(public, key.pem.encode(), 0o644)
    say(f"{secret}: the private key{', encrypted' if passphrase else ''}; keep it out of the repository")
    say(f"{public}: the public key, for the profile")
    _show(key, name, str(public))


@app.command()
def show(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A public or private key.", show_default=False)
    ],
) -> None:
    """Print a key's id, and the lines of a profile that trust it. Of a private key, only the public half is shown."""
    from harness.profile.public_key import read_key
    from harness.verdict.signing import PASSPHRASE, read_private

    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no PEM file"
        raise UsageError(f"{file} cannot be read: {reason}", hint="name the file of a key") from None
    private = "PRIVATE KEY" in text
    try:
        key = read_private(file, os.environ.get(PASSPHRASE, "")).key if private else read_key(text)
    except ValueError as error:
        raise UsageError(f"{file} {error}", hint="make one: gonogo keys new NAME") from None
    _show(key, file.stem, key.text if private else str(file))


@app.command()
def export(
    signer: Annotated[
        str, typer.Argument(metavar="awskms:KEY", help="A key of AWS KMS.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there, not to stdout.")] = None,
) -> None:
    """Print the public key of a signer as PEM: verdicts are verified with it, offline."""
    from harness.verdict.signing import open_kms

    scheme, _, key = signer.partition(":")
    if scheme != "awskms" or not key:
        raise UsageError(f"{signer!r} is no key of KMS", hint="write awskms: and its id, ARN or alias")
    pem = open_kms(key).key.pem
    if out is None:
        print(pem, end="")  # noqa: T201
        return
    _write(out, pem.encode(), 0o644)
    say(f"{out}: the public key, for the profile")


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that must not be there yet, with its mode from the first moment on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint="choose another name, or move it away") from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="choose another --out"
        ) from error


def _show(key: "KeyText", name: str, where: str) -> None:
    from harness.profile.sources import DEFAULT_FOLDER

    say(f"{key.kind} {key.keyid}")
    say("")
    say("[policy.signing]")
    note = ""
    if where != key.text:
        where, note = os.path.relpath(where, DEFAULT_FOLDER), " # by its path from the profile's folder"
    say(f'signers = [{{ name = "{name}", key = "{where}" }}]{note}')
