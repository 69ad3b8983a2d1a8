"""The real parts that these tests ask."""

from aws_parts import (  # noqa: F401 - fixtures
    aws,
    credentials,
    database,
    guarded_url,
    http,
    make_profile,
    no_inherited_aws,
    owner,
    stack_url,
    stub,
)
