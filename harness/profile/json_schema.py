"""The JSON Schema of a profile file, made from the same classes that validate it; editors read it."""

from typing import Any

from harness.profile import Tables
from harness.profile.keys import root_type
from harness.shapes.json_schema import Describer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE_NAME = "profile.schema.json"


def profile_schema(tables: Tables) -> dict[str, Any]:
    """The schema (Draft 2020-12) of one file, before anything it extends is laid below it.

    Defaults are in their written form. A file may hold a part only, so that nothing is required at the top; what an
    entry of a list must have, each must have, because lists are replaced whole.
    """
    schema = Describer(titles=False, documented=True, nulls=False).whole(root_type(tables))
    extends = {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]+$",
        "description": "The profile that this one is laid over.",
    }
    properties = {"extends": extends, **schema.pop("properties")}
    return {"$schema": DIALECT, **schema, "properties": properties}
