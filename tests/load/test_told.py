"""What Locust's own statistics show of a run: in a process of its own, as importing Locust changes the one that does it."""

import json
import subprocess
import sys

SCRIPT = """
import json, locust
from itertools import count
from random import Random
from locust.stats import RequestStats
from harness.load.generator import told as module
from harness.load.generator.recorder import Answer
from harness.load.plan import Plan
from harness.load.result import Kind

random, calls, clock = Random(1), [], iter(range(0, 10**13, 1_234_567))
module.now = lambda: next(clock)
plan = Plan("r", "api", "http://127.0.0.1/", "", "", duration=1, timeout=1, late_after=1, rate=1)

class Fake:
    def prime(self):
        calls.append("prime")

    def send(self):
        return Answer(random.choice([None, None, Kind.REFUSED]), 200, size=random.randrange(100))

    def close(self):
        calls.append("close")

def shown(stats):
    names = ("num_requests", "num_failures", "min_response_time", "max_response_time", "total_content_length",
             "median_response_time", "response_times")
    entries = [stats.total, stats.get("api", "GET")]
    return [
        [*(getattr(entry, name) for name in names), round(entry.avg_response_time, 6), sum(entry.num_reqs_per_sec.values())]
        for entry in entries
    ] + [{key: error.occurrences for key, error in stats.errors.items()}]

batches, single = RequestStats(), RequestStats()
told = module.Told(Fake(), plan, batches)
told.prime()
for _ in range(2000):
    answer = told.send()
    single.log_request("GET", "api", 1.234567, answer.size)
    if answer.kind:
        single.log_error("GET", "api", str(answer.kind))
told.close()
told.close()

slow, seen = RequestStats(), []
clock = iter(range(0, 10**13, 100_000_000))
told = module.Told(Fake(), plan, slow)
for _ in range(12):
    told.send()
    seen.append(slow.num_requests)
told.close()
print(json.dumps([shown(batches) == shown(single), shown(batches), calls, seen, slow.num_requests], default=str))
"""


def test_batches_are_told_as_single_requests_are() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    same, batches, calls, seen, at_last = json.loads(done.stdout)
    assert same, batches
    assert batches[0][0] == 2000
    assert calls == ["prime", "close", "close", "close"]
    assert seen == [1] * 5 + [6] * 5 + [11] * 2, "a small batch is told after a second"
    assert at_last == 12
