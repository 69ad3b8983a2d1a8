"""What one would look up next when a load rule is broken: how requests failed, the first of them, the slowest."""

from collections.abc import Collection, Iterable

from harness.load.metrics import METRICS
from harness.load.result import Kind, LoadResult, Seen, StepResult
from harness.model import Unit

_HINTS = {
    Kind.DNS: "the host does not resolve: correct the scenario's url, or deploy its DNS record",
    Kind.REFUSED: "nothing listens there: see whether the service runs and its load balancer has healthy targets",
    Kind.TLS: "the TLS handshake fails: see the certificate's names, chain and dates",
    Kind.TIMEOUT: "answers do not come in time: see the service's CPU, its database's connections and slow queries",
    Kind.CLOSED: "connections end before the answer: see the service's restarts and the load balancer's idle time-out",
    Kind.CONTENT: "answers without what they must hold: see the steps and the first failing requests below",
    Kind.SLOW: "steps later than their max_time: see which below, and what the service waits for in them",
    Kind.TASK: "tasks of the locustfile raise: read the first of them below; it may be the service or the locustfile",
    Kind.STATUS: "unexpected answers: read what they say below, and the service's log for that time",
}
_STEPS = 20
_FACTS = 8
_SLOW = "too slow rather than failing: see the service's CPU, its database's slow queries, and its number of tasks"


def hint(result: LoadResult, broken: Collection[str] = ()) -> str:
    """One line that says where to look: from the metrics whose rules are `broken`, and how most of the failing requests failed.

    A rule on response times says nothing about quick failures, of which there may be some: only time-outs are among its times.
    """
    failures = {kind: count for kind, count in result.failures.items() if count}
    if broken and all(METRICS[metric].unit is Unit.SECONDS for metric in broken) and result.latency.count:
        failures = {kind: count for kind, count in failures.items() if kind is Kind.TIMEOUT}
    if not failures:
        return _SLOW
    most = max(failures, key=lambda kind: failures[kind])
    return _HINTS.get(most, "read the first failing requests below, and the service's log for that time")


def lines(result: LoadResult) -> list[str]:
    """For people; failures first."""
    told = []
    if kinds := ", ".join(f"{kind} {count}" for kind, count in _by_count(result) if count):
        told.append(f"failing requests by kind: {kinds}")
    if result.statuses:
        told.append("answers by status: " + ", ".join(f"{code} {n}" for code, n in result.statuses.items()))
    if lost := result.sent - result.completed - result.timed_out:
        told.append(
            f"{lost} requests had no end when the timeout after the run was over, and were cut off: they count as lost"
        )
    told.extend(_steps(result))
    if result.first_failures:
        told.append("first failing requests:")
        told.extend(f"  {_ends(seen)}" for seen in _alike(result.first_failures))
    if result.slowest:
        told.append("slowest requests:")
        told.extend(f"  {_row(seen)}" for seen in result.slowest)
    told.append(f"times are from {result.started[:19]}Z on, when counting began")
    if result.ended_early:
        told.append("the load was ended early: with stop_early = false the scenario goes on to its end")
    return told


def _steps(result: LoadResult) -> list[str]:
    """Each kind of request of journeys and locustfiles; those that failed most often first."""
    ordered = sorted(result.steps.items(), key=lambda item: -item[1].failed)
    told = [f"  {name}: {_of(step)}" for name, step in ordered[:_STEPS]]
    more = f", {_STEPS} of {len(ordered)}" if len(ordered) > _STEPS else ""
    return [f"requests by step{more}:", *told] if told else []


def _of(step: StepResult) -> str:
    times = step.latency.percentiles
    took = f", p50 {_ms(times.get('p50'))}, p95 {_ms(times.get('p95'))}" if step.latency.count else ""
    return f"{step.sent} sent, {step.failed} failed{took}"


def _by_count(result: LoadResult) -> list[tuple[Kind, int]]:
    return sorted(result.failures.items(), key=lambda item: -item[1])


def _alike(rows: Iterable[Seen]) -> list[list[Seen]]:
    """Requests that ended alike are told together."""
    groups: dict[str, list[Seen]] = {}
    for seen in rows:
        groups.setdefault(_end(seen), []).append(seen)
    return list(groups.values())


def _ends(alike: list[Seen]) -> str:
    times = ", ".join(f"{seen.at:.3f}" for seen in alike)
    return f"at {times} s: {_end(alike[0])}"


def _row(seen: Seen) -> str:
    return f"at {seen.at:.3f} s, {seen.latency / 1e6:.1f} ms, {seen.kind or f'status {seen.status}'}"


def _end(seen: Seen) -> str:
    if not seen.kind:
        return f"status {seen.status}"
    named = seen.detail.startswith(str(seen.kind))
    return seen.detail if named else f"{seen.kind}: {seen.detail}" if seen.detail else str(seen.kind)


def summary(result: LoadResult) -> dict[str, str]:
    """How the run went, for the record: the model, the generator's own figures, the times from the actual start."""
    planned = f"open, {result.planned} requests planned" if result.planned is not None else "closed"
    when = "before them to warm up" if result.planned is not None else "before or after the time that counts"
    uncounted = f"{result.warm_up} {when}"
    exact = "exact" if result.latency.exact else "from buckets 0.4 % wide"
    facts = {
        "model": f"{planned}, {result.sent} sent, {uncounted}",
        "generator": (
            f"CPU {result.cpu:.1%} of a core, schedule lag p99 {_ms(result.lag.percentiles.get('p99'))}, "
            f"{result.late} late, {result.dropped} dropped, {result.retried} sent again on a new connection"
        ),
        "percentiles": exact,
    }
    if "p95" in result.service_time.percentiles:
        facts["p95 from the actual start"] = _ms(result.service_time.percentiles["p95"])
    for name, step in list(result.steps.items())[:_FACTS]:
        facts[f"step {name}"] = _of(step)
    return facts


def _ms(value: int | None) -> str:
    return "no data" if value is None else f"{value / 1e6:.1f} ms"
