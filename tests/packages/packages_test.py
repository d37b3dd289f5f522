# SPDX-License-Identifier: Apache-2.0
"""The Debian packages and the image, from the source to a broker that serves: built on a bare
Debian, looked at by lintian, installed on another bare one, run there by systemd, linked against,
and made into an image, which runs in a chroot. Prints TAP. Needs root, debootstrap and a mirror.

Usage: packages_test.py SOURCE
"""
import contextlib
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import chroot
from chroot import Booted, Unavailable, call
from containerfile import Build

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "..", "support"))
import s3_servers  # noqa: E402
from tap import report, title  # noqa: E402

LIMIT_S = 60
CONF = "etc/kafscale/kafscaled.conf"
DROP_IN = "etc/systemd/system/kafscaled.service.d/test.conf"
S3_DROP_IN = "etc/systemd/system/kafscaled.service.d/s3.conf"
CREDENTIALS = "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n"
BUILD_TOOLS = ("gcc", "g++", "libc6-dev", "make", "cmake", "pkg-config")
AS_THE_SERVICE = ("-p", "DynamicUser=yes", "-p", "User=kafscaled", "-p",
                  "StateDirectory=kafscaled")
FOR_STATIC = ("libcurl4-openssl-dev", "libexpat1-dev", "libssl-dev", "libyajl-dev")


def kcat(address, *arguments, text=None):
    return call("kcat", "-b", address, "-X", "message.timeout.ms=20000", *arguments, input=text,
                limit_s=LIMIT_S)


def produce(address, text):
    kcat(address, "-P", "-t", "t", text=text)


def consume(address):
    return kcat(address, "-C", "-t", "t", "-o", "beginning", "-e", "-q")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def free_port(ports):
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("none is free of %s" % ports)


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited %d s for %s" % (LIMIT_S, what)
        time.sleep(0.05)


def context_of(source, folder):
    """The files of the source, without what was built from them."""
    os.mkdir(folder)
    if os.path.exists(os.path.join(source, ".git")):
        listed = call("git", "-c", "safe.directory=*", "-C", source, "ls-files", "-z",
                      "--cached", "--others", "--exclude-standard")
        names = [n for n in listed.split("\0") if n and os.path.lexists(os.path.join(source, n))]
        for name in names:
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            shutil.copy2(os.path.join(source, name), os.path.join(folder, name))
    else:
        call("cp", "-a", source + "/.", folder)
        shutil.rmtree(os.path.join(folder, "build"), ignore_errors=True)
    return folder


class Image:
    """The image, started with these arguments; `with` ends it."""

    def __init__(self, build, *arguments, environment=None):
        self.process = build.start(*arguments, environment=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def address(self):
        spoke = select.select([self.process.stdout], [], [], LIMIT_S)[0]
        line = self.process.stdout.readline() if spoke else ""
        if not line.startswith("broker listening on "):
            self.process.kill()
            raise AssertionError("no ready line: %r %s" % (line, self.process.communicate()[1]))
        return "127.0.0.1:" + line.strip().rsplit(":", 1)[1]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=LIMIT_S)[1]
        assert self.process.returncode == 0, said


class Packages:
    """The tests, in their order: each goes on with what those before it have made."""

    def __init__(self, source, folder):
        self.source = source
        self.folder = folder
        self.base = chroot.bare_system(os.path.join(folder, "base"))
        self.container = Build({"debian:12-slim": self.base},
                               context_of(source, os.path.join(folder, "context")), folder)
        self.service = None
        self.development = None

    def debs(self, *names):
        """The packages of these names, as a system finds them that they were copied to."""
        found = []
        for name in names:
            (path,) = glob.glob(self.container.stages["packages"].file(name + "_[0-9]*.deb"))
            found.append(path)
        return found

    def install(self, root, *names):
        os.makedirs(root.file("packages"), exist_ok=True)
        places = []
        for path in self.debs(*names):
            shutil.copy(path, root.file("packages"))
            places.append("/packages/" + os.path.basename(path))
        root.install(*places)

    # --- The packages -----------------------------------------------------------------------------

    def the_container_file_builds_packages_and_image_on_a_bare_debian(self):
        self.container.build(os.path.join(self.source, "packaging", "image", "Containerfile"))

    def lintian_finds_no_error_and_no_warning(self):
        root = self.container.stages["packages"]
        root.install("lintian")
        (changes,) = glob.glob(root.file("kafscale_*.changes"))
        said = root.run("lintian", "--fail-on", "error,warning", "--allow-root",
                        "/" + os.path.basename(changes))
        assert not re.search(r"^[EW]:", said, re.M), said

    def they_install_without_what_they_only_recommend(self):
        """And what was installed is what dpkg knows of, and finds all its libraries."""
        self.service = self.base.copy(os.path.join(self.folder, "service"))
        self.install(self.service, "kafscaled", "libkafscale0")
        assert not glob.glob(self.service.file("usr/lib/*/kafscale-0/*"))
        self.install(self.service, "libkafscale0-s3")
        assert self.service.run("dpkg", "--verify", "kafscaled", "libkafscale0") == ""
        for name in ("/usr/bin/kafscaled", "/usr/bin/kafscale-cli",
                     *self.service.run("sh", "-c", "ls /usr/lib/*/kafscale-0/*.so").split()):
            assert "not found" not in self.service.run("ldd", name), name

    # --- The service ------------------------------------------------------------------------------

    def configure(self, *settings):
        """Other ports than the usual one, since the network is this machine's."""
        self.service.write(CONF, "\n".join(("listen=127.0.0.1:0", *settings, "")))

    def address(self, system):
        status = system.show("kafscaled", "StatusText")
        assert status.startswith("serving on "), status
        return status.split()[-1]

    def systemd_runs_it_as_nobody_with_nothing(self):
        self.service.install("systemd", "dbus")
        self.configure("store=dir:/var/lib/kafscaled/store")
        with Booted(self.service) as system:
            assert system.show("kafscaled", "ActiveState") == "active", system.run(
                "journalctl", "--no-pager", "-u", "kafscaled")
            produce(self.address(system), "through systemd\n")
            pid = system.show("kafscaled", "MainPID")
            status = system.run("cat", "/proc/%s/status" % pid)
            fields = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.M))
            assert "0" not in fields["Uid"].split(), fields
            assert fields["CapBnd"] == fields["CapPrm"] == fields["CapAmb"] == "0" * 16, fields
            assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", fields
            exposure = system.run("systemd-analyze", "security", "--no-pager", "kafscaled")
            assert float(re.search(r"exposure level .*: ([\d.]+)", exposure).group(1)) <= 1.5
            begun = time.monotonic()
            system.run("systemctl", "stop", "kafscaled")
            assert time.monotonic() - begun < 10
            assert system.show("kafscaled", "Result") == "success"

    def records_survive_a_restart_of_the_system_and_of_a_killed_daemon(self):
        self.service.write(DROP_IN, "[Service]\nRestartSec=100ms\n")
        with Booted(self.service) as system:
            assert consume(self.address(system)) == "through systemd\n"
            produce(self.address(system), "after the restart\n")
            system.run("systemctl", "kill", "--signal=KILL", "kafscaled")
            wait_until(lambda: system.show("kafscaled", "NRestarts") == "1" and
                       system.show("kafscaled", "SubState") == "running", "the restart")
            assert consume(self.address(system)) == "through systemd\nafter the restart\n"
            said = system.run("systemd-run", "--pipe", "--wait", "--quiet", *AS_THE_SERVICE,
                              "kafscale-cli", "--set", "store=dir:/var/lib/kafscaled/store", "ls")
            assert "/wal/" in said, said

    def a_port_below_1024_takes_the_lines_of_the_documents(self):
        text = read(os.path.join(self.source, "docs", "installing.md"))
        lines = re.search(r"```text\n(\[Service\]\nAmbientCapabilities.*?)```", text, re.S).group(1)
        drop_in = "etc/systemd/system/kafscaled.service.d/port.conf"
        address = "127.0.0.1:%d" % free_port(range(600, 1024))
        before = self.service.read(CONF)
        self.configure("listen=" + address, "store=memory")
        for more, status in (("", "1"), (lines, "0")):
            self.service.write(drop_in, "[Service]\nRestart=no\n" + more)
            with Booted(self.service) as system:
                assert system.show("kafscaled", "ExecMainStatus") == status, more
                assert not more or self.address(system) == address
        self.service.write(CONF, before)
        os.remove(self.service.file(drop_in))

    def a_reload_puts_into_force_what_may_change(self):
        with Booted(self.service) as system:
            pid = system.show("kafscaled", "MainPID")
            self.service.write(CONF, self.service.read(CONF) + "s3.latency.warn.ms=600\n")
            system.run("systemctl", "reload", "kafscaled")
            wait_until(lambda: "key=s3.latency.warn.ms value=600 was=500" in
                       system.run("journalctl", "-b", "--no-pager", "-u", "kafscaled"),
                       "word of the change")
            assert system.show("kafscaled", "ActiveState") == "active"
            assert system.show("kafscaled", "MainPID") == pid

    def a_daemon_that_hangs_is_ended_and_started_again(self):
        self.service.write(DROP_IN, "[Service]\nRestartSec=100ms\nWatchdogSec=1s\n")
        with Booted(self.service) as system:
            system.run("systemctl", "kill", "--signal=STOP", "kafscaled")
            wait_until(lambda: system.show("kafscaled", "NRestarts") == "1" and
                       system.show("kafscaled", "SubState") == "running", "the watchdog")
            assert consume(self.address(system)) == "through systemd\nafter the restart\n"

    def what_a_restart_cannot_cure_is_not_restarted(self):
        self.configure("store=tape")
        with Booted(self.service) as system:
            assert system.show("kafscaled", "ActiveState") == "failed"
            assert system.show("kafscaled", "ExecMainStatus") == "2"
            assert system.show("kafscaled", "NRestarts") == "0"
            assert "tape" in system.run("journalctl", "--no-pager", "-u", "kafscaled")

    def the_drop_in_hands_it_the_keys_of_a_bucket(self):
        with s3_servers.Stub() as stub:
            stub.create_bucket("records")
            self.configure("s3.bucket=records", "s3.region=us-east-1",
                           "s3.endpoint=" + stub.endpoint)
            self.service.write("etc/kafscale/s3-credentials",
                               CREDENTIALS % (stub.access_key, stub.secret_key), 0o600)
            os.makedirs(os.path.dirname(self.service.file(S3_DROP_IN)), exist_ok=True)
            shutil.copy(self.service.file("usr/share/doc/kafscaled/examples/s3.conf"),
                        self.service.file(S3_DROP_IN))
            with Booted(self.service) as system:
                produce(self.address(system), "into the bucket\n")
                assert consume(self.address(system)) == "into the bucket\n"
                pid = system.show("kafscaled", "MainPID")
                assert stub.secret_key not in system.run("cat", "/proc/%s/environ" % pid)
            assert stub.requests("PutObject") > 0
        os.remove(self.service.file(S3_DROP_IN))

    def an_upgrade_keeps_configuration_and_records_and_serves_on(self):
        """Of packages that differ in their version only."""
        self.configure("store=dir:/var/lib/kafscaled/store", "# ours")
        (deb, library) = self.debs("kafscaled", "libkafscale0")
        for path in (deb, library):
            parts = os.path.join(self.folder, "parts")
            call("dpkg-deb", "-R", path, parts)
            control = os.path.join(parts, "DEBIAN", "control")
            with open(control, encoding="utf-8") as file:
                text = re.sub(r"\(= ([\d.]+)\)", r"(= \1+newer)",
                              re.sub(r"^(Version: .*)$", r"\1+newer", file.read(), flags=re.M))
            with open(control, "w", encoding="utf-8") as file:
                file.write(text)
            newer = "packages/newer-" + os.path.basename(path)
            call("dpkg-deb", "-b", parts, self.service.file(newer))
            shutil.rmtree(parts)
        self.service.run("dpkg", "-r", "libkafscale0-s3")
        with Booted(self.service) as system:
            before = system.show("kafscaled", "MainPID")
            system.run("sh", "-c", "dpkg -i --force-confdef --force-confold /packages/newer-*.deb")
            assert "+newer" in system.run("dpkg-query", "-W", "kafscaled")
            assert system.show("kafscaled", "MainPID") != before
            assert "# ours" in self.service.read(CONF)
            assert consume(self.address(system)) == "through systemd\nafter the restart\n"

    def purged_it_leaves_the_records_and_nothing_else(self):
        with Booted(self.service) as system:
            system.run("dpkg", "--purge", "kafscaled", "libkafscale0")
            assert system.show("kafscaled", "ActiveState") == "inactive"
        assert not os.path.exists(self.service.file(CONF))
        assert not glob.glob(self.service.file("usr/bin/kafscale*"))
        assert os.path.isdir(self.service.file("var/lib/private/kafscaled/store"))
        self.service.end()

    # --- Programs ---------------------------------------------------------------------------------

    def c_and_cpp_programs_build_and_run_with_the_development_package(self):
        root = self.development = self.base.copy(os.path.join(self.folder, "development"))
        self.install(root, "libkafscale0", "libkafscale-dev")
        root.install(*BUILD_TOOLS)
        call("cp", "-r", root.file("usr/share/doc/libkafscale-dev/examples/consumer"),
             root.file("consumer"))
        self.build_with_pkg_config("", "-lkafscale")

    def build_with_pkg_config(self, static, name):
        for compiler, source in (("gcc -std=c11", "consumer.c"),
                                 ("g++ -std=c++17", "consumer.cpp")):
            said = self.development.run(
                "sh", "-ec", "cd /consumer; %s -Wall -Wextra -Werror %s -o program $(pkg-config %s "
                "--cflags --libs libkafscale | sed 's/-lkafscale/%s/'); ldd program; ./program"
                % (compiler, source, static, name))
            assert said.endswith("ready\n"), said
            assert ("libkafscale.so" in said) == (not static), said

    def a_cmake_program_builds_and_runs(self):
        self.build_with_cmake("consumer_c", "consumer_cpp")

    def build_with_cmake(self, *programs):
        for program in programs:
            said = self.development.run("sh", "-ec", "cd /consumer; cmake -B build . >build.log; "
                                        "make -C build %s >>build.log; build/%s" % ((program,) * 2))
            assert said.endswith("ready\n"), said

    def programs_link_the_static_library_with_what_is_recommended(self):
        self.development.install(*FOR_STATIC)
        self.build_with_pkg_config("--static", "-l:libkafscale.a")
        self.build_with_cmake("consumer_c_static", "consumer_cpp_static")
        self.development.end()

    # --- The image --------------------------------------------------------------------------------

    def the_image_has_nothing_that_the_daemon_does_not_need(self):
        root = self.container.root
        names = [os.path.relpath(os.path.join(directory, name), root.path)
                 for directory, folders, files in os.walk(root.path) for name in files
                 if not os.path.relpath(directory, root.path).startswith("proc")]
        allowed = re.compile(r"usr/lib(64|/[\w-]+)/([\w.+-]+\.so(\.[\d.]+)?|kafscale-0/[\w-]+\.so)|"
                             r"usr/bin/kafscale(d|-cli)|usr/share/doc/[\w.+-]+/copyright|"
                             r"etc/(passwd|group|nsswitch\.conf|ssl/certs/ca-certificates\.crt)")
        others = [name for name in names if not allowed.fullmatch(name)]
        assert not others, others
        assert not [n for n in names if os.stat(root.file(n)).st_mode & 0o7022], names
        size = sum(os.path.getsize(root.file(name)) for name in names)
        print("# image: %d files, %.1f MB" % (len(names), size / 1e6))
        assert size < 40e6, size

    def an_image_is_made_of_what_is_installed_and_in_an_empty_folder_only(self):
        done = subprocess.run(
            self.container.stages["installed"].command("/packages/make-root", "/image"),
            capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "make-root: /image is not empty\n"), done
        shutil.copy(os.path.join(self.source, "packaging", "image", "make-root"),
                    self.base.file("make-root"))
        done = subprocess.run(self.base.command("/make-root", "/image"), capture_output=True,
                              text=True, check=False)
        assert (done.returncode, done.stderr) == (1, "make-root: kafscaled is not installed\n")
        assert not os.path.exists(self.base.file("image"))

    def the_image_serves_as_an_unprivileged_user_with_a_read_only_root(self):
        root = self.container.root
        volume = os.path.join(self.folder, "volume")
        call("cp", "-a", root.file(self.container.settings["volume"]), volume)
        call("mount", "--bind", root.path, root.path)
        call("mount", "-o", "remount,bind,ro", root.path)
        call("mount", "-t", "proc", "proc", root.file("proc"))
        call("mount", "--bind", volume, root.file(self.container.settings["volume"]))
        for what in ("serve", "keep"):
            with Image(self.container, "--set", "listen=127.0.0.1:0") as image:
                address = image.address()
                if what == "serve":
                    produce(address, "from the image\n")
                assert consume(address) == "from the image\n"
                with open("/proc/%d/status" % image.process.pid, encoding="ascii") as status:
                    assert re.search(r"^Uid:\s+10001\s+10001\s", status.read(), re.M)
                image.stop()
        listed = call(*root.command("/usr/bin/kafscale-cli", "--set",
                                    "store=dir:/var/lib/kafscaled/kafscale-data", "ls",
                                    user=self.container.settings["user"]))
        assert "/wal/" in listed or "/segment" in listed, listed
        call("umount", "-l", root.path)

    def the_image_reaches_a_bucket_over_tls_as_far_as_it_trusts_it(self):
        authorities = "etc/ssl/certs/ca-certificates.crt"
        assert self.container.root.read(authorities).count("BEGIN CERTIFICATE") > 100
        with s3_servers.Stub(tls=True) as stub:
            stub.create_bucket("records")
            more = {"KAFSCALE_S3_ACCESS_KEY": stub.access_key,
                    "KAFSCALE_S3_SECRET_KEY": stub.secret_key}
            settings = ("--set", "listen=127.0.0.1:0", "--set", "s3.bucket=records",
                        "--set", "s3.region=us-east-1", "--set", "s3.endpoint=" + stub.endpoint)
            with Image(self.container, *settings, environment=more) as image:
                line = image.process.stderr.readline()
                while "certificate" not in line:
                    assert line, "no word of a certificate"
                    line = image.process.stderr.readline()
            with open(stub.authority, encoding="ascii") as certificate, \
                    open(self.container.root.file(authorities), "a", encoding="ascii") as trusted:
                trusted.write(certificate.read())
            with Image(self.container, *settings, environment=more) as image:
                address = image.address()
                produce(address, "over TLS\n")
                assert consume(address) == "over TLS\n"
                image.stop()

    def tests(self):
        return [
            self.the_container_file_builds_packages_and_image_on_a_bare_debian,
            self.lintian_finds_no_error_and_no_warning,
            self.they_install_without_what_they_only_recommend,
            self.systemd_runs_it_as_nobody_with_nothing,
            self.records_survive_a_restart_of_the_system_and_of_a_killed_daemon,
            self.a_port_below_1024_takes_the_lines_of_the_documents,
            self.a_reload_puts_into_force_what_may_change,
            self.a_daemon_that_hangs_is_ended_and_started_again,
            self.what_a_restart_cannot_cure_is_not_restarted,
            self.the_drop_in_hands_it_the_keys_of_a_bucket,
            self.an_upgrade_keeps_configuration_and_records_and_serves_on,
            self.purged_it_leaves_the_records_and_nothing_else,
            self.c_and_cpp_programs_build_and_run_with_the_development_package,
            self.a_cmake_program_builds_and_runs,
            self.programs_link_the_static_library_with_what_is_recommended,
            self.the_image_has_nothing_that_the_daemon_does_not_need,
            self.an_image_is_made_of_what_is_installed_and_in_an_empty_folder_only,
            self.the_image_serves_as_an_unprivileged_user_with_a_read_only_root,
            self.the_image_reaches_a_bucket_over_tls_as_far_as_it_trusts_it,
        ]


def main(source):
    try:
        chroot.own_mounts()
        folder = tempfile.mkdtemp(prefix="kafscale-packages-")
        chroot.in_memory(folder)
        try:
            tests = Packages(os.path.abspath(source), folder).tests()
            return report([(title(test), test) for test in tests])
        finally:
            call("sh", "-c", "grep -o ' %s[^ ]*' /proc/self/mounts | sort -r | xargs -r umount -l"
                 % folder)
            shutil.rmtree(folder)
    except Unavailable as why:
        print("1..0 # SKIP %s" % why)
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
