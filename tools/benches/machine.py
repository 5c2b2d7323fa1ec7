"""What the figures were measured on: processor, cores, memory, system, and how busy it was.

The one rule: only what this machine says about itself; what it does not say is left out.
"""

import os
import platform


def read_field(path, key):
    """The first `key : value` of a /proc file, or "" where there is no such file or key."""
    try:
        with open(path) as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""


def describe_memory():
    """The size of the memory in GiB, or ""."""
    words = read_field("/proc/meminfo", "MemTotal").split()
    return f"{int(words[0]) / 1048576:.1f} GiB" if words else ""


def describe_load():
    """The load average of the last minute: other work in it makes figures worse, never better."""
    try:
        return f"load {os.getloadavg()[0]:.1f}"
    except OSError:
        return ""


def describe():
    """One line about this machine."""
    processor = read_field("/proc/cpuinfo", "model name") or platform.processor()
    cores = f"{os.cpu_count()} cores"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    parts = (processor, cores, describe_memory(), system, describe_load())
    return ", ".join(part for part in parts if part)
