# SPDX-License-Identifier: Apache-2.0
"""Bare Debian systems in folders: made with debootstrap, copied, entered with chroot, and started
with a systemd of their own. Needs root; mounts and processes are private and end with us.
"""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import Skip  # noqa: E402

SUITE = "bookworm"
LIMIT_S = 1200
START_LIMIT_S = 60
OWN_MOUNTS = "KAFSCALE_TESTS_OWN_MOUNTS"
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                     "kafscale-tests", "debootstrap")

# What a system of its own sees of this one: its processes, and of the kernel what it can't change.
# systemd needs a root that is a mount and hands mounts on, devices, and a place for control groups.
BOOT = """
set -e
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
mount -t tmpfs -o mode=755 tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p mnt
pivot_root . mnt
exec chroot . /bin/sh -c 'umount -l /mnt && mount --make-rshared / && exec env -i container=test \\
    PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system systemd.unit=multi-user.target'
"""


class Unavailable(Skip):
    """What this machine can't do; the text says why."""


def own_mounts():
    """Goes on in a mount namespace of our own, so that every mount is gone when we are."""
    if os.environ.get(OWN_MOUNTS) == str(os.getpid()):
        return
    if os.geteuid() != 0:
        raise Unavailable("not root")
    unshare = ("unshare", "--mount", "--propagation", "private")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        raise Unavailable("mount namespaces are not allowed here")
    os.environ[OWN_MOUNTS] = str(os.getpid())
    os.execvp("unshare", [*unshare, sys.executable, "-B", *sys.argv])


def call(*command, limit_s=LIMIT_S, code=0, **more):
    """What it says on stdout; fails with all of it when it ends otherwise than it should."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False,
                          **more)
    assert done.returncode == code, "%s: status %d\n%s\n%s" % (
        " ".join(command), done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def mirror():
    """Where this machine gets packages of the suite from."""
    for line in call("apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)").splitlines():
        codename, _, address = line.partition(" ")
        if codename == SUITE:
            return address
    raise Unavailable("apt here has no source of " + SUITE)


def proxy():
    """The lines of apt's configuration that say how to get out."""
    lines = call("apt-config", "dump").splitlines()
    return "".join(line + "\n" for line in lines
                   if re.match(r"Acquire::https?::proxy", line, re.I))


def in_memory(folder):
    """Where there is plenty of it: systems are tens of thousands of files, written once."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free_kib = int(re.search(r"^MemAvailable:\s+(\d+)", file.read(), re.M).group(1))
    if free_kib > 12 << 20:
        call("mount", "-t", "tmpfs", "-o", "mode=755,size=8g", "tmpfs", folder)


class Root:
    """A system in a folder."""

    def __init__(self, path):
        self.path = path

    def file(self, name):
        return os.path.join(self.path, name.lstrip("/"))

    def read(self, name):
        with open(self.file(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.file(name)), exist_ok=True)
        with open(self.file(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.file(name), mode)

    def copy(self, path):
        """Another system like this one; /proc is not part of it."""
        call("cp", "-a", "--one-file-system", "--reflink=auto", self.path, path)
        return Root(path).with_proc()

    def with_proc(self):
        os.makedirs(self.file("proc"), exist_ok=True)
        call("mount", "-t", "proc", "proc", self.file("proc"))
        return self

    def command(self, *words, user=None):
        return ["chroot", *(["--userspec=" + user] if user else []), self.path, *words]

    def run(self, *words, environment=None, **more):
        return call(*self.command(*words), env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
            **(environment or {})}, **more)

    def install(self, *packages):
        """Nothing that is only recommended comes with it."""
        self.run("apt-get", "-q", "-y", "install", "--no-install-recommends", *packages)

    def end(self):
        call("umount", "-l", self.file("proc"))
        shutil.rmtree(self.path)


def bare_system(path):
    """The least Debian is: what every installation has, and apt."""
    if shutil.which("debootstrap") is None:
        raise Unavailable("no debootstrap")
    os.makedirs(CACHE, exist_ok=True)
    try:
        call("debootstrap", "--variant=minbase", "--cache-dir=" + CACHE, SUITE, path, mirror())
    except AssertionError as error:
        raise Unavailable("debootstrap fails: %s" % str(error)[-300:].replace("\n", " ")) from None
    root = Root(path).with_proc()
    shutil.copy("/etc/resolv.conf", root.file("etc/resolv.conf"))
    root.write("etc/apt/apt.conf.d/10proxy", proxy())
    root.run("apt-get", "-q", "update")
    return root


class ControlGroups:
    """A group of our own in each hierarchy, for what is started `inside`."""

    def __init__(self):
        self.groups = []
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in lines:
            _, controllers, group = line.split(":", 2)
            place = controllers.replace("name=", "") or "unified"
            for base in ("/sys/fs/cgroup/" + place, "/sys/fs/cgroup"):
                if os.path.exists(base + group + "/cgroup.procs"):
                    self.groups.append(os.path.normpath(base + group))
                    break

    @staticmethod
    def own(group):
        return "%s/kafscale-test-%d" % (group, os.getpid())

    @staticmethod
    def move(group):
        with open(group + "/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    @contextlib.contextmanager
    def inside(self):
        """What may not be moved stays where it is."""
        moved = []
        try:
            for group in self.groups:
                with contextlib.suppress(OSError):
                    os.mkdir(self.own(group))
                    self.move(self.own(group))
                    moved.append(group)
            yield
        finally:
            for group in moved:
                self.move(group)

    def remove(self):
        """Once all that ran in them has ended, which takes a moment after a kill."""
        deadline = time.monotonic() + START_LIMIT_S
        for group in map(self.own, self.groups):
            while os.path.exists(group) and time.monotonic() < deadline:
                for directory, _, _ in os.walk(group, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(directory)
                time.sleep(0.05)


class Booted:
    """A system with a systemd of its own; it uses this machine's network."""

    def __init__(self, root):
        self.root = root
        self.groups = ControlGroups()
        self.process = None
        self.enter = None

    def __enter__(self):
        with self.groups.inside():
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts",
                 "--cgroup", "--propagation", "private", "sh", "-c", BOOT, "boot", self.root.path],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True)
        try:
            self.wait_started()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.groups.remove()

    def wait_started(self):
        """Until every service has started or failed to."""
        deadline = time.monotonic() + START_LIMIT_S
        state = ""
        while state not in ("running", "degraded"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.give_up(state)
            time.sleep(0.1)
            state = self.state()

    def state(self):
        """In systemd's words, and "" as long as it has none."""
        children = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(children, encoding="ascii") as file:
            first = file.read().split()
        if not first:
            return ""
        self.enter = ["nsenter", "-t", first[0], "-m", "-p", "-u", "-i", "-C", "-r", "-w"]
        return subprocess.run(
            [*self.enter, "systemctl", "is-system-running"], capture_output=True, text=True,
            check=False, timeout=START_LIMIT_S).stdout.strip()

    def give_up(self, state):
        """Without a word of it systemd can't be had here; else one of its services is to blame."""
        if state not in ("", "offline"):
            raise AssertionError("systemd is %s\n%s\n%s" % (
                state, self.run("systemctl", "list-jobs", "--no-pager"),
                self.run("journalctl", "-b", "-n", "50", "--no-pager", "-u", "kafscaled")))
        self.process.kill()
        raise Unavailable("systemd doesn't start in a namespace here: %s" %
                          self.process.stderr.read()[-200:].replace("\n", " "))

    def run(self, *words, **more):
        return call(*self.enter, "env", "DEBIAN_FRONTEND=noninteractive", *words, **more)

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", "--property=" + name, unit).strip()
