"""A greenhouse: how wet the soil is, and a pump that wets it.

Copy the folder, give it another name (the folder, this file, `name` in app.json), and write your
own commands. `limpet describe DEVICE greenhouse.water` then shows what is declared here.
"""

from agent.apps import App, Unavailable, integer, number, text

app = App()

DRY = 0.2  # below this the schedule says so: a number to set for the soil at hand


class Soil:
    """Reads a sensor that Linux shows as a file, as IIO and hwmon do; a board has an ADC."""

    def __init__(self):
        self.path = None
        self.is_dry = False

    def wetness(self):
        """From 0, dry, to 1. Raises Unavailable, which the caller gets as it stands."""
        if self.path is None:
            raise Unavailable("no sensor: greenhouse.use tells where it is")
        try:
            with open(self.path) as file:
                return int(file.read()) / 1000
        except (OSError, ValueError) as error:
            raise Unavailable("%s: %s" % (self.path, error))


soil = Soil()


@app.on_start
def begin(hands):
    """What `save` kept is there again, whatever happened to the device meanwhile."""
    soil.path = hands.load().get("path")


@app.command(
    "use",
    (text("path", low=1, high=255, about="a file that holds thousandths of full wetness"),),
    about="Read this sensor from now on, also after a restart. How wet the soil is.",
)
def use(params):
    """Change a setting that survives a power cut."""
    app.hands.save({"path": params["path"]})
    soil.path = params["path"]
    return wetness({})


@app.schedule(every=60)
@app.command("wetness", permission="read", repeat="repeat", about="How wet the soil is, 0 to 1.")
def wetness(params):
    """Answer, and tell whoever watches when it becomes dry; once, not each minute."""
    value = soil.wetness()
    if value < DRY and not soil.is_dry:
        app.hands.event("dry", {"wetness": value})
    soil.is_dry = value < DRY
    return {"wetness": value}


@app.task(
    "water",
    (
        integer("seconds", 10, low=1, high=600, unit="s"),
        number("until", 1, low=0, high=1, about="stop before, when it is as wet as this"),
    ),
    about="Run the pump. How long it ran, and how wet the soil is.",
)
def water(params, job):
    """Long work: each yield rests, tells, and is where a caller's cancel ends it."""
    ran = 0
    while ran < params["seconds"] and soil.wetness() < params["until"]:
        job.progress(ran / params["seconds"], "watering")
        yield 1000  # ms; the pump's own line would be switched before and after the loop
        ran += 1
    return {"seconds": ran, "wetness": soil.wetness()}


@app.health
def check():
    """An update of this app is kept only while this finds nothing wrong."""
    return None if soil.path is None else _ask()


def _ask():
    try:
        soil.wetness()
    except Unavailable as error:
        return error.message
    return None
