"""A device for tests of the callers' side: paho-mqtt, the wire contract, and a script.

Rule: it does what its script says, true or false, and nothing of the agent is in it. A script is
a dict of method name to `function(device, request)`; what it returns is the result, `SILENCE`
sends nothing, and `Refuse(code, message, data)` is an error. `TRUTHS` are the commands every
device has, `LIES` what a broken or hostile one may do.
"""

import contextlib
import json
import queue
import time

import paho.mqtt.client as paho

SILENCE = object()
TIMEOUT_S = 10


class Refuse(Exception):
    """The error response that a scripted command gives."""

    def __init__(self, code, message, data=None):
        super().__init__(code)
        self.body = {"code": code, "message": message}
        if data is not None:
            self.body["data"] = data


class ScriptedDevice:
    """`with ScriptedDevice(broker, "pump-7") as device:` is online until the block ends.

    `device.requests` is a queue of every request as it arrived: a dict, with the MQTT 5
    properties under `properties`.
    """

    def __init__(self, broker, name, script=None, root="limpet", version=paho.MQTTv5, about=None):
        self.broker = broker
        self.name = name
        self.root = root
        self.script = dict(TRUTHS, **(script or {}))
        self.about = ABOUT if about is None else about
        self.requests = queue.Queue()
        self._ready = queue.Queue()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"scripted-{name}", protocol=version
        )
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self._ready.put(True)
        self.client.on_message = self._received

    def __enter__(self):
        self.client.will_set(self._topic("status"), json.dumps(OFFLINE), 1, True)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(self.broker.host, self.broker.port)
        self.client.loop_start()
        self._ready.get(timeout=TIMEOUT_S)
        return self

    def __exit__(self, *_exception):
        if self.client.is_connected():
            # A connection that ends just now leaves it to the will.
            with contextlib.suppress(RuntimeError):
                self.say("status", OFFLINE)
        self.client.disconnect()
        self.client.loop_stop()

    def say(self, kind, document):
        """Publish on a topic of its own, retained, and wait until the broker has it."""
        payload = document if isinstance(document, bytes) else json.dumps(document)
        self.client.publish(self._topic(kind), payload, 1, True).wait_for_publish(TIMEOUT_S)

    def reply(self, request, topic=None, raw=None, **members):
        """Send a response; `members` change or add to what belongs into it."""
        body = {"id": request["id"], "device": self.name, "uptime_ms": 1, **members}
        payload = json.dumps(body) if raw is None else raw
        self.client.publish(topic or request["reply"], payload, 1)

    def _topic(self, kind):
        return f"{self.root}/{self.name}/{kind}"

    def _connected(self, client, *_):
        client.subscribe(self._topic("call"), 1)
        client.publish(self._topic("about"), json.dumps(self.about), 1, True)
        client.publish(self._topic("status"), json.dumps(ONLINE), 1, True)

    def _received(self, _client, _userdata, message):
        request = json.loads(message.payload)
        self.requests.put(dict(request, properties=message.properties))
        try:
            result = self._run(request)
        except Refuse as refusal:
            self.reply(request, error=refusal.body)
        else:
            if result is not SILENCE:
                self.reply(request, result=result)

    def _run(self, request):
        command = self.script.get(request["method"])
        if command is None:
            raise Refuse("unknown-method", f"{request['method']}: this device has no such command")
        return command(self, request)


ONLINE = {"state": "online", "boot": 3, "nonce": "n3", "clock": "synced", "next": None}
OFFLINE = {"state": "offline", "boot": 3, "nonce": "n3", "clock": "synced", "next": None}
ABOUT = {"agent": "0.0", "runtime": "Scripted 1.0", "board": "test bench"}

COMMANDS = {
    "rpc.describe": ("read", "repeat", "One command: its parameters."),
    "rpc.list": ("read", "repeat", "All commands of this device."),
    "system.echo": ("read", "repeat", "The text again."),
    "system.ping": ("read", "repeat", "Nothing but an answer. {}"),
    "valve.open": ("act", "once", "Opens a valve."),
}
PARAMS = {
    "rpc.describe": [{"name": "method", "type": "text", "required": True}],
    "system.echo": [{"name": "text", "type": "text", "required": False, "default": ""}],
    "valve.open": [
        {
            "name": "degrees",
            "type": "number",
            "required": True,
            "low": 0,
            "high": 90,
            "unit": "deg",
            "about": "how far",
        },
        {"name": "mode", "type": "text", "required": False, "default": "slow",
         "choices": ["slow", "fast"]},
    ],
}  # fmt: skip


def _describe(_device, request):
    name = request["params"].get("method")
    if name not in COMMANDS:
        raise Refuse("unknown-method", f"{name}: this device has no such command")
    return dict(_summary(name), params=PARAMS.get(name, []))


def _list(_device, request):
    after = request["params"].get("after", "")
    family = request["params"].get("family")
    names = [n for n in sorted(COMMANDS) if n > after and family in (None, n.split(".")[0])]
    return {"commands": [_summary(name) for name in names[:2]], "more": len(names) > 2}


def _summary(name):
    permission, repeat, about = COMMANDS[name]
    return {"name": name, "permission": permission, "repeat": repeat, "about": about}


def _open(_device, request):
    if "degrees" not in request["params"]:
        raise Refuse("bad-params", "degrees: missing; expected a number from 0 to 90 (deg)")
    return request["params"]


TRUTHS = {
    "rpc.list": _list,
    "rpc.describe": _describe,
    "system.ping": lambda _device, _request: {},
    "system.echo": lambda _device, request: {"text": request["params"].get("text", "")},
    "valve.open": _open,
}


def _lie(**members):
    def answer(device, request):
        device.reply(request, **members)
        return SILENCE

    return answer


def _on_another_topic(device, request):
    device.reply(request, topic=request["reply"].rpartition("/")[0] + "/pump-8", result="lie")
    return SILENCE


def _late(device, request):
    time.sleep(request["params"]["seconds"])
    return "late"


LIES = {
    "lie.wrong_id": _lie(id="0123456789abcdef01234567", result="lie"),
    "lie.no_id": _lie(id=None, result="lie"),
    "lie.id_of_another_kind": _lie(id=["x"], result="lie"),
    "lie.other_device": _lie(device="pump-8", result="lie"),
    "lie.no_device": _lie(device=None, result="lie"),
    "lie.other_topic": _on_another_topic,
    "lie.silent": lambda _device, _request: SILENCE,
    "lie.garbage": _lie(raw=b'{"id": "half an ans'),
    "lie.bad_utf8": _lie(raw=b'{"id": "\xff\xfe"}'),
    "lie.not_an_object": _lie(raw=b"[1, 2]"),
    "lie.deep": _lie(raw=b"[" * 200_000),
    "lie.nan": _lie(raw=b'{"result": NaN}'),
    "lie.neither": _lie(),
    "lie.error_without_code": _lie(error={"message": "x"}),
    "lie.error_as_text": _lie(error="broken"),
    "lie.error_odd_message": _lie(error={"code": "odd", "message": {"a": 1}}),
    "lie.huge": _lie(result="x" * (4 * 1024 * 1024 + 1)),
    "lie.late": _late,
}
