"""What runs inside Locust's own process: the schedule, the requests, the recording. Standard library and gevent only."""
