"""Which modules limpetd is built without, and which are unpacked together.

The one rule: a group holds what is used together; the first one that has a module decides, and
what none names is in "core", which every agent unpacks. Unpacked code lies outside the heap. Kept
ready to run in the file instead, the core would take 70 KB more there, and its pages memory all
the same as they are used; unpacked it costs 10 ms at the start.

A pattern stands for a module, or for a package and all that is in it.
"""

# Back ends of other runtimes, which ask for modules that this file has not; a stand-in for what it
# has.
OMITTED = (
    "compat/micropython",
    "agent/devices/*_cpython",
    "agent/devices/*_ffi",
    "agent/devices/*_machine",
    "agent/markers",
    "agent/system_calls/cpython",
    "agent/system_calls/foreign",
    "agent/network",
    "agent/update/slots_esp32",
)

# Few groups: each is a dictionary of its own for the packer, and these make the file 10 KB smaller
# than ten did.
CORE = "core"
GROUPS = (
    # The command line, and what starts the agent from a slot: before anything of the agent.
    ("start", ("firmware/limpet_start", "firmware/linux/limpetd")),
    (
        CORE,
        (
            "agent/devices/__init__",
            "agent/devices/faults",
            "agent/devices/reset",
            "agent/twin/__init__",
            "agent/twin/settings",
        ),
    ),
    ("fakes", ("agent/devices/*_fake", "agent/devices/*_recorded")),
    ("devices", ("agent/devices", "agent/commands/device_*")),
    # What a technician works with: files, programs, schedules, settings, apps, releases.
    (
        "work",
        (
            "agent/files",
            "agent/system_calls",
            "agent/schedule",
            "agent/duty",
            "agent/sampler",
            "agent/samples",
            "agent/twin",
            "agent/apps",
            "agent/code",
            "agent/log_feed",
            "agent/processes",
            "agent/terminal",
            "agent/python_child",
            "agent/tuning",
            "agent/update",
        )
        + tuple(
            ["agent/commands/" + name for name in ("app", "config", "data", "fs", "log", "paths")]
        )
        + tuple(
            [
                "agent/commands/" + name
                for name in ("python", "schedule", "shell", "system_more", "update")
            ]
        ),
    ),
)
