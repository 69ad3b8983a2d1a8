"""``gonogo gate`` and ``gonogo try``."""

from typing import Annotated

import typer

from harness.gate_command import main
from harness.gate_request import Request

_Images = Annotated[
    list[str],
    typer.Option(
        "--image",
        metavar="NAME=TAG",
        help="An image of the release; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
_Overrides = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one key of the profile; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
_Faults = Annotated[
    list[str],
    typer.Option(
        "--fault",
        metavar="NAME",
        help="Break one thing of the stand-in (see `gonogo local faults`).",
        default_factory=list,
        show_default=False,
    ),
]
_SignWith = Annotated[
    list[str],
    typer.Option(
        "--sign-with",
        metavar="SIGNER",
        help="Sign the verdict: file:PATH, awskms:KEY or sigstore: (or GONOGO_SIGN_WITH); repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
_Store = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URI",
        help="Keep the verdict here as well: s3://bucket/prefix or a folder; default: the profile's \\[store].",
    ),
]
_Phase = Annotated[str, typer.Option(help="When in the release: pre-deploy or post-deploy.")]
_Profiles = Annotated[str, typer.Option(metavar="DIR", help="The folder of your own profiles.")]
_KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Run later layers although an earlier one failed.")
]
_StandIn = Annotated[
    str,
    typer.Option("--stand-in", metavar="FILE", help="Use a stand-in that `gonogo local up` keeps running."),
]


def gate(
    profile: Annotated[
        str, typer.Option("--profile", "-p", metavar="NAME", help="The environment's profile.")
    ],
    image: _Images,
    set_: _Overrides,
    fault: _Faults,
    sign_with: _SignWith,
    phase: _Phase = "pre-deploy",
    gate_: Annotated[
        str, typer.Option("--gate", metavar="A,B", help="Only these gates; at best INCONCLUSIVE.")
    ] = "",
    keep_going: _KeepGoing = False,
    profiles: _Profiles = "profiles",
    stand_in: _StandIn = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON on stdout.")] = False,
    store: _Store = "",
) -> int:
    """Run the gates of a profile and write one verdict.

    The exit code is the verdict's: 0 GO, 10 NO_GO, 11 INCONCLUSIVE, 12 ERROR, 13 PENDING, 64 wrong usage.
    """
    return main(
        Request(
            profile=profile,
            phase=phase,
            images=tuple(image),
            overrides=tuple(set_),
            gates=_names(gate_),
            keep_going=keep_going,
            profiles=profiles,
            stand_in=stand_in,
            faults=tuple(fault),
            as_json=as_json,
            sign_with=tuple(sign_with),
            store=store,
        )
    )


def try_gates(
    gates: Annotated[
        list[str], typer.Argument(metavar="GATE…", help="The gates to try: unit lint security …")
    ],
    image: _Images,
    set_: _Overrides,
    fault: _Faults,
    profile: Annotated[str, typer.Option("--profile", "-p", metavar="NAME", help="The profile.")] = "local",
    phase: _Phase = "pre-deploy",
    profiles: _Profiles = "profiles",
    stand_in: _StandIn = "",
) -> int:
    """Run some gates now, for yourself: 0 or 1, and no verdict. Refused in CI."""
    return main(
        Request(
            profile=profile,
            phase=phase,
            images=tuple(image),
            overrides=tuple(set_),
            gates=tuple(name for text in gates for name in _names(text)),
            keep_going=True,
            profiles=profiles,
            stand_in=stand_in,
            faults=tuple(fault),
            trial=True,
        )
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
