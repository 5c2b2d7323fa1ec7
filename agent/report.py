"""What an agent tells of itself when it is asked: `about`, capabilities, `system.info`.

The one rule: nothing here changes anything, and what is absent says why.
"""

from interpreter import THREADS, describe, memory

from agent import VERSION
from agent.devices import reset

NO_KEYS = "no key is configured: whoever reaches the broker may command this device"

WORKERS_REASONS = {
    "unsafe": "this interpreter has threads without a global lock, which are not safe",
    "none": "this interpreter has no threads",
}


def about(agent):
    """What is published on `about`."""
    runtime = describe()
    return {
        "agent": VERSION,
        "runtime": runtime,
        "board": runtime["machine"],
        "reset": reset.causes(),
        "capabilities": capabilities(agent),
        "commands": agent.registry.digest(),
        "slot": agent.update.slot,
    }


def capabilities(agent):
    """Each with its back end, or with the reason why it is absent."""
    count = len(agent.executor.running)
    reason = WORKERS_REASONS.get(THREADS, "the configuration says 0")
    lines = agent.hardware.devices.survey()
    lines["workers"] = {"count": count} if count else {"absent": reason}
    lines["storage"] = {"absent": agent.storage} if agent.storage else {"backend": "files"}
    lines["supervision"] = agent.optional.supervision()
    has_keys = agent.gate.keyring.configured
    lines["seals"] = {"form": "L1"} if has_keys else {"absent": NO_KEYS}
    return lines


def inform(agent):
    """What `system.info` answers."""
    unix_ms, quality = agent.clock.wall()
    now = agent.clock.now()
    executor, service, outbox = agent.executor, agent.service, agent.voice.outbox
    words = {
        "device": agent.device,
        "agent": VERSION,
        "runtime": describe(),
        "memory": memory(),
        "uptime_ms": now,
        "boot": agent.boot.number,
        "clock": {"unix_ms": unix_ms, "quality": quality},
        "workers": {
            "count": len(executor.running),
            "running": executor.busy(now),
            "refused": executor.refused,
            "replaced": executor.replaced,
        },
        "journal": agent.once.figures(),
        "outbox": outbox.figures() if outbox else None,
        "gate": {"keys": len(agent.gate.keyring.all()), "refused": agent.gate.audit.refused},
        "responses": {
            "results": service.answered,
            "errors": service.failed,
            "unanswerable": service.unanswerable,
            "declined": service.declined,
        },
    }
    network = agent.optional.network
    if network is not None:
        words["network"] = network.report()
    return words
