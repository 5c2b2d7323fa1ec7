"""A tree of files for tests: roots in a temporary folder, and the commands over it."""

import os

from running import run
from support import skip

from agent import system_calls
from agent.commands import fs, shell
from agent.commands.registry import PLAIN
from agent.errors import Unavailable
from agent.files import plain
from agent.files.tree import Root, Secrets, Tree

WAYS = [("plain", plain)]
try:
    system_calls.load()
    from agent.files import held

    WAYS.append(("held", held))
except Unavailable:
    pass


def run_in_shell(line):
    """Do what the interpreter has no function for, links and FIFOs; skipped without a shell."""
    if hasattr(os, "system"):
        failed = os.system(line) != 0
    else:
        told = run(shell.commands()[0], arguments=[line], shell=True)
        failed = told.error is not None or told.result.get("status") != 0
    if failed:
        skip("there is no shell, or it could not: " + line)


class Bench:
    """Roots `files` (writable) and `log` in a folder; `call("list", path=...)` runs a command."""

    def __init__(self, calls, folder, packet_bytes=4096, reply_bytes=8192):
        self.folder = folder
        for name in ("data", "data/files", "log"):
            os.mkdir(folder + "/" + name)
        self.path = folder + "/data/files"
        self.secret("data/keys.0")
        self.secret("agent.json")
        secrets = Secrets(folder + "/data", [folder + "/agent.json", None])
        roots = [
            Root("files", self.path, True),
            Root("log", folder + "/log", False),
            Root("all", folder, True),
            Root("gone", folder + "/gone", True),
        ]
        self.tree = Tree(roots, secrets, calls)
        self.commands = {
            command.name[3:]: command
            for command in fs.commands(fs.Files(self.tree, packet_bytes, reply_bytes))
        }

    def secret(self, name):
        self.put(name, b"secret")

    def put(self, name, data):
        """Write a file beside the commands, below the whole folder."""
        with open(self.folder + "/" + name, "wb") as file:
            file.write(data)

    def content(self, name):
        with open(self.folder + "/" + name, "rb") as file:
            return file.read()

    def call(self, name, **params):
        """Run `fs.NAME` with defaults filled in, as the service does."""
        command = self.commands[name]
        values = {field.name: field.default for field in command.params if not field.required}
        values.update(params)
        if command.mode == PLAIN:
            return command.call(values)
        told = run(command, **params)
        if told.error is not None:
            raise told.error
        return told.result
