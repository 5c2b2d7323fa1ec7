"""The broker's URL: `mqtt://user:password@host:port`, or `mqtts://` for TLS.

Rule: a password goes in here and comes out in `Address.password` only. No text made here repeats
any part of a URL that was not understood, since a stray `/` or `#` makes a password look like a
port or a path.
"""

import os
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from .errors import AddressError

VARIABLE = "LIMPET_BROKER"
DEFAULT = "mqtt://127.0.0.1:1883"
PORTS = {"mqtt": 1883, "mqtts": 8883}
_FORM = "a broker is written as mqtt://user:password@host:port (mqtts:// for TLS)"


@dataclass(frozen=True, repr=False)
class Address:
    """Where a broker is and who asks. `str()` leaves the password out."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool

    def __str__(self):
        scheme = "mqtts" if self.tls else "mqtt"
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{scheme}://{user}{host}:{self.port}"

    def __repr__(self):
        return f"<Address {self}>"


def parse(url: str | None = None) -> Address:
    """The address in `url`, else in `$LIMPET_BROKER`, else the broker of this machine.

    Raises AddressError.
    """
    url = url or os.environ.get(VARIABLE) or DEFAULT
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError(f"the port is not a number from 1 to 65535: {_FORM}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise AddressError(_FORM)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise AddressError(
            f"{_FORM} and ends there; in a password, write / as %2F, # as %23, ? as %3F"
        )
    if port == 0:
        raise AddressError(f"the port is not a number from 1 to 65535: {_FORM}")
    return Address(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        user=_decoded(parts.username),
        password=_decoded(parts.password),
        tls=parts.scheme == "mqtts",
    )


def _decoded(text):
    return None if text is None else unquote(text)
