"""Which modules limpetd is built without, and which are unpacked together.

The one rule: a group holds what is used together; the first one that has a module decides, and
what none names is in "core", which every agent unpacks. Unpacked code lies outside the heap. Kept
ready to run in the file instead, the core would take 60 KB more there, and its pages memory all
the same as they are used; unpacked it costs 35 KB of heap for its tables and 10 ms at the start.

A pattern stands for a module, or for a package and all that is in it.
"""

# Back ends of other runtimes, which ask for modules that this file has not.
OMITTED = (
    "agent/devices/*_cpython",
    "agent/devices/*_ffi",
    "agent/devices/*_machine",
    "agent/system_calls/cpython",
    "agent/system_calls/foreign",
)

CORE = "core"
GROUPS = (
    (CORE, ("agent/devices/__init__", "agent/devices/faults", "agent/devices/reset")),
    ("fakes", ("agent/devices/*_fake", "agent/devices/*_recorded")),
    (
        "serial",
        (
            "agent/devices/modbus*",
            "agent/devices/uart",
            "agent/commands/device_modbus",
            "agent/commands/device_uart",
        ),
    ),
    (
        "boards",
        tuple(["agent/devices/" + name for name in ("adc", "i2c", "led", "memory", "onewire")])
        + tuple(["agent/devices/" + name for name in ("pwm", "rtc", "spi")])
        + tuple(["agent/commands/device_" + name for name in ("analog", "i2c", "memory")])
        + tuple(["agent/commands/device_" + name for name in ("rtc", "spi")]),
    ),
    ("devices", ("agent/devices", "agent/commands/device_*")),
    ("files", ("agent/files", "agent/system_calls", "agent/commands/fs", "agent/commands/paths")),
    (
        "twin",
        (
            "agent/twin",
            "agent/commands/config",
            "agent/commands/log",
            "agent/log_feed",
            "agent/tuning",
        ),
    ),
    ("schedule", ("agent/schedule", "agent/commands/schedule")),
    ("update", ("agent/update", "agent/commands/update", "agent/commands/release")),
    (
        "code",
        (
            "agent/apps",
            "agent/code",
            "agent/commands/code",
            "agent/commands/app",
            "agent/commands/shell",
            "agent/commands/python",
            "agent/processes",
            "agent/python_child",
        ),
    ),
    ("smart", ("agent/smart", "agent/commands/smart")),
    ("operate", ("agent/operate", "agent/commands/operate", "agent/commands/system_more")),
    ("tls", ("agent/mqtt/tls",)),
)
