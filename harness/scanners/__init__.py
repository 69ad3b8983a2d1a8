"""External tools that read source and dependencies: one file per tool, each runs it and reads its report."""
