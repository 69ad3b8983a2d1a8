import pytest

from harness.aws.dns_records import (
    DnsRecord,
    RecordState,
    find,
    plain_name,
    plain_target,
    plain_value,
    record_problems,
    record_state,
)
from harness.shapes import ValidationError

CNAME = DnsRecord(name="www.example.com", type="CNAME", values=["example.com"])


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Example.COM.", "example.com"),
        ("\\052.example.com.", "*.example.com"),
        ("*.example.com", "*.example.com"),
        ("a\\100b.example.com", "a@b.example.com"),
        (" example.com ", "example.com"),
    ],
)
def test_names_have_one_form(written: str, plain: str) -> None:
    assert plain_name(written) == plain


def test_a_load_balancer_is_the_same_with_and_without_dualstack() -> None:
    assert plain_target("dualstack.ALB-1.elb.amazonaws.com.") == plain_target("alb-1.elb.amazonaws.com")


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("A", "192.0.2.1", " 192.0.2.1 "),
        ("AAAA", "2001:DB8:0:0::1", "2001:db8::1"),
        ("CNAME", "Example.com.", "example.com"),
        ("NS", "NS-1.awsdns-1.com.", "ns-1.awsdns-1.com"),
        ("MX", "10  Mail.example.com.", "10 mail.example.com"),
        ("SRV", "1 2 443 Host.example.com.", "1 2 443 host.example.com"),
        ("TXT", '"v=spf1 -all"', "v=spf1 -all"),
        ("TXT", '"one " "two"', '"one two"'),
        ("TXT", '"a \\"b\\" \\100"', 'a "b" @'),
        ("CAA", '0  issue "amazon.com"', '0 issue "amazon.com"'),
    ],
)
def test_the_same_value_written_otherwise(kind: str, one: str, other: str) -> None:
    assert plain_value(kind, one) == plain_value(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("A", "192.0.2.1", "192.0.2.2"),
        ("AAAA", "not an address", "2001:db8::1"),
        ("TXT", "Case", "case"),
        ("MX", "10 mail.example.com", "20 mail.example.com"),
        ("MX", "mail.example.com", "10 mail.example.com"),
        ("CAA", '0 issue "a.example"', '0 issuewild "a.example"'),
    ],
)
def test_another_value(kind: str, one: str, other: str) -> None:
    assert plain_value(kind, one) != plain_value(kind, other)


def test_a_record_has_one_kind_of_target() -> None:
    for wrong in ({}, {"values": ["a"], "alias": "b"}, {"alias": "a", "load_balancer": "b"}):
        with pytest.raises(ValidationError, match="either `values`, `alias` or `load_balancer`"):
            DnsRecord.model_validate({"name": "a.example.com", "type": "A", **wrong})
    with pytest.raises(ValidationError, match="no time to live of its own"):
        DnsRecord(name="a.example.com", type="A", alias="b.example.com", ttl=60.0)


def test_a_record_set_is_read_whole() -> None:
    state = record_state(
        {
            "Name": "\\052.Example.com.",
            "Type": "A",
            "SetIdentifier": "blue",
            "AliasTarget": {"DNSName": "alb.example.com.", "HostedZoneId": "Z1"},
        }
    )
    assert state == RecordState("*.example.com", "A", alias="alb.example.com.", set_identifier="blue")
    values = record_state({"Name": "a.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"x"'}]})
    assert values == RecordState("a", "TXT", 60, ('"x"',))


@pytest.mark.parametrize(
    ("record", "state", "problem"),
    [
        (CNAME, RecordState("www.example.com", "CNAME", 300, ("Example.com.",)), ""),
        (CNAME, RecordState("www.example.com", "CNAME", 300, ("other.com",)), "is other.com, declared is example.com"),
        (CNAME, RecordState("www.example.com", "CNAME", alias="x.com"), "is an alias of x.com, declared are the values"),
        (CNAME, RecordState("www.example.com", "A", 300, ("192.0.2.1",)), "does not exist"),
    ],
)  # fmt: skip
def test_values_are_exactly_these(record: DnsRecord, state: RecordState, problem: str) -> None:
    problems = record_problems([record], [state])
    assert [found for found in problems if problem and problem in found] == list(problems)
    assert bool(problems) == bool(problem)


def test_the_order_of_values_does_not_count_and_one_too_many_does() -> None:
    record = DnsRecord(name="a.example.com", type="A", values=["192.0.2.1", "192.0.2.2"])
    state = RecordState("a.example.com", "A", 300, ("192.0.2.2", "192.0.2.1"))
    assert record_problems([record], [state]) == ()
    more = RecordState("a.example.com", "A", 300, (*state.values, "192.0.2.3"))
    assert record_problems([record], [more])


def test_the_time_to_live_is_judged_where_it_is_declared() -> None:
    state = RecordState("www.example.com", "CNAME", 60, ("example.com",))
    assert record_problems([CNAME], [state]) == ()
    declared = DnsRecord(**{**CNAME.model_dump(exclude_unset=True), "ttl": 300.0})
    assert record_problems([declared], [state]) == ("CNAME www.example.com lives 60 s, declared are 300 s",)
    assert record_problems([declared.model_copy(update={"ttl": 60.0})], [state]) == ()


def test_an_alias_is_compared_and_a_load_balancers_is_only_an_alias() -> None:
    record = DnsRecord(name="example.com", type="A", alias="alb.example.net")
    same = RecordState("example.com", "A", alias="dualstack.ALB.example.net.")
    other = RecordState("example.com", "A", alias="old.example.net.")
    plain = RecordState("example.com", "A", 60, ("192.0.2.1",))
    assert record_problems([record], [same]) == ()
    assert "points at old.example.net., declared is the alias" in record_problems([record], [other])[0]
    assert "has the values 192.0.2.1, declared is the alias" in record_problems([record], [plain])[0]
    balanced = DnsRecord(name="example.com", type="A", load_balancer="main")
    assert record_problems([balanced], [other]) == ()
    assert record_problems([balanced], [plain]) == ("A example.com is no alias; it has the values 192.0.2.1",)


def test_of_several_record_sets_the_profile_must_say_which() -> None:
    sets = [RecordState("www.example.com", "CNAME", 300, ("example.com",), "", name) for name in ("blue", "green")]  # fmt: skip
    (problem,) = record_problems([CNAME], sets)
    assert problem == (
        "CNAME www.example.com has 2 record sets (blue, green): say which is meant with `set_identifier`"
    )
    blue = CNAME.model_copy(update={"set_identifier": "blue"})
    assert record_problems([blue], sets) == ()
    assert find(blue, sets) == sets[0]
    assert record_problems([CNAME.model_copy(update={"set_identifier": "red"})], sets) == (
        "CNAME www.example.com (red) does not exist",
    )


def test_a_name_may_have_records_of_several_types() -> None:
    a = DnsRecord(name="Example.com.", type="A", alias="x.example.net")
    assert a.id == DnsRecord(name="example.com", type="A", values=["192.0.2.1"]).id
    assert a.id != DnsRecord(name="example.com", type="CAA", values=["x"]).id
    assert a.id != a.model_copy(update={"set_identifier": "blue"}).id
