import pytest

from harness.errors import ToolError
from harness.scanners.requirements import read
from scanner_parts import Project

LISTED = """\
# a comment
--index-url https://example.com/simple
-c constraints.txt
Flask[async]==1.0.2 ; python_version < "3.12"  # why
jinja2==2.10 \\
    --hash=sha256:aaa \\
    --hash=sha256:bbb
Zope.Interface == 5.0.0rc1
torch==1.9.0+cu111
-r more/base.txt
--requirement=more/base.txt
loose>=1
bare
star==1.*
exact===1.0
two==1.0,!=1.1
url @ https://example.com/url-1.0.zip
-e ./here
./there
https://example.com/x.whl
"""


def test_pins_are_checked_and_everything_else_is_told(project: Project) -> None:
    app = project({"requirements.txt": LISTED, "more/base.txt": "\ufeffclick==8.0\n-r ../requirements.txt\n"})
    found = read(app, ["requirements.txt"])
    assert [(pin.name, pin.version, pin.path, pin.line) for pin in found.pins] == [
        ("flask", "1.0.2", "requirements.txt", 4),
        ("jinja2", "2.10", "requirements.txt", 5),
        ("zope-interface", "5.0.0rc1", "requirements.txt", 8),
        ("torch", "1.9.0+cu111", "requirements.txt", 9),
        ("click", "8.0", "more/base.txt", 1),
    ]
    assert [(entry.text, entry.line) for entry in found.unchecked] == [
        ("loose>=1", 12),
        ("bare", 13),
        ("star==1.*", 14),
        ("exact===1.0", 15),
        ("two==1.0,!=1.1", 16),
        ("url @ https://example.com/url-1.0.zip", 17),
        ("-e ./here", 18),
        ("./there", 19),
        ("https://example.com/x.whl", 20),
    ]
    assert all(entry.why for entry in found.unchecked)
    assert found.files == ("requirements.txt", "more/base.txt")


def test_a_continued_last_line_is_not_lost(project: Project) -> None:
    app = project({"requirements.txt": "a==1 \\"})
    assert [pin.name for pin in read(app, ["requirements.txt"]).pins] == ["a"]


def test_a_missing_file_is_named(project: Project) -> None:
    app = project({"requirements.txt": "-r gone.txt\n"})
    with pytest.raises(ToolError, match=r"cannot read the requirement file gone.txt \(No such file"):
        read(app, ["requirements.txt"])


def test_a_file_that_is_no_text_is_an_error(project: Project) -> None:
    app = project({})
    (app / "requirements.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ToolError, match="not UTF-8"):
        read(app, ["requirements.txt"])
