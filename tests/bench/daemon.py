# SPDX-License-Identifier: Apache-2.0
"""Brokers under measurement, and what the system says about them."""
import os
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")


class Broker:
    """A process that runs until stop() or kill()."""

    ends_with = (0,)  # when it is asked to end

    def __init__(self, command, log_path, stdout=subprocess.PIPE):
        self.name = os.path.basename(command[0])
        self.log_path = log_path
        with open(log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=stdout, stderr=log, text=True)

    def fail_to_start(self):
        with open(self.log_path, encoding="utf-8") as log:
            raise AssertionError("%s did not start: %s" % (self.name, log.read()[-2000:]))

    def _read(self, name, task=None):
        path = "/proc/%d/" % self.process.pid + ("task/%s/" % task if task else "") + name
        with open(path, encoding="utf-8") as file:
            return file.read()

    def _number(self, name, key, task=None):
        return next(int(line.split()[1]) for line in self._read(name, task).splitlines()
                    if line.startswith(key + ":"))

    def cpu_seconds(self):
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mib(self):
        return self._number("status", "VmRSS") / 1024

    def wakeups(self):
        """How often any thread was put on a processor, until now."""
        return sum(self._number("status", key, task)
                   for task in os.listdir("/proc/%d/task" % self.process.pid)
                   for key in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))

    def reads_and_writes(self):
        """System calls that read or wrote, on files, sockets and the loop's own descriptors."""
        return self._number("io", "syscr") + self._number("io", "syscw")

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self._close()
        assert code in self.ends_with, "%s ended with %d" % (self.name, code)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        if self.process.stdout is not None:
            self.process.stdout.close()


class Daemon(Broker):
    """A kafscaled on a free port of the loopback."""

    def __init__(self, binary, log_path, *settings):
        arguments = [binary, "--set", "listen=127.0.0.1:0"]
        for setting in settings:
            arguments += ["--set", setting]
        super().__init__(arguments, log_path)
        words = self.process.stdout.readline().split()
        if not words:
            self.fail_to_start()
        self.address = words[-1]
