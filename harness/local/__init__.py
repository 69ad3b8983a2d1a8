"""The embedded stand-in: an AWS emulator, PostgreSQL and the example application, provisioned from a profile."""
