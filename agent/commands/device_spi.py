"""`spi.*`: chips that are sent bytes and send as many back.

The one rule: every transfer counts as writing: on SPI nobody can read alone.
"""

from agent import schema
from agent.commands.device_parameters import byte_list, path
from agent.devices import spi

NEEDS = ("spi",)


def _list(hardware, params):
    return hardware.use("spi").chips()


def _transfer(hardware, params):
    hardware.guard("bus", params["path"], 0, 0, True)
    with hardware.use("spi").open(params["path"], params["settings"]) as chip:
        return {"data": list(chip.transfer(bytes(params["data"])))}


_DEFAULTS = spi.DEFAULTS
_SETTINGS = (
    schema.integer("mode", _DEFAULTS["mode"], low=0, high=3, about="2 * polarity + phase"),
    schema.integer("speed_hz", _DEFAULTS["speed_hz"], low=1, high=1_000_000_000, unit="Hz"),
    schema.integer("bits", _DEFAULTS["bits"], low=1, high=32, about="of a word"),
    schema.boolean("lsb_first", _DEFAULTS["lsb_first"]),
    schema.boolean("cs_high", _DEFAULTS["cs_high"], about="selected by 1"),
    schema.integer("cs", None, low=0, high=255, about="on a board: the pin that selects the chip"),
)

COMMANDS = (
    ("list", _list, (), "read", "repeat", "Every chip: path, mode."),
    ("transfer", _transfer,
     (path("the chip, /dev/spidev0.0; on a board the bus, spi0"),
      byte_list("data", 1, spi.MAX_BYTES),
      schema.structure("settings", _SETTINGS, {})),
     "act", "once", "Sends bytes while the chip is selected. {data: what came meanwhile}"),
)  # fmt: skip
