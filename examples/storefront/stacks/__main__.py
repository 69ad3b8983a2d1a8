"""``python -m stacks ENVIRONMENT`` prints the template, ready for ``aws cloudformation deploy``."""

import json
import sys

from stacks.messaging import template


def main(arguments: list[str]) -> int:
    """Print one environment's template; returns the exit code."""
    if len(arguments) != 1 or not arguments[0].isalnum():
        sys.stderr.write("usage: python -m stacks ENVIRONMENT\n")
        return 2
    sys.stdout.write(json.dumps(template(arguments[0]), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
