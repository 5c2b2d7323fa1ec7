"""A board's network: preference, loss, wrong passwords, addresses; in simulated time."""

import fake_network as network_module
from support import raises, skip

from agent import config
from agent.errors import BadConfig
from agent.mqtt.backoff import Backoff
from agent.twin import settings

try:
    from agent.network import MOST_REFUSED_MS, REFUSED_MS, WATCH_MS, Gate, Network
except ImportError:
    Network = None  # limpetd is built without: Linux has its own


class Lines:
    def __init__(self):
        self.lines = []

    def info(self, text, *values):
        self.lines.append(text % values)

    warning = error = info


def check_there():
    if Network is None:
        skip("built without a board's network")


class Bench:
    """A Network in a world of its own; `run` lets time pass."""

    def __init__(self, air, wifi=(), **options):
        check_there()
        self.world = network_module.reset()
        self.world.air = dict(air)
        self.world.cable = options.pop("cable", None)
        values = {"wifi": list(wifi)}
        values.update(options)
        self.options = config.check({"device": "d", "network": values})["network"]
        self.log = Lines()
        self.told = []
        self.now = 0
        backoff = Backoff(lambda count: bytes([128] * count), 2000)
        hands = (self.log, lambda now: self.told.append("up"), self.told.append)
        self.network = Network(self.options, "pump-7", network_module, backoff, *hands)

    def run(self, milliseconds):
        """Call `step` when it is due, for so long."""
        until, steps = self.now + milliseconds, 0
        while self.network.due <= until:
            self.now = max(self.now, self.network.due)
            self.network.step(self.now)
            steps += 1
            if steps > milliseconds // 20 + 100:
                raise AssertionError("it never rests")
        self.now = until
        return steps

    def ssids(self):
        return [ssid for ssid, _ in self.world.asked]


HOME = {"ssid": "home", "password": "password-1"}
SITE = {"ssid": "site", "password": "password-2"}
OPEN = {"ssid": "open"}
AIR = {"home": "password-1", "site": "password-2", "open": None}


def test_the_first_network_that_is_there_is_taken():
    bench = Bench(AIR, [HOME, SITE])
    bench.run(5000)
    assert bench.told == ["up"] and bench.ssids() == ["home"]
    report = bench.network.report()
    assert report == {
        "up": True,
        "losses": 0,
        "faults": {},
        "interface": "wifi",
        "address": "10.0.0.7",
        "ssid": "home",
        "rssi_dbm": -61,
    }


def test_networks_are_tried_in_their_order_and_an_open_one_without_a_password():
    bench = Bench({"open": None}, [HOME, SITE, OPEN])
    bench.run(10000)
    assert bench.world.asked == [("home", "password-1"), ("site", "password-2"), ("open", None)]
    assert bench.network.report()["faults"] == {"home": "not found", "site": "not found"}


def test_a_wrong_password_is_reported_once_and_never_hammered():
    bench = Bench({"home": "another-one"}, [HOME])
    day_ms = 24 * 3600 * 1000
    bench.run(day_ms)
    # a minute, two, four ... an hour: 29 in a day
    assert len(bench.ssids()) <= 6 + day_ms // MOST_REFUSED_MS
    assert bench.ssids().count("home") >= 20
    assert bench.log.lines == ["network home: wrong password"]
    assert bench.network.report()["faults"] == {"home": "wrong password"}
    assert "password-1" not in str(bench.network.report()) + str(bench.log.lines)


def test_a_wrong_password_keeps_no_other_network_from_being_tried():
    bench = Bench({"home": "another-one", "site": "password-2"}, [HOME, SITE])
    bench.run(5000)
    assert bench.network.report()["ssid"] == "site"
    bench.world.air.pop("site")
    bench.run(REFUSED_MS // 2)
    assert bench.ssids().count("home") == 1 and bench.ssids().count("site") > 2
    bench.world.air["home"] = "password-1"
    bench.run(20 * REFUSED_MS)
    assert bench.network.report()["ssid"] == "home"
    assert bench.network.report()["faults"].get("home") is None


def test_a_lost_access_point_is_told_at_once_and_the_preferred_network_tried_first():
    bench = Bench({"site": "password-2"}, [HOME, SITE])
    bench.run(5000)
    assert bench.network.report()["ssid"] == "site"
    bench.world.air = dict(AIR)
    bench.world.station.wanted = ("gone", None)
    bench.run(WATCH_MS)
    assert bench.told[:2] == ["up", "wifi site is gone"]
    bench.run(5000)
    assert bench.told[2:] == ["up"] and bench.network.report()["ssid"] == "home"
    assert bench.network.report()["losses"] == 1


def test_without_any_network_it_pauses_longer_and_longer_and_rests():
    bench = Bench({}, [HOME, SITE])
    bench.run(3_600_000)
    tried = len(bench.ssids())
    assert 20 < tried < 60
    bench.run(3_600_000)
    assert len(bench.ssids()) - tried <= 26  # every five minutes


def test_an_access_point_that_never_answers_is_given_up():
    bench = Bench(AIR, [HOME, SITE], join_s=5)
    bench.world.silent = True
    bench.run(4900)
    assert bench.ssids() == ["home"]
    bench.run(1000)
    assert bench.ssids() == ["home", "site"]
    assert bench.network.report() == {
        "up": False,
        "losses": 0,
        "faults": {"home": "no answer in time"},
        "joining": "site",
    }


def test_a_cable_is_taken_before_wifi_and_found_when_it_is_put_in():
    options = {"phy_type": "PHY_LAN8720", "phy_addr": 1}
    bench = Bench(AIR, [HOME], cable=False, ethernet={"options": options})
    bench.world.air = {}
    bench.run(60_000)
    assert not bench.network.is_up
    assert bench.world.settings["lan"] == {"phy_type": 1, "phy_addr": 1}
    bench.world.cable = True
    bench.run(2 * WATCH_MS)
    assert bench.network.report()["interface"] == "ethernet"
    bench.world.air = dict(AIR)
    bench.world.cable = False
    bench.run(5000)
    assert bench.network.report()["ssid"] == "home"


def test_a_board_without_ethernet_says_so_and_uses_wifi():
    bench = Bench(AIR, [HOME], ethernet={})
    bench.run(5000)
    assert bench.network.report()["ssid"] == "home"
    assert bench.log.lines[0] == "no ethernet: no PHY"


def test_a_fixed_address_holds_for_its_network_only():
    fixed = dict(
        HOME, address={"ip": "192.168.1.9/24", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    )
    bench = Bench(AIR, [fixed, SITE])
    bench.run(5000)
    assert bench.network.report()["address"] == "192.168.1.9"
    assert bench.world.dns == "9.9.9.9"
    bench.world.air.pop("home")
    bench.run(10_000)
    assert bench.network.report()["address"] == "10.0.0.7"


def test_name_country_and_power_save_are_set_before_joining():
    bench = Bench(AIR, [HOME], country="DE", power_save=False)
    bench.run(1)
    assert bench.world.names == {"hostname": "pump-7", "country": "DE"}
    assert bench.world.settings == {"reconnects": 0, "pm": network_module.WLAN.PM_NONE}
    bench = Bench(AIR, [HOME], hostname="other", power_save=True)
    bench.run(1)
    assert bench.world.names == {"hostname": "other"}
    assert bench.world.settings["pm"] == network_module.WLAN.PM_POWERSAVE
    bench = Bench(AIR, [HOME])
    bench.run(1)
    assert "pm" not in bench.world.settings


def test_what_needs_the_network_is_not_driven_without_it():
    class Part:
        due = 5

        def step(self, now):
            self.due = now + 1

    bench = Bench(AIR, [HOME])
    gate = Gate(bench.network, Part())
    assert gate.due is None
    bench.run(5000)
    assert gate.due == 5
    gate.step(9)
    assert gate.due == 10


WRONG = (
    ({}, "network: names neither wifi nor ethernet"),
    ({"wifi": [{}]}, "network.wifi[0].ssid: missing; expected a string of 1 to 32 characters"),
    ({"wifi": [{"ssid": "a", "password": "short"}]}, "network.wifi[0].password: expected"),
    (
        {
            "wifi": [
                dict(OPEN, address={"ip": "10.0.0.5", "gateway": "10.0.0.1", "dns": "1.1.1.1"})
            ]
        },
        "network.wifi[0].address.ip: expected an address as 10.0.0.5/24",
    ),
    (
        {"ethernet": {"address": {"ip": "10.0.0.5/8", "gateway": "10.0.0.256", "dns": "1.1.1.1"}}},
        "network.ethernet.address.gateway: expected an address as 10.0.0.5",
    ),
    (
        {"wifi": [OPEN], "country": "GER"},
        "network.country: expected a string of 2 to 2 characters",
    ),
    ({"wifi": [OPEN], "wep": 1}, "network.wep: unknown; known here: "),
)


def test_a_wrong_configuration_is_told_precisely_and_without_the_password():
    check_there()
    for values, text in WRONG:
        error = raises(BadConfig, config.check, {"device": "d", "network": values})
        assert error.message.startswith(text), error.message
        assert "short" not in error.message


def test_a_build_without_it_says_so():
    if Network is None:
        error = raises(BadConfig, config.check, {"device": "d", "network": {"wifi": [OPEN]}})
        assert error.message == "network: left out of this firmware, which uses the system's"


def test_passwords_are_not_among_the_settings_that_are_shown():
    check_there()
    values = config.check({"device": "d", "network": {"wifi": [OPEN, HOME]}})
    shown, secrets = settings.public(config.FIELDS, values)
    assert secrets == ["network.wifi[1].password"]
    assert shown["network"]["wifi"][1] == {"ssid": "home", "address": None}
    assert values["network"]["wifi"][1]["password"] == "password-1"
    assert settings.rule("network") == (settings.RESTART, True)
