"""Gets what commands need and machines may lack: a Python environment, interpreters, a broker.

`environment` for the commands' own Python packages, `runtimes` for interpreters by name,
`broker` for an MQTT broker on loopback. What cannot be had raises `Unavailable` with the reason.
"""


class Unavailable(Exception):
    """Something asked for cannot be had on this machine; the text says why and what would help."""
