# SPDX-License-Identifier: Apache-2.0
"""The systemd unit and the configuration that come with the daemon, as far as they can be checked
without systemd running. Prints TAP.

Usage: unit_test.py KAFSCALED UNIT CONFIGURATION SOURCE
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import Skip, report, title  # noqa: E402

LIMIT_S = 60

# Of 10: 0 is a service that can't do anything, 9.6 one without any restriction.
EXPOSURE_MAX = 1.5

REQUIRED = """
Type=notify DynamicUser=yes NoNewPrivileges=yes ProtectSystem=strict ProtectHome=yes PrivateTmp=yes
PrivateDevices=yes ProtectKernelTunables=yes ProtectKernelModules=yes ProtectControlGroups=yes
ProtectClock=yes RestrictNamespaces=yes RestrictSUIDSGID=yes LockPersonality=yes
MemoryDenyWriteExecute=yes SystemCallArchitectures=native CapabilityBoundingSet= UMask=0077
LimitCORE=0 LimitNOFILE=65536 StateDirectory=kafscaled Restart=on-failure
""".split() + [
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service",
    "RestartPreventExitStatus=2 3", "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"]

# A line of the configuration that only makes sense with another one.
NEEDS = {("store", "s3"): "s3.bucket=records\n"}


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S,
                          **more)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        raise Skip("no " + program)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Checks:
    def __init__(self, kafscaled, unit, configuration, source):
        self.kafscaled = kafscaled
        self.unit = unit
        self.configuration = configuration
        self.source = source

    def has_what_it_promises(self, _root):
        lines = read(self.unit).splitlines()
        missing = [line for line in REQUIRED if line not in lines]
        assert not missing, missing

    def waits_longer_at_stop_than_the_daemon(self, root):
        """Its own limit and a second for a store that hangs."""
        config = run(self.kafscaled, "--check-config", cwd=root)
        stop_ms = int(re.search(r"^stop\.timeout\.ms=(\d+)$", config, re.M).group(1))
        limit_s = int(re.search(r"^TimeoutStopSec=(\d+)$", read(self.unit), re.M).group(1))
        assert limit_s * 1000 > 2 * (stop_ms + 1000), (limit_s, stop_ms)

    def is_understood_by_systemd(self, root):
        """With the program that was built in place of the one to be installed, and the drop-in."""
        need("systemd-analyze")
        unit = os.path.join(root, "kafscaled.service")
        with open(unit, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=\S+", "ExecStart=" + self.kafscaled, read(self.unit),
                              flags=re.M))
        os.mkdir(unit + ".d")
        shutil.copy(os.path.join(self.source, "packaging", "systemd", "s3.conf"), unit + ".d")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True,
                              text=True, check=False, timeout=LIMIT_S)
        said = [line for line in done.stderr.splitlines() if re.search(r"kafscaled|s3\.conf", line)]
        assert done.returncode == 0 and not said, done

    def leaves_little_to_attack(self, _root):
        """The figure of systemd 252 stands in the documentation."""
        need("systemd-analyze")
        said = run("systemd-analyze", "security", "--offline=true", "--no-pager", self.unit)
        exposure = re.search(r"exposure level for kafscaled.service: ([\d.]+)", said).group(1)
        assert float(exposure) <= EXPOSURE_MAX, said
        if run("systemd-analyze", "--version").startswith("systemd 252 "):
            page = read(os.path.join(self.source, "docs", "installing.md"))
            assert "exposure level of %s" % exposure in page, exposure

    def has_a_configuration_that_counts(self, root):
        """As it is, and with each line that is commented out, against what else is in it."""
        text = read(self.configuration)
        keys = re.findall(r"^#?([a-z0-9.]+)=(.*)$", text, re.M)
        assert len(keys) > 10, keys
        for key, value in keys:
            path = os.path.join(root, "kafscaled.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(re.sub(r"^%s=.*$" % re.escape(key), "", text, flags=re.M))
                file.write("\n%s=%s\n%s" % (key, value, NEEDS.get((key, value), "")))
            said = run(self.kafscaled, "--config", path, "--check-config", cwd=root)
            assert "%s=%s\n" % (key, value) in said, (key, said)

    def allows_every_system_call_that_is_made(self, root):
        """Start, a client, a store in a directory, a second thread, metrics, stop."""
        need("strace")
        need("kcat")
        need("systemd-analyze")
        trace = os.path.join(root, "trace")
        made = self.calls_made(root, trace)
        allowed = self.calls_allowed()
        assert {"socket", "linkat", "epoll_wait"} & made, made
        refused = made - allowed - {"execve"}
        assert not refused, sorted(refused)

    def calls_made(self, root, trace):
        with subprocess.Popen(
                ["strace", "-f", "-qq", "-o", trace, self.kafscaled, "--set", "listen=127.0.0.1:0",
                 "--set", "metrics.addr=127.0.0.1:0", "--set", "store=dir:" + root + "/store"],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}) as daemon:
            line = daemon.stdout.readline()
            if not line.startswith("broker listening on "):
                raise Skip("strace can't follow a program here")
            address = line.split()[-1]
            for arguments in (("-P", "-t", "t"), ("-C", "-t", "t", "-o", "beginning", "-e")):
                run("kcat", "-b", address, *arguments, input="record\n")
            (child,) = read("/proc/%d/task/%d/children" % (daemon.pid, daemon.pid)).split()
            os.kill(int(child), signal.SIGTERM)
            assert daemon.wait(LIMIT_S) == 0
        return set(re.findall(r"^\d+ +(\w+)\(", read(trace), re.M))

    def calls_allowed(self):
        """What the lines of the unit come to: groups hold calls and groups."""
        groups = {}
        group = None
        for line in run("systemd-analyze", "syscall-filter").splitlines():
            if line.startswith("@"):
                group = groups.setdefault(line.strip(), [])
            elif group is not None and re.match(r"\s+[@\w]", line):
                group.append(line.strip())

        def calls(name):
            return set().union(*map(calls, groups[name])) if name in groups else {name}

        allowed = calls("@default")
        for value in re.findall(r"^SystemCallFilter=(.*)$", read(self.unit), re.M):
            named = set().union(*map(calls, value.lstrip("~").split()))
            allowed = allowed - named if value.startswith("~") else allowed | named
        return allowed


def in_own_directory(check):
    def run_there():
        with tempfile.TemporaryDirectory(prefix="kafscale-unit-") as root:
            check(root)
    return run_there


def main(*paths):
    checks = Checks(*map(os.path.abspath, paths))
    listed = [checks.has_what_it_promises, checks.waits_longer_at_stop_than_the_daemon,
              checks.is_understood_by_systemd, checks.leaves_little_to_attack,
              checks.has_a_configuration_that_counts, checks.allows_every_system_call_that_is_made]
    return report([("the unit " + title(check), in_own_directory(check)) for check in listed])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
