# SPDX-License-Identifier: Apache-2.0
"""Runs a container file without a container engine: each stage is a folder, and what it runs, runs
in a chroot. It knows the instructions that ours uses, and fails on others.
"""
import glob
import json
import os
import shlex
import shutil
import subprocess

from chroot import Root, call


def instructions(path):
    """(name, rest) of each, comments and empty lines left out."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, _, rest = line.strip().partition(" ")
                yield name, rest.strip()


class Build:
    """`bases` are the systems that images of these names stand for; `context` is a folder."""

    def __init__(self, bases, context, folder):
        self.bases = bases
        self.context = context
        self.folder = folder
        self.stages = {}
        self.root = None
        self.workdir = "/"
        self.settings = {}
        self.environment = {}

    def build(self, path):
        """The last stage; its settings are those of the image."""
        for name, rest in instructions(path):
            getattr(self, "do_" + name.lower())(rest)
        return self.root

    def do_from(self, rest):
        base, *name = rest.replace(" AS ", " ").split()
        name = name[0] if name else "last"
        path = os.path.join(self.folder, name)
        if base == "scratch":
            os.mkdir(path)
            self.root = Root(path).with_proc()
        else:
            self.root = (self.stages.get(base) or self.bases[base]).copy(path)
        self.stages[name] = self.root
        self.workdir, self.settings, self.environment = "/", {}, {}

    def do_workdir(self, rest):
        self.workdir = rest
        os.makedirs(self.root.file(rest), exist_ok=True)

    def do_copy(self, rest):
        words = rest.split()
        source = self.context
        if words[0].startswith("--from="):
            source = self.stages[words.pop(0)[len("--from="):]].path
        *patterns, to = words
        target = self.root.file(os.path.join(self.workdir, to))
        for pattern in patterns:
            found = glob.glob(os.path.join(source, pattern.lstrip("/")))
            assert found, "nothing to copy is %s" % pattern
            for path in found:
                self.copy(path, target, to.endswith("/") or to == ".")

    @staticmethod
    def copy(path, target, is_folder):
        """A folder's content goes into the target, a file below or as it. Owners stay: engines do
        it so between stages."""
        os.makedirs(target if is_folder else os.path.dirname(target), exist_ok=True)
        if os.path.isdir(path):
            call("cp", "-a", "--one-file-system", path + "/.", target)
        else:
            shutil.copy2(path, target)

    def do_run(self, rest):
        self.root.run("sh", "-c", "cd %s && %s" % (shlex.quote(self.workdir), rest),
                      environment=self.environment)

    def do_env(self, rest):
        name, _, value = rest.partition("=")
        self.environment[name] = value

    def do_entrypoint(self, rest):
        self.settings["entrypoint"] = json.loads(rest)

    def do_user(self, rest):
        self.settings["user"] = rest

    def do_expose(self, rest):
        self.settings["port"] = int(rest)

    def do_volume(self, rest):
        self.settings["volume"] = rest

    def start(self, *arguments, environment=None, **more):
        """The image as an engine starts it: in its root, as its user, with its environment."""
        user, group = map(int, self.settings["user"].split(":"))
        path, workdir = self.root.path, self.workdir

        def enter():
            os.chroot(path)
            os.chdir(workdir)
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)

        return subprocess.Popen([*self.settings["entrypoint"], *arguments], preexec_fn=enter,
                                env={**self.environment, **(environment or {})}, **more)
