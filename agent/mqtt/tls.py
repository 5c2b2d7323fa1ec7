"""TLS over TCP: the transport of a link that trusts neither network nor broker's name alone.

One rule: the broker's certificate and name are verified unless the configuration says otherwise,
and what fails is told as what it is: a certificate, this device's clock, or what this interpreter
lacks. Nothing waits; the handshake is driven by the link's reads and writes, under the deadline of
its attempt. A back-end file, loaded only where TLS is asked for: `tls` of MicroPython and `ssl` of
CPython differ in nearly everything. Seals, not TLS, keep one device from commanding another.
"""

import time
from binascii import a2b_base64
from errno import EAGAIN, EBADF

from agent.mqtt.faults import TransportError
from agent.mqtt.tcp import Tcp

try:
    import tls as _native  # MicroPython's own; its `ssl`, where there is one, does not verify

    _WANT = ()
except ImportError:
    _native = None
    import ssl

    _WANT = (ssl.SSLWantReadError, ssl.SSLWantWriteError)

_PEM = b"-----BEGIN "

# Words by which both libraries say that a certificate is not valid at this time, or not at all.
_WRONG_TIME = ("expired", "not yet valid", "in the future")
_CERTIFICATE = _WRONG_TIME + ("certificate", "hostname", "ip address mismatch", "invalid cert")


class Tls:
    """One connection to `host`:`port`, with what tcp.py asks of a transport.

    `options` has ca, certificate, key (paths of PEM or DER files, or None), name (which the
    certificate must carry; None: the host) and verify. `handshaking`: written bytes wait for the
    broker, not for room.
    """

    buffers = True  # a record may hold more than one read took, of which the poller knows nothing

    def __init__(self, host, port, options, resolver=None):
        self._tcp = Tcp(host, port, resolver)
        self.name = self._tcp.name + " (TLS)"
        self._server = options["name"] or host
        self._options = options
        self._channel = self._context = None
        self._read = self._write = None
        self.pollable = None
        self.handshaking = False

    def open(self):
        """Read the files, then begin to connect. Raises TransportError."""
        self._context = make_context(self._options)
        self._tcp.open()
        self._show()

    def _show(self):
        """Give the poller what there is by now."""
        pollable = self._tcp.pollable
        if pollable is not None and self.pollable is None:
            # On CPython the socket made below takes over the descriptor from the first.
            self.pollable = pollable if _native else pollable.fileno()

    def finish(self):
        """Whether the connection is there; the handshake goes with the first bytes."""
        if not self._tcp.finish():
            self._show()
            return False
        try:
            self._channel = channel = self._context.wrap_socket(
                self._tcp.pollable, server_hostname=self._server, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:
            raise self._failure(error)
        self._read = channel.readinto if _native else channel.recv_into
        self._write = channel.write if _native else channel.send
        self.handshaking = True
        return True

    def read_into(self, view):
        """Bytes that were put into `view`, 0 if none are there now."""
        count = self._try(self._read, view)
        if count == 0:
            raise TransportError("lost", "%s closed the connection" % self.name)
        return count or 0

    def write(self, data):
        """How many bytes of `data` were taken."""
        count = self._try(self._write, data) or 0
        if count:
            self.handshaking = False
        return count

    def _try(self, call, data):
        """What `call(data)` returns, None where it would have to wait."""
        try:
            return call(data)
        except _WANT:
            return None
        except (OSError, ValueError) as error:
            if error.args and error.args[0] == EAGAIN:
                return None
            raise self._failure(error)

    def _failure(self, error):
        words = "%s" % (error.args[-1] if error.args else error)
        said = words.lower()
        code = "lost"
        if _has(said, _CERTIFICATE):
            code = "certificate"
        elif "eof" not in said and _is_of_tls(error):
            code = "tls"
        if _has(said, _WRONG_TIME):
            words += "; this device's clock says %04d-%02d-%02d" % time.gmtime()[:3]
        return TransportError(code, "%s: %s" % (self.name, words.replace("\n", " ").strip()))

    def acknowledge(self):
        """Let the other side know now that what was read has come."""
        if _native:
            self._tcp.acknowledge()

    def close(self):
        """Give everything back; take it out of every poller first. May be called again."""
        channel, self._channel = self._channel, None
        self.pollable = None
        if channel is None:
            self._tcp.close()
        elif _native is None or not _is_freed(channel):
            channel.close()  # closes the socket too, which must not happen twice
            self._tcp.pollable = None
        else:
            self._tcp.close()


def _is_freed(channel):
    """Whether MicroPython has let go of the socket, as it does where a handshake fails."""
    try:
        channel.readinto(bytearray(1))
    except OSError as error:
        return error.args[0] == EBADF
    except ValueError:
        return True
    return False


def _is_of_tls(error):
    """Whether the library speaks, not the system: mbedtls has numbers below zero."""
    if _native is None:
        return isinstance(error, (ssl.SSLError, ValueError))
    return isinstance(error, ValueError) or error.args[0] < 0


def _has(text, words):
    return any([word in text for word in words])


def make_context(options):
    """The library's context from `options`. Raises TransportError with the path that is wrong."""
    if _native is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        required, nothing = ssl.CERT_REQUIRED, ssl.CERT_NONE
    else:
        context = _native.SSLContext(_native.PROTOCOL_TLS_CLIENT)
        required, nothing = _native.CERT_REQUIRED, _native.CERT_NONE
    if not options["verify"] and _native is None:
        context.check_hostname = False  # or CPython refuses the next line
    context.verify_mode = required if options["verify"] else nothing
    if options["verify"]:
        _trust(context, options["ca"])
    if options["certificate"]:
        _identify(context, options["certificate"], options["key"] or options["certificate"])
    return context


def _trust(context, path):
    if path is None:
        if _native:
            text = "mqtt.tls.ca is missing: this interpreter knows no certificate authority"
            raise TransportError("tls", text)
        context.load_default_certs()
        return
    for data in _read_blocks(path, b"CERTIFICATE"):
        try:
            if _native:
                context.load_verify_locations(data)
            else:
                context.load_verify_locations(cadata=data)
        except (OSError, ValueError) as error:
            raise TransportError("tls", "%s: not a certificate: %s" % (path, error.args[-1]))


def _identify(context, certificate, key):
    try:
        if _native is None:
            context.load_cert_chain(certificate, key)
        else:
            context.load_cert_chain(
                _read_blocks(certificate, b"CERTIFICATE")[0], _read_blocks(key, b"PRIVATE KEY")[0]
            )
    except (OSError, ValueError) as error:
        words = "%s, %s: not a certificate and its key: %s"
        raise TransportError("tls", words % (certificate, key, error.args[-1]))


def _read_blocks(path, label):
    """The DER data in a file of PEM blocks (RFC 7468) whose name ends with `label`, or of DER.

    MicroPython's Linux packages are built without PEM. Raises TransportError.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise TransportError("tls", "%s: cannot be read: %s" % (path, error))
    if _PEM not in data:
        return [data]
    blocks = []
    for block in data.split(_PEM)[1:]:
        name, rest = block.split(b"-----", 1)
        if name.endswith(label):
            body = rest.split(b"-----END", 1)[0]
            blocks.append(a2b_base64(b"".join(body.split())))
    if not blocks:
        raise TransportError("tls", "%s: holds no %s" % (path, label.decode()))
    return blocks
