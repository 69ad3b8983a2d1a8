"""External tools that read source, tests and dependencies: one file per tool, each runs it and reads its report.

`interface` holds what they share: a `Scan` is what a tool came to, `attempt` turns a broken tool into one, `tell`
records one with a check.
"""
