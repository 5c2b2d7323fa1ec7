"""The broker's URL and the topics: what is taken, what is refused, and where no password shows."""

import pytest
from fleet import AddressError, address
from fleet.topics import Topics, check_device_name, is_device_name

SECRET = "s3cret"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(address.VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://h", ("h", 1883, None, None, False)),
        ("mqtts://h/", ("h", 8883, None, None, True)),
        ("mqtt://ann:p%40ss%2F@h:99", ("h", 99, "ann", "p@ss/", False)),
        ("mqtt://ann:a@b@h", ("h", 1883, "ann", "a@b", False)),
        ("mqtt://ann@h", ("h", 1883, "ann", None, False)),
        ("mqtt://[::1]:1884", ("::1", 1884, None, None, False)),
    ],
)
def test_a_url_names_host_port_user_and_tls(url, expected):
    found = address.parse(url)
    assert (found.host, found.port, found.user, found.password, found.tls) == expected


def test_without_a_url_the_variable_counts_and_then_this_machine(monkeypatch):
    assert address.parse() == address.parse("mqtt://127.0.0.1:1883")
    monkeypatch.setenv(address.VARIABLE, "mqtt://elsewhere")
    assert address.parse().host == "elsewhere"
    assert address.parse("mqtt://here").host == "here"


def test_the_password_is_in_no_text_of_an_address():
    found = address.parse(f"mqtts://ann:{SECRET}@[::1]:7")
    assert str(found) == "mqtts://ann@[::1]:7"
    assert SECRET not in repr(found) + str(found) + f"{found}"


@pytest.mark.parametrize(
    "url",
    [
        f"ann:{SECRET}@h",
        f"http://ann:{SECRET}@h",
        f"mqtt://ann:{SECRET}/x@h",
        f"mqtt://ann:{SECRET}#x@h",
        f"mqtt://ann:{SECRET}?x@h",
        f"mqtt://ann:12/{SECRET}@h",
        f"mqtt://ann:x@h:{SECRET}",
        f"mqtt://ann:x@h:99999/{SECRET}",
        f"mqtt://ann:{SECRET}@h:0",
        f"mqtt://ann:{SECRET}@",
        f"mqtt://ann:{SECRET}@[h",
        f"mqtt://h?password={SECRET}",
    ],
)
def test_a_malformed_url_is_refused_without_repeating_any_of_it(url):
    with pytest.raises(AddressError) as caught:
        address.parse(url)
    assert "mqtt://user:password@host:port" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_device_name_follows_the_rule():
    for name in ("a", "pump-7", "A_b-9", "x" * 64, "replyx"):
        assert is_device_name(name)
    for name in ("", "x" * 65, "a/b", "+", "#", "a b", "ü", "a\n", "all", "reply", None, 7):
        assert not is_device_name(name)
    with pytest.raises(AddressError, match="reserved"):
        check_device_name("all")


@pytest.mark.parametrize("root", ["", "a/", "/a", "$SYS", "a/+/b", "#", "a\0"])
def test_a_root_that_makes_no_topic_is_refused(root):
    with pytest.raises(AddressError):
        Topics(root, "s")


def test_topics_are_taken_apart_as_they_were_put_together():
    topics = Topics("site/limpet", "s1")
    assert topics.call("pump-7") == "site/limpet/pump-7/call"
    assert topics.split(topics.reply("pump-7")) == ("reply", "pump-7")
    assert topics.split("site/limpet/pump-7/status") == ("status", "pump-7")
    assert topics.split("site/limpet/pump-7/about") == ("about", "pump-7")
    for other in (
        "site/limpet/reply/other/pump-7",
        "site/limpet/all/status",
        "site/limpet/pump-7/data/x",
        "site/limpet/pump-7/job/status",
        "limpet/pump-7/status",
        topics.echo,
    ):
        assert topics.split(other) is None


def test_a_reply_topic_longer_than_a_device_takes_is_refused():
    with pytest.raises(AddressError, match="128"):
        Topics("r" * 60, "s" * 16).reply("d" * 64)
