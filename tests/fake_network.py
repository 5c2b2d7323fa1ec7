"""A board's module `network`, for what is written for it: access points in the air, and a cable.

The one rule: what it takes and answers is what MicroPython's documentation of `network`,
`network.WLAN` and `network.LAN` says (from 1.25 on), no more; what is not there raises as a board
would. A test moves the world through `AIR` and `CABLE`, and time through `turn`.
"""

# As the port of ESP32 has them; others have other numbers, and not all of them.
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD, STAT_HANDSHAKE_TIMEOUT = 201, 202, 204
PHY_LAN8720 = 1
TAKES = 4  # looks at it until an attempt ends


class World:
    """What a test sets, and what was asked of the interfaces."""

    def __init__(self):
        self.air = {}  # ssid: password, None for open
        self.cable = None  # None: the board has no LAN
        self.asked = []  # (ssid, password) of each connect
        self.names = {}  # of hostname and country
        self.settings = {}  # of WLAN.config
        self.dns = None
        self.address = "10.0.0.7"
        self.silent = False  # attempts never end
        self.station = None


WORLD = World()


def reset():
    """A new world; the module keeps one, as a board does."""
    WORLD.__init__()
    return WORLD


def hostname(name=None):
    if name is not None:
        if len(name) > 32:
            raise ValueError("hostname")
        WORLD.names["hostname"] = name
    return WORLD.names.get("hostname")


def country(code=None):
    if code is not None:
        if len(code) != 2:
            raise ValueError("country")
        WORLD.names["country"] = code
    return WORLD.names.get("country")


def ipconfig(*words, **values):
    if words:
        return {"dns": WORLD.dns}[words[0]]
    WORLD.dns = values["dns"]
    return None


class Interface:
    """What WLAN and LAN share."""

    def __init__(self):
        self.is_active = False
        self.fixed = None

    def active(self, state=None):
        if state is None:
            return self.is_active
        self.is_active = bool(state)
        return None

    def ipconfig(self, *words, **values):
        if words:
            ip = self.fixed or WORLD.address + "/24"
            return {"addr4": (ip.split("/")[0], "255.255.255.0"), "dhcp4": self.fixed is None}[
                words[0]
            ]
        if values.get("dhcp4"):
            self.fixed = None
        self.fixed = values.get("addr4", self.fixed)
        return None


class WLAN(Interface):
    """The station."""

    IF_STA, IF_AP = 0, 1
    PM_NONE, PM_PERFORMANCE, PM_POWERSAVE = 0, 1, 2

    def __init__(self, interface):
        if interface != self.IF_STA:
            raise ValueError("interface")
        Interface.__init__(self)
        self.wanted = None
        self.left = 0
        WORLD.station = self

    def config(self, *words, **values):
        for name, value in values.items():
            if name not in ("pm", "reconnects", "txpower"):
                raise ValueError("unknown config param")
            WORLD.settings[name] = value

    def connect(self, ssid=None, key=None, bssid=None):
        if not self.is_active:
            raise OSError("Wifi Not Started")
        if self.wanted is not None:
            raise OSError("Wifi Internal State Error")
        WORLD.asked.append((ssid, key))
        self.wanted, self.left = (ssid, key), TAKES

    def disconnect(self):
        if not self.is_active:
            raise OSError("Wifi Not Started")
        self.wanted = None

    def isconnected(self):
        if self.wanted is None or WORLD.silent:
            return False
        self.left = max(0, self.left - 1)
        return not self.left and self._end() == STAT_GOT_IP

    def _end(self):
        ssid, key = self.wanted
        if ssid not in WORLD.air:
            return STAT_NO_AP_FOUND
        return STAT_GOT_IP if WORLD.air[ssid] == key else STAT_WRONG_PASSWORD

    def status(self, param=None):
        if param is not None:
            if param != "rssi":
                raise ValueError("unknown status param")
            return -61
        if self.wanted is None:
            return STAT_IDLE
        return STAT_CONNECTING if self.left or WORLD.silent else self._end()


class LAN(Interface):
    """The Ethernet of a board that has one."""

    def __init__(self, id=0, **words):
        if WORLD.cable is None:
            raise OSError("no PHY")
        Interface.__init__(self)
        WORLD.settings["lan"] = words

    def isconnected(self):
        return self.is_active and WORLD.cable
