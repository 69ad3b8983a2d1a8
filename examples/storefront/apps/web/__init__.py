"""The web frontend: the only program that is reached from outside; passes API requests on."""
