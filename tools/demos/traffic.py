"""Says in words what goes to the demo's device and what comes back, one line each.

Rule: it only listens. What others do on a shared broker is left out.
"""

import datetime
import json

from fleet.cli.present import printable, shortened, width
from fleet.link import Link

from .stage import ROOT_TOPIC

CONNECT_WITHIN_S = 10
RETRY_S = (0.5, 5.0)


def listen(stage):
    """Print from now on; returns the link, to be closed. Raises fleet.Unreachable."""

    def received(topic, payload, retained):
        line = None if retained else tell(stage.agent.device, topic, payload)
        if line:
            _print(line)

    link = Link(stage.address, None, RETRY_S, received, lambda _connection: None, _print)
    filters = [(f"{ROOT_TOPIC}/{stage.agent.device}/+", 1), (f"{ROOT_TOPIC}/reply/#", 1)]
    link.open(filters, CONNECT_WITHIN_S)
    return link


def _print(line):
    now = datetime.datetime.now().strftime("%H:%M:%S")
    print(shortened(f"{now}  {printable(line)}", width()), flush=True)


def tell(device, topic, payload):
    """One message as a line, or None for what is not of this device or says nothing new."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return (
            f"{topic}: {len(payload)} bytes that are no JSON object" if device in topic else None
        )
    if topic.startswith(f"{ROOT_TOPIC}/reply/"):
        return _reply(device, said) if said.get("device") == device else None
    kind = topic.rsplit("/", 1)[1]
    if kind == "call":
        return f"-> {device}  {said.get('method')} {_compact(said.get('params', {}))}"
    if kind == "status":
        return f"   {device}  is {said.get('state')}, clock {said.get('clock')}"
    return f"   {device}  {kind} {_compact(said)}"


def _reply(device, said):
    error = said.get("error")
    if isinstance(error, dict):
        return f"<- {device}  error {error.get('code')}: {error.get('message')}"
    return f"<- {device}  {_compact(said.get('result'))}"


def _compact(value):
    return json.dumps(value, ensure_ascii=False)
