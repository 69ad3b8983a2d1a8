"""Load: Locust run as a program, its requests recorded exactly, its figures turned into measurements."""
