"""The verdict: an in-toto Statement that a deploy step verifies; building, writing, reading and verifying it."""
