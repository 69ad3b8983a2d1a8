"""The profiles that the guide for a release of one's own shows are valid as they stand."""

import re
from pathlib import Path

import harness
from harness.gate_request import predecessors
from harness.gates import tables
from harness.model import Phase
from harness.profile.loader import load_profile
from signing_parts import Signer

PAGE = Path(harness.__file__).parents[1] / "docs" / "your-release.md"


def test_the_profiles_of_the_guide_are_valid(tmp_path: Path) -> None:
    blocks = dict(
        re.findall(r"^```toml\n# profiles/(\S+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    assert set(blocks) == {"common.toml", "staging.toml", "prod.toml"}
    for name, text in blocks.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "keys").mkdir()
    for name in re.findall(r'"keys/(\w+)\.pub"', "".join(blocks.values())):
        (tmp_path / "keys" / f"{name}.pub").write_text(Signer.make(name).pem)
    profile = load_profile("prod", tables(), folder=tmp_path, environ={})
    assert profile.app.images == {"shop": "shop"}, "nothing of the example application is inherited"
    assert [each.name for each in profile.approval.approvers] == ["alice", "bob"]
    assert profile.approval.wait == 300.0
    assert profile.phases[Phase.PRE_DEPLOY] == (("unit", "lint", "security", "promotion"),)
    (staging,) = predecessors(profile, str(tmp_path))
    assert staging.aws.account != profile.aws.account
    assert staging.phases[Phase.PRE_DEPLOY] == (("unit", "lint", "security"),)
