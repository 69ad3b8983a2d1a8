"""The example application on disk: a copy of its own for each stand-in, so that gates and faults may write into it."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from harness.local.faults import FAULTS
from harness.resources import shipped

EXAMPLE = "examples/storefront"
ADVISORY_SOURCE = "a handful of records written for the example application"
_LEAVE = shutil.ignore_patterns("__pycache__", ".*_cache", ".coverage*", "*.pyc", "advisories")


def copy(target: Path, source_faults: tuple[str, ...]) -> None:
    """Copy the shipped example to `target`, compile its advisories, put the faults of its source in."""
    from harness.scanners import advisories

    example = shipped(EXAMPLE)
    shutil.copytree(example, target, ignore=_LEAVE)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # the shipped one may be read-only
    advisories.build(example / "advisories" / "osv", target / "advisories", source=ADVISORY_SOURCE)
    for name in source_faults:
        FAULTS[name].on_source(target)


def manifest(app: Path, image: str) -> str:
    """An OCI manifest of an image that would hold this application: one layer, named by the digest of its files.

    The layer is never uploaded: nothing here pulls it. Equal sources give equal manifests.
    """
    layer = tree_digest(app / "apps")
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}}
    )
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": f"sha256:{hashlib.sha256(config.encode()).hexdigest()}",
            "size": len(config),
        },
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 0}],
        "annotations": {"org.opencontainers.image.title": f"storefront-{image}"},
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def tree_digest(folder: Path) -> str:
    """``sha256:…`` over the names and contents of the Python files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"


def log_lines(service: str, reason: str) -> list[dict[str, str | int]]:
    """A few log events of a service, the last one telling why a task stopped where one did."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    texts = [f"{service}: starting", f"{service}: listening"]
    if reason:
        texts += [f"{service}: memory limit reached, worker killed", f"{service}: exiting: {reason}"]
    return [{"timestamp": now + index, "message": text} for index, text in enumerate(texts)]
