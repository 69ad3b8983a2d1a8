"""The verdict file's shape: an in-toto Statement v1 whose predicate is a SLSA Verification Summary (VSA).

Our own detail is one extension field with a URI for its name, as the VSA's parsing rules allow. Shapes are closed:
an unknown key, a missing one or another type does not validate. Sources: in-toto ``spec/v1/statement.md``, SLSA
``verification_summary`` v1 (fields of its 1.1).
"""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from harness.model import Cause, Decision, GateOutcome, Phase, Reason, Record, Subject, Unit
from harness.shapes import Field, Shape
from harness.verdict.info import Override

EXTENSION = "urn:gonogo:verdict:v1"
SCHEMA = Path(__file__).with_name("verdict.schema.json")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Sha256Digest(Shape):
    """An in-toto DigestSet with the one algorithm used here."""

    sha256: Sha256


class Verifier(Shape):
    """Who verified, and the version of what did."""

    id: Literal["urn:gonogo:verifier"]
    version: Mapping[str, str]


class PolicyDescriptor(Shape):
    """The policy, by name and by the digest of its resolved content."""

    uri: str
    digest: Sha256Digest


class EvidenceDescriptor(Shape):
    """One file that the decision rests on; `name` is its path in the run's folder."""

    name: str
    uri: str
    digest: Sha256Digest
    media_type: str = Field(alias="mediaType")


class StartedBy(Shape):
    """Who started the run: the name that the profile gives to the key `by`, whose signature the file has, or else only
    what the environment `claimed`, which proves nothing."""

    name: str
    proven: bool
    by: str
    """The id of a key that signed this verdict, where it is proven."""
    claimed: str


class RunDetail(Shape):
    """The run, as far as the VSA has no field for it."""

    run_id: str
    profile: str
    phase: Phase
    attempt: int
    started: datetime
    finished: datetime | None
    expires: datetime | None
    started_by: StartedBy
    partial: bool
    stand_in: bool
    images: Mapping[str, str]
    """Image name -> what was asked for: a tag or a digest."""
    overrides: Mapping[str, Override]
    """Profile keys set on the command line or in the environment, masked."""


class GateThreshold(Shape):
    """One threshold of a gate: the actual value beside the limit, both exact and in the base unit."""

    check: str
    threshold: str
    metric: str
    actual: Fraction | None
    limit: Fraction
    unit: Unit
    sample: int
    held: bool | None


class GateDetail(Shape):
    """One gate decided, with what a reader asks for first; derived from the record, and checked against it."""

    gate: str
    outcome: GateOutcome
    decision: Decision
    layer: int
    counts: Mapping[str, int]
    cause: Cause | None
    duration: float
    budget: float
    reasons: tuple[Reason, ...]
    thresholds: tuple[GateThreshold, ...]
    skips: Mapping[Cause, tuple[str, ...]]
    """Cause -> the checks skipped for it."""
    waived: Mapping[str, str]
    """Check -> the waiver that covers it."""
    flaky: tuple[str, ...]


class Detail(Shape):
    """Everything the VSA has no field for; `record` is enough to derive the decision again."""

    decision: Decision
    reasons: tuple[Reason, ...]
    missing: tuple[str, ...]
    """Checks that were expected and did not report."""
    run: RunDetail
    gates: tuple[GateDetail, ...]
    record: Record
    """The expected gates and checks, the rules, the sessions and the results."""
    findings: Mapping[str, int]
    """Check -> how many findings it had in all; the results hold the first of them."""
    sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    """Over the canonical bytes of this statement with this value empty: against damage, not against forgery."""


class Predicate(Shape):
    """The VSA."""

    verifier: Verifier
    time_verified: datetime = Field(alias="timeVerified")
    resource_uri: str = Field(alias="resourceUri")
    policy: PolicyDescriptor
    input_attestations: tuple[EvidenceDescriptor, ...] = Field(alias="inputAttestations")
    verification_result: Literal["PASSED", "FAILED"] = Field(alias="verificationResult")
    verified_levels: tuple[str, ...] = Field(alias="verifiedLevels", min_length=1, max_length=1)
    slsa_version: Literal["1.1"] = Field(alias="slsaVersion")
    detail: Detail = Field(alias="urn:gonogo:verdict:v1")


class Statement(Shape):
    """The whole file."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://slsa.dev/verification_summary/v1"] = Field(alias="predicateType")
    predicate: Predicate


def schema() -> dict[str, Any]:
    """The JSON Schema of a verdict file, every object of it closed."""
    from harness.shapes.json_schema import Describer

    found = Describer(titles=True, documented=False, nulls=True).whole(Statement)
    for shape in (found, *found["$defs"].values()):
        if "properties" in shape:
            shape["additionalProperties"] = False
            shape["required"] = list(shape["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": EXTENSION,
        **found,
        "title": "gonogo verdict",
    }


def write_schema(path: Path = SCHEMA) -> None:
    """Write the shipped schema anew, after a shape changed."""
    import json

    path.write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n")
