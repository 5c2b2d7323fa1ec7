"""Names are looked up beside the link, and a resolver that hangs or fails does not stop it."""

import threading
import time

import wakeup
from interpreter import THREADS
from mqtt_broker import Broker, Stage
from support import raises, skip
from test_link import make

from agent.mqtt import transports
from agent.mqtt.events import Disconnected
from agent.mqtt.resolver import Resolver

PATIENCE_S = 20


def need_threads():
    if THREADS != "gil":
        skip("threads that can be trusted")


class Names:
    """A resolver that answers when it is let, and fails when it is told to."""

    def __init__(self, address):
        self.address = address
        self.may_answer = threading.Event()
        self.fails = False
        self.asked = 0

    def find(self, host, port):
        self.asked += 1
        self.may_answer.wait(PATIENCE_S)
        if self.fails:
            raise OSError(2)
        from agent.mqtt.tcp import socket_address

        return socket_address(self.address[0], self.address[1])


def wait_for(resolver, host="broker.example", port=1883):
    """What comes of looking, in the end."""
    end = time.time() + PATIENCE_S
    while time.time() < end:
        found = resolver.look(host, port)
        if found is not None:
            return found
        time.sleep(0.001)
    raise AssertionError("no answer")


def test_an_address_needs_no_other_thread():
    resolver = Resolver(None)
    assert resolver.look("127.0.0.1", 1883)[1]


def test_a_link_goes_on_while_its_name_is_looked_up():
    need_threads()
    broker = Broker()
    names = Names(broker.address)
    channel = wakeup.Channel()
    resolver = Resolver(channel.set, names.find)
    transport = transports.transport(None, None, resolver)
    here = make([("broker.example", 1883)], channel=channel, transport=transport)
    stage = Stage(here, broker)
    for _ in range(20):
        stage.round()
    assert not here.connected and broker.accepted == 0 and names.asked == 1
    names.may_answer.set()
    stage.connect()
    here.close(stage.now)
    broker.close()


def test_a_resolver_that_hangs_costs_the_attempt_and_one_thread():
    need_threads()
    names = Names(("127.0.0.1", 1))
    channel = wakeup.Channel()
    transport = transports.transport(None, None, Resolver(channel.set, names.find))
    here = make([("broker.example", 1883)], channel=channel, transport=transport)
    stage = Stage(here)
    for _ in range(3):
        stage.now += 6000
        stage.round()
    codes = [event.code for event in stage.events if isinstance(event, Disconnected)]
    assert codes and set(codes) == {"timeout"} and names.asked == 1
    names.may_answer.set()
    here.close(stage.now)


def test_the_last_address_is_tried_when_the_name_is_not_found():
    need_threads()
    names = Names(("127.0.0.1", 1883))
    names.may_answer.set()
    resolver = Resolver(lambda: None, names.find)
    first = wait_for(resolver)
    names.fails = True
    assert wait_for(resolver) == first
    assert raises(OSError, wait_for, resolver, "other.example").args[0] == 2
