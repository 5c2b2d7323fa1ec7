"""A board's way onto its network: Wi-Fi, several in order of preference, and Ethernet.

Ethernet is taken where its cable is in; else the networks are tried in their order, one after the
other, and after a round a pause that doubles. The one rule: nothing here waits, and what is
refused for its password is reported and left alone, for a minute at first and an hour at most: an
access point that is asked again and again shuts a device out. Loaded only where the configuration
has `network`. Owner: the main thread.

`module` is MicroPython's `network` (docs/library/network.rst), or what stands for it.
"""

LOOK_MS = 250  # between two looks at a network that is being joined
WATCH_MS = 2000  # at one that is there
REFUSED_MS = 60_000
MOST_REFUSED_MS = 3_600_000

# Ends of an attempt, by the names of the module's constants: which there are depends on the port.
# (name, what it means, whether trying again would be of no use)
_ENDS = (
    ("STAT_WRONG_PASSWORD", "wrong password", True),
    ("STAT_HANDSHAKE_TIMEOUT", "no handshake, as with a wrong password", True),
    ("STAT_NO_AP_FOUND", "not found", False),
    ("STAT_ASSOC_FAIL", "not admitted", False),
    ("STAT_BEACON_TIMEOUT", "lost at once", False),
    ("STAT_CONNECT_FAIL", "cannot be joined", False),
)
_PINS = ("mdc", "mdio", "power", "ref_clk", "reset")  # of LAN's parameters


def check(values, error):
    """Raise error(message) unless `network` of a checked configuration can be."""
    if not values["wifi"] and values["ethernet"] is None:
        raise error("network: names neither wifi nor ethernet")
    places = [("wifi[%d]" % index, one) for index, one in enumerate(values["wifi"])]
    for place, one in places + [("ethernet", values["ethernet"])]:
        address = one and one["address"]
        if address:
            path = "network.%s.address." % place
            _check_address(path + "ip", address["ip"], True, error)
            _check_address(path + "gateway", address["gateway"], False, error)
            _check_address(path + "dns", address["dns"], False, error)


def _check_address(path, text, has_mask, error):
    ip, mark, length = text.partition("/")
    parts = ip.split(".")
    good = len(parts) == 4 and all([part.isdigit() and int(part) < 256 for part in parts])
    if has_mask:
        good = good and length.isdigit() and 1 <= int(length) <= 30
    if not good or bool(mark) != has_mask:
        raise error("%s: expected an address as 10.0.0.5%s" % (path, "/24" if has_mask else ""))


class Network:
    """`options` is `network` of the configuration; `backoff` a Backoff.

    `up(now)` is called when there is a network, `down(reason)` when there is none any more.
    `due` is when `step` wants to be called next.
    """

    def __init__(self, options, name, module, backoff, log, up, down):
        self._options, self._name, self._module = options, name, module
        self._networks = options["wifi"]
        self._backoff, self._log, self._up, self._down = backoff, log, up, down
        self._station = self._cable = None
        self._in_use = None  # the interface
        self._index = None  # of the network being joined, or in use
        self._until = 0  # when joining it has failed
        self._since = 0  # when it came up
        self._held = {}  # index: (not before, for how long) of what was refused
        self._has_fixed = False  # whether the station's address was given by us
        self._began = False
        self._ends = {
            getattr(module, name): (text, is_final)
            for name, text, is_final in _ENDS
            if hasattr(module, name)
        }
        self.faults = {}  # ssid: why it could not be joined last
        self.losses = 0
        self.due = 0

    @property
    def is_up(self):
        """Whether there is a network."""
        return self._in_use is not None

    def step(self, now):
        """Look at what is there, go on with what is being joined."""
        if not self._began:
            self._began = True
            self._begin()
            self._index = -1
            self._next(now)
        elif self.is_up:
            self._watch(now)
        elif self._cable is not None and self._cable.isconnected():
            self._come_up(self._cable, now)
        elif self._index is None:
            if now >= self._until:
                self._index = -1
                self._next(now)
            else:
                self._plan(now, WATCH_MS)
        else:
            self._look(now)

    def _begin(self):
        module, options = self._module, self._options
        if options["country"]:
            module.country(options["country"])
        module.hostname((options["hostname"] or self._name)[:32])
        if options["ethernet"] is not None:
            try:
                self._cable = self._open_cable(options["ethernet"])
            except (OSError, ValueError, TypeError, AttributeError, ImportError) as error:
                self._log.error("no ethernet: %s", error)
        if self._networks:
            self._open_station()

    def _open_cable(self, wanted):
        words = {}
        for name, value in (wanted["options"] or {}).items():
            if name in _PINS:
                from machine import Pin

                value = Pin(value)
            elif isinstance(value, str):
                value = getattr(self._module, value)  # a constant, as PHY_LAN8720
            words[name] = value
        cable = self._module.LAN(**words)
        cable.active(True)
        self._set_address(cable, wanted["address"])
        return cable

    def _open_station(self):
        self._station = station = self._module.WLAN(self._module.WLAN.IF_STA)
        station.active(True)
        settings = [("reconnects", 0)]  # that is done here; and only so ESP32 tells why it failed
        saves = self._options["power_save"]
        if saves is not None:
            settings.append(("pm", station.PM_POWERSAVE if saves else station.PM_NONE))
        for name, value in settings:
            try:
                station.config(**{name: value})
            except (ValueError, OSError, TypeError):
                pass  # a port that has no such parameter has nothing to set

    def _set_address(self, interface, address):
        if address is None:
            if interface is self._station and self._has_fixed:
                interface.ipconfig(dhcp4=True)
                self._has_fixed = False
            return
        interface.ipconfig(addr4=address["ip"], gw4=address["gateway"])
        self._module.ipconfig(dns=address["dns"])
        self._has_fixed = self._has_fixed or interface is self._station

    def _next(self, now):
        """Join the next network, or pause after the last."""
        index = self._index + 1
        while index < len(self._networks) and now < self._held.get(index, (0, 0))[0]:
            index += 1
        if index < len(self._networks):
            self._index = index
            self._join(now)
            return
        self._index = None
        self._until = now + self._backoff.next_ms()
        self._plan(now, WATCH_MS)

    def _plan(self, now, most_ms):
        """Wait for the next round; a cable may be put in meanwhile."""
        self.due = self._until if self._cable is None else min(self._until, now + most_ms)

    def _join(self, now):
        one = self._networks[self._index]
        try:
            self._station.disconnect()
        except OSError:
            pass  # there was nothing to leave
        try:
            self._set_address(self._station, one["address"])
            self._station.connect(one["ssid"], one["password"])
        except (OSError, ValueError) as error:
            self._fail(now, "cannot be joined: %s" % error, False)
            return
        self._until = now + self._options["join_s"] * 1000
        self.due = now + LOOK_MS

    def _look(self, now):
        if self._station.isconnected():
            self._come_up(self._station, now)
            return
        text, is_final = self._ends.get(self._station.status(), (None, False))
        if text is not None or now >= self._until:
            self._fail(now, text or "no answer in time", is_final)
        else:
            self.due = now + LOOK_MS

    def _fail(self, now, text, is_final):
        ssid = self._networks[self._index]["ssid"]
        if self.faults.get(ssid) != text:  # once, however often it is tried
            self._log.warning("network %s: %s", ssid, text)
        self.faults[ssid] = text
        if is_final:
            wait_ms = min(
                2 * self._held.get(self._index, (0, REFUSED_MS // 2))[1], MOST_REFUSED_MS
            )
            self._held[self._index] = (now + wait_ms, wait_ms)
        self._next(now)

    def _come_up(self, interface, now):
        self._in_use = interface
        self._since = now
        if interface is self._station:
            self.faults.pop(self._networks[self._index]["ssid"], None)
            self._held.pop(self._index, None)
        self.due = now + WATCH_MS
        self._log.info("network: %s", self._describe())
        self._up(now)

    def _watch(self, now):
        if self._in_use.isconnected():
            self.due = now + WATCH_MS
            return
        text = "%s is gone" % self._describe()
        self._log.warning("network: %s", text)
        self._in_use = None
        self.losses += 1
        self._backoff.lasted(now - self._since)
        self._down(text)
        self._index = -1
        self._next(now)

    def _describe(self):
        if self._in_use is self._cable:
            return "ethernet"
        return "wifi " + self._networks[self._index]["ssid"]

    def report(self):
        """What `system.info` says of it; no secret is in it."""
        words = {"up": self.is_up, "losses": self.losses, "faults": dict(self.faults)}
        if not self.is_up:
            joining = self._index is not None and self._index >= 0
            words["joining"] = self._networks[self._index]["ssid"] if joining else None
            return words
        words["interface"] = "ethernet" if self._in_use is self._cable else "wifi"
        words["address"] = self._in_use.ipconfig("addr4")[0]
        if self._in_use is self._station:
            words["ssid"] = self._networks[self._index]["ssid"]
            try:
                words["rssi_dbm"] = self._station.status("rssi")
            except (OSError, ValueError, TypeError):
                pass  # a port that cannot tell
        return words


class Gate:
    """A part of the loop that needs a network: it is not driven while there is none."""

    def __init__(self, network, part):
        self._network = network
        self._part = part

    @property
    def due(self):
        """As the part's, None without a network."""
        return self._part.due if self._network.is_up else None

    def step(self, now):
        """As the part's."""
        self._part.step(now)
