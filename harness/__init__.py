"""gonogo: one trusted answer to "may this release go?".

The distribution is called ``gonogo``, the import name is ``harness``. ``docs/architecture.md`` tells how the
parts fit; importing this package imports nothing else, so that it costs nothing where it is not used.
"""

__version__ = "0.1.0"
