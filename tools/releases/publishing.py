"""Releases told to devices over MQTT, and their blobs served there and over HTTP.

A device asks on ROOT/blob/ask/ID: "TREE OFFSET COUNT"; it is answered on ROOT/blob/give/ID with
messages of "TREE OFFSET\\n" and bytes of that stream from there on, SLICE at most in each. For a
keyring TREE is "keyring-PRODUCT-NUMBER". The one rule: whatever is asked, only blobs and keyrings
are read. QoS 0 both ways: what is lost is asked for again.
"""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import paho.mqtt.client as paho
from fleet import address as addresses

SLICE = 2048
MOST = 65536  # bytes asked for at once
_HEX = "0123456789abcdef"


class Server:
    """Answers what comes on the broker from one depot.

    `address` is a fleet.address.Address, with user and TLS, in place of `host` and `port`; `ca` a
    file of certificates to trust in place of the system's.
    """

    def __init__(self, depot, host, port, root="limpet", address=None, ca=None):
        self.depot = depot
        self.root = root
        self.given = {}  # name: bytes of it that were sent
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.on_connect = lambda *told: self.client.subscribe(root + "/blob/ask/+", 0)
        self.client.on_message = self._take
        if address is not None:
            host, port = address.host, address.port
            if address.user is not None:
                self.client.username_pw_set(address.user, address.password)
            if address.tls:
                self.client.tls_set_context(ssl.create_default_context(cafile=ca))
        self.client.connect(host, port)

    def start(self):
        """Serve in a thread of its own."""
        self.client.loop_start()
        return self

    def close(self):
        """Stop serving."""
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, channel, data):
        """Tell every device of a release, also those that come later."""
        topic = "%s/release/%s" % (self.root, channel)
        self.client.publish(topic, data, 1, retain=True).wait_for_publish(20)

    def _take(self, client, userdata, message):
        device = message.topic.rsplit("/", 1)[-1]
        words = message.payload.decode("ascii", "replace").split(" ")
        if len(words) != 3 or not words[1].isdigit() or not words[2].isdigit():
            return
        name, offset, count = words[0], int(words[1]), min(int(words[2]), MOST)
        data = read(self.depot, name)
        if data is None:
            return
        for at in range(offset, min(offset + count, len(data)), SLICE):
            piece = data[at : min(at + SLICE, offset + count)]
            self.give(device, name, at, piece)

    def give(self, device, name, at, piece):
        """Send one answer."""
        payload = ("%s %d\n" % (name, at)).encode() + piece
        self.given[name] = self.given.get(name, 0) + len(piece)
        self.client.publish("%s/blob/give/%s" % (self.root, device), payload, 0)


def read(depot, name):
    """A blob's stream or a keyring by its name, None if there is none."""
    if len(name) == 32 and all(one in _HEX for one in name):
        place = ("blobs", name)
    elif name.startswith("keyring-") and name[8:].replace("-", "").isalnum():
        place = ("keyrings", *name[8:].rsplit("-", 1))
    else:
        return None
    try:
        return depot.read(*place)
    except OSError:
        return None


def publish(depot, options, data):
    """As the command line asks."""
    address = addresses.parse(options.broker)
    server = Server(depot, None, None, options.root_topic, address, options.ca).start()
    server.publish(options.channel, data)
    print("published: %s/release/%s on %s" % (options.root_topic, options.channel, address))
    if options.serve:
        _serve_on(depot, options, address)
    server.close()


def serve(depot, options):
    """As the command line asks."""
    address = addresses.parse(options.broker)
    server = Server(depot, None, None, options.root_topic, address, options.ca).start()
    _serve_on(depot, options, address)
    server.close()


def _serve_on(depot, options, address):
    print("answering %s/blob/ask/+ on %s, until Ctrl-C" % (options.root_topic, address))
    if options.http is not None:
        host, _, port = options.http.rpartition(":")
        server = serve_http(depot, int(port), host or "127.0.0.1")
        print("and http://%s:%d/" % server.server_address[:2])
    sys.stdout.flush()
    threading.Event().wait()


class Ranges(BaseHTTPRequestHandler):
    """Blobs by GET, from the byte on that a Range names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802 - the name that the library calls
        """Answer with a blob's stream, or the rest of it."""
        data = read(self.depot, self.path.rsplit("/", 1)[-1])
        if data is None:
            self.send_error(404)
            return
        start = 0
        words = self.headers.get("Range", "")
        if words.startswith("bytes=") and words.endswith("-") and words[6:-1].isdigit():
            start = int(words[6:-1])
        self.send_response(206 if start else 200)
        if start:
            span = "bytes %d-%d/%d" % (start, len(data) - 1, len(data))
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(max(0, len(data) - start)))
        self.end_headers()
        self.wfile.write(data[start:])

    def log_message(self, *words):
        """Say nothing."""


def serve_http(depot, port, host="127.0.0.1"):
    """Serve blobs over HTTP in a thread; the server."""
    handler = type("Handler", (Ranges,), {"depot": depot})
    server = ThreadingHTTPServer((host, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
