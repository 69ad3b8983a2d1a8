"""The JSON Schema of a profile file, made from the same classes that validate it; editors read it."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from harness.profile import Tables
from harness.profile.keys import root_type
from harness.profile.schema import DURATION, RATE, SIZE
from harness.threshold import Threshold

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE_NAME = "profile.schema.json"
_WRITERS = {form.pattern: form.write for form in (DURATION, SIZE, RATE)}


class _Written(GenerateJsonSchema):
    """Describes values as a file holds them: defaults in their written form, and no null, which TOML lacks."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """Titles would repeat the keys."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if isinstance(default, Threshold):
            return {**described, "default": default.text}
        if isinstance(default, int | float) and (write := _WRITERS.get(described.get("pattern", ""))):
            return {**described, "default": write(default)}
        if isinstance(default, str | bool | int | float):
            return {**described, "default": default}
        return described

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def profile_schema(tables: Tables) -> dict[str, Any]:
    """The schema (Draft 2020-12) of one file, before anything it extends is laid below it.

    A file may hold a part only, so that nothing is required at the top; what an entry of a list must have, each
    must have, because lists are replaced whole.
    """
    schema = root_type(tables).model_json_schema(schema_generator=_Written)
    extends = {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]+$",
        "description": "The profile that this one is laid over.",
    }
    properties = {"extends": extends, **schema.pop("properties")}
    return {"$schema": DIALECT, **schema, "properties": properties}
