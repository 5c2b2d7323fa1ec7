"""`i2c.*` and what else reaches chips on a bus, through their declarations, on fakes."""

from device_registry import Bench

from agent.devices import codes, layout
from agent.devices.i2c import Buses
from agent.devices.i2c_fake import FakeBus
from agent.devices.ioctl_fake import FakeTransport
from agent.devices.sysfs_fake import FakeTree

TARGET = (codes.GENERIC, layout.LINUX_32)
BUS, CHIP = "/dev/i2c-1", 0x48


def i2c():
    driver = FakeBus(TARGET, {CHIP: bytearray(256)}, held=(0x50,))
    transport = FakeTransport({BUS: driver}, TARGET)
    bench = Bench(i2c=Buses(transport, FakeTree(driver.files)))
    bench.transport = transport
    return bench


def test_a_register_is_written_and_read_and_its_old_value_told():
    here = i2c()
    place = {"path": BUS, "address": CHIP, "register": 16}
    assert here.call("i2c.write", data=[1, 2], **place) == {"before": [0, 0]}
    assert here.call("i2c.write", data=[3], **place) == {"before": [1]}
    assert here.call("i2c.read", size=2, **place) == {"data": [3, 2]}
    assert here.call("i2c.write", data=[9], read_before=False, **place) == {"before": None}
    assert here.asked[0] == ("bus", BUS, CHIP, CHIP, True)
    assert here.asked[2] == ("bus", BUS, CHIP, CHIP, False)
    assert here.transport.open_files == 0


def test_a_transfer_counts_as_writing_where_it_writes():
    here = i2c()
    here.call("i2c.transfer", path=BUS, address=CHIP, data=[4, 77])
    assert here.call("i2c.transfer", path=BUS, address=CHIP, data=[4], size=1) == {"data": [77]}
    here.call("i2c.transfer", path=BUS, address=CHIP, size=1)
    assert [words[-1] for words in here.asked] == [True, True, False]


def test_a_bus_is_listed_by_anybody_and_scanned_where_the_policy_allows():
    here = i2c()
    told = here.call("i2c.list")
    assert told[0]["path"] == BUS and told[0]["name"] == "limpet bus" and "i2c" in told[0]["can"]
    assert here.call("i2c.scan", path=BUS) == {"found": [CHIP], "held": [0x50]}
    assert here.asked == [("bus", BUS, 0x08, 0x77, False)]
    place = {"path": BUS, "address": CHIP}
    here.check_closed(
        (
            ("i2c.scan", {"path": BUS}),
            ("i2c.read", place),
            ("i2c.write", {"path": BUS, "address": CHIP, "data": [1]}),
            ("i2c.transfer", place),
        )
    )


def test_wrong_addresses_sizes_and_bytes_are_refused_by_name():
    here = i2c()
    for params, word in (
        ({"address": 0x80}, "address"),
        ({"address": -1}, "address"),
        ({"address": CHIP, "size": 0}, "size"),
        ({"address": CHIP, "size": 513}, "size"),
        ({"address": CHIP, "register": 65536}, "register"),
        ({"address": CHIP, "register": "x"}, "register"),
    ):
        error = here.refused("i2c.read", path=BUS, **params)
        assert error.code == "bad-params" and error.message.startswith(word), error.message
    error = here.refused("i2c.write", path=BUS, address=CHIP, data=[256])
    assert error.code == "bad-params" and "data[0]" in error.message
    assert here.refused("i2c.read", path=BUS, address=0x29).code == "unavailable"
    assert here.refused("i2c.read", path=BUS, address=0x50).code == "busy"
    assert here.refused("i2c.read", path="/dev/null", address=1).code == "bad-params"


def test_no_caller_hands_an_address_of_memory_to_the_kernel():
    here = Bench(ioctl=i2c().transport)
    for value in ({"value": {"msgs": 4096, "nmsgs": 1}}, {"data": "AAAA"}, {}):
        error = here.refused("ioctl.call", path=BUS, request="I2C_RDWR", stall_ms=9, **value)
        assert error.code == "bad-params" and "own memory" in error.message
    error = here.refused("ioctl.call", path=BUS, request=0x0720, stall_ms=9)
    assert "own memory" in error.message
