"""agent/keys.py: a damaged record of the keys never opens a device to everybody."""

from faulty.disk import Disk

from agent.keys import Keyring
from agent.store import Store

PROVISIONED = (
    b'{"keys":[{"name":"ann","permissions":["read","admin"],'
    b'"secret":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}]}'
)


def make(disk):
    keyring = Keyring(Store("data", disk), "data", disk)
    keyring.load()
    return keyring


def provisioned():
    disk = Disk()
    disk._seen["data/keys.json"] = PROVISIONED
    keyring = make(disk)
    assert keyring.fault is None and keyring.configured, (keyring.fault, keyring.notice)
    return disk


def test_keys_are_there_after_a_restart_without_the_file_they_came_in():
    disk = provisioned()
    del disk._seen["data/keys.json"]
    assert make(disk).configured


def test_a_damaged_record_is_a_fault_and_no_absence_of_keys():
    disk = provisioned()
    del disk._seen["data/keys.json"]
    for path in list(disk._seen):
        if "/keys." in path:
            torn = bytearray(disk._seen[path])
            torn[-3] ^= 1
            disk._seen[path] = bytes(torn)
    keyring = make(disk)
    assert keyring.configured and "damaged" in keyring.fault


def test_a_damaged_record_is_made_good_from_the_file_where_it_still_is():
    disk = provisioned()
    for path in list(disk._seen):
        if path in ("data/keys.0", "data/keys.1"):
            disk._seen[path] = b""
    keyring = make(disk)
    assert keyring.configured and keyring.fault is None
