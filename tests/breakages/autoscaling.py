"""Scaling limits: the emulator has none, so nothing of them can be broken here; `tests/aws/test_autoscaling.py` judges
recorded answers instead."""

from breakages.parts import Breakage

BREAKAGES: tuple[Breakage, ...] = ()
