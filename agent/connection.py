"""From the configuration to a connection: what the session, the link and the bridge are made with.

The one rule: a change of settings makes the same as a start would. Nothing here connects.
"""

from interpreter import THREADS, random_bytes

from agent.mqtt import settings, transports
from agent.mqtt.backoff import Backoff
from agent.mqtt.tcp import socket_address


def session_options(config):
    """The Settings of a session."""
    mqtt = config["mqtt"]
    return settings.Settings(
        client_id=mqtt["client_id"] or config["device"],
        username=mqtt["username"],
        password=mqtt["password"],
        keep_alive_s=mqtt["keep_alive_s"],
        session_expiry_s=mqtt["session_expiry_s"],
        receive_maximum=mqtt["receive_maximum"],
        maximum_packet_bytes=mqtt["maximum_packet_bytes"],
    )


def make_resolver(wake):
    """What looks up names beside the link; None where that stops it: no thread can be trusted."""
    if THREADS != "gil":
        return None
    from agent.mqtt.resolver import Resolver

    return Resolver(wake)


def link_options(config, resolver):
    """Brokers, back-off, time-out in ms and transport of a link."""
    mqtt = config["mqtt"]
    brokers = [(one["host"], one["port"]) for one in [mqtt] + mqtt["fallbacks"]]
    first_ms, most_ms = (int(mqtt["backoff_%s_s" % name] * 1000) for name in ("first", "most"))
    backoff = Backoff(random_bytes, first_ms, most_ms)
    transport = transports.transport(mqtt["tls"], mqtt["websocket"], resolver)
    return brokers, backoff, mqtt["connect_timeout_s"] * 1000, transport


def make_ntp(config, clock, log, resolver):
    """What asks for the time, where servers are configured, else None."""
    options = config["clock"]
    if not options["ntp"]:
        return None
    from agent.ntp import Ntp

    def take(unix_ms):
        if options["ntp_sets"]:
            try:
                clock.set_wall(unix_ms)
            except OSError as error:
                log.warning("the system's clock cannot be set: %s", error)
        clock.learn(unix_ms)

    def warn(text):
        log.warning("%s", text)

    servers = [(one["host"], one["port"]) for one in options["ntp"]]
    return Ntp(servers, take, warn, resolver.look if resolver else socket_address)


def call_targets(config):
    """The topics that calls come on, each with whom it speaks to."""
    names = [config["device"], "all"] + ["group/%s" % group for group in config["groups"]]
    return {"%s/%s/call" % (config["root"], name): name for name in names}


def sealed_targets(config):
    """What the gate knows: the topics of calls, and that of what is desired."""
    targets = call_targets(config)
    targets["%s/%s/desired" % (config["root"], config["device"])] = config["device"]
    return targets
