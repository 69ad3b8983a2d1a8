"""Breakages: for each check of the integration gate the thing that, broken, makes exactly this check fail."""
