"""What makes a link's connections, chosen by the configuration: TCP, TLS, WebSocket.

One rule: what is not asked for is not loaded.
"""

from agent.mqtt.tcp import Tcp


def transport(options, path=None, resolver=None):
    """What makes a link's connections: TCP where `options` is None, else TLS as tls.py says.

    With a `path` there is a WebSocket over it; `resolver` is a resolver.Resolver, or None.
    """

    def make(host, port):
        return Tcp(host, port, resolver)

    if options is not None:
        from agent.mqtt.tls import Tls

        def make(host, port):
            return Tls(host, port, options, resolver)

    if path is None:
        return make
    from agent.mqtt.websocket import WebSocket

    return lambda host, port: WebSocket(make(host, port), host, port, path)
