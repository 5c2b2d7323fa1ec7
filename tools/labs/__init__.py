"""A machine with real drivers, in QEMU: a distribution's kernel, its modules, and the agent.

`materials` fetches, `initramfs` packs, `machine` boots. The one rule: it emulates in software and
needs no root, so that it runs wherever the tests do.
"""
