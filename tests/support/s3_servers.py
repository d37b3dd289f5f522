# SPDX-License-Identifier: Apache-2.0
"""Starts S3 servers for tests, and stops exactly what it started: our stub (tests/s3stub), Ceph's
RGW from Debian, and MinIO, which the Go toolchain builds once into ~/.cache.

As a program it runs a command against one of them, whose place it tells in the environment:

    s3_servers.py stub|stub-bad|stub-tls|rgw|rgw-bluestore|minio COMMAND...

    S3_TEST_SERVER, S3_TEST_ENDPOINT, S3_TEST_REGION, S3_TEST_BUCKET (which exists),
    S3_TEST_ACCESS_KEY, S3_TEST_SECRET_KEY, S3_TEST_AUTHORITY (the certificate, under TLS),
    S3_TEST_ADMIN, S3_TEST_SERVICES (of the stub: faults and counts, and where keys come from)

A server that this machine can't have makes it print a TAP plan that is skipped, with the reason.
"""
import ctypes
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

from s3_client import Client

HERE = os.path.dirname(os.path.abspath(__file__))
STUB = os.path.join(HERE, "..", "s3stub", "s3stub.py")
CACHE = os.path.join(os.path.expanduser("~"), ".cache", "kafscale-tests")
MINIO_MODULE = "github.com/minio/minio@latest"
MINIO_BUILD_LIMIT_S = 1800
START_LIMIT_S = 60
BUCKET = "kafscale-test"
PR_SET_PDEATHSIG = 1


class Unavailable(Exception):
    """A server that this machine can't have; the text says why."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    """Ports of the loopback where nobody listens now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Server:
    """A running S3 server, its place and its keys; `with` stops it."""

    name = ""
    region = "us-east-1"
    authority = None

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="s3-%s-" % self.name)
        self.processes = []
        self.endpoint = self.access_key = self.secret_key = None
        self.admin = self.services = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, name, *command, environment=None, **more):
        """Starts a process that ends with us, its words in a file of its name."""
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, preexec_fn=die_with_parent,
                env={**os.environ, **(environment or {})}, **{"stdout": log, **more})
        self.processes.append(process)
        return process

    def said(self, name):
        with open(os.path.join(self.folder, name + ".log"), encoding="utf-8",
                  errors="replace") as log:
            return log.read()[-2000:]

    def wait(self, condition, what, name):
        """Waits until the condition holds; what the process said is in the error."""
        end_s = time.monotonic() + START_LIMIT_S
        while not condition():
            ended = [p.args[0] for p in self.processes if p.poll() is not None]
            if ended or time.monotonic() > end_s:
                said = self.said(name)
                self.stop()
                raise AssertionError("%s: %s; ended: %s\n%s" % (self.name, what, ended, said))
            time.sleep(0.05)

    def answers(self):
        url = urllib.parse.urlsplit(self.endpoint)
        try:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=2)
            connection.request("GET", "/")
            is_good = connection.getresponse().status < 500
            connection.close()
            return is_good
        except (OSError, http.client.HTTPException):
            return False

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, bucket=BUCKET, **more):
        arguments = {"access_key": self.access_key, "secret_key": self.secret_key, **more}
        return Client(self.endpoint, region=self.region, bucket=bucket, authority=self.authority,
                      **arguments)

    def create_bucket(self, bucket=BUCKET):
        client = self.client(bucket)
        answer = client.create_bucket()
        client.close()
        assert answer.status == 200, (answer.status, answer.body)
        return bucket

    def environment(self, bucket=BUCKET):
        told = {"SERVER": self.name, "ENDPOINT": self.endpoint, "REGION": self.region,
                "BUCKET": bucket, "ACCESS_KEY": self.access_key, "SECRET_KEY": self.secret_key,
                "AUTHORITY": self.authority, "ADMIN": self.admin, "SERVICES": self.services}
        return {"S3_TEST_" + name: value for name, value in told.items() if value}


# --- The stub -------------------------------------------------------------------------------------

class Stub(Server):
    """Our own, with faults: `arguments` are those of s3stub.py."""

    name = "stub"
    access_key_given = "stubkey"
    secret_key_given = "stubsecret"

    def __init__(self, *arguments, tls=False):
        super().__init__()
        arguments = list(arguments)
        if tls:
            arguments += self.make_certificate()
        process = self.spawn("stub", sys.executable, "-B", STUB, *arguments,
                             "--access-key", self.access_key_given,
                             "--secret-key", self.secret_key_given,
                             stdout=subprocess.PIPE, text=True)
        words = process.stdout.readline().split()
        if len(words) != 8:
            said = self.said("stub")
            self.stop()
            raise AssertionError("the stub did not start: %s" % said)
        self.endpoint = "%s://%s" % ("https" if tls else "http", words[3].rstrip(","))
        self.admin = words[5].rstrip(",")
        self.services = "http://" + words[7]
        self.access_key, self.secret_key = self.access_key_given, self.secret_key_given

    def make_certificate(self):
        """A key and a certificate for the loopback that is its own authority."""
        self.authority = os.path.join(self.folder, "certificate.pem")
        private_key = os.path.join(self.folder, "key.pem")
        subprocess.run(
            ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.localhost", "-keyout", private_key,
             "-out", self.authority), check=True, capture_output=True)
        return ["--certificate", self.authority, "--private-key", private_key]

    def ask(self, method, path, sent=None):
        """What the admin port answers to a request."""
        connection = http.client.HTTPConnection(self.admin, timeout=10)
        connection.request(method, path, None if sent is None else json.dumps(sent))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (method, path, answer.status, body)
        return json.loads(body)

    def stats(self):
        return self.ask("GET", "/stats")

    def requests(self, operation):
        return self.stats()["operations"].get(operation, {"requests": 0})["requests"]

    def fault(self, fault, **fields):
        self.ask("POST", "/faults", {"fault": fault, **fields})

    def forget_faults(self):
        self.ask("DELETE", "/faults")

    def release(self):
        """Lets calls act that are held back; how many they were."""
        return self.ask("POST", "/release")

    def set(self, **settings):
        self.ask("POST", "/settings", settings)


# --- Ceph -----------------------------------------------------------------------------------------

CEPH_CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0,v1:127.0.0.1:{old_mon_port}/0]
ms bind ipv6 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
paxos propose interval = 0.02
paxos min wait = 0.01
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
ms max backoff = 0.5
[mon]
mon data = {folder}/mon
mon initial members = a
mon osd initial require min compat client = luminous
mon data avail crit = 1
mon data avail warn = 1
[mon.a]
host = localhost
[osd]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd objectstore = {store}
osd data = {folder}/osd
memstore device bytes = 4294967296
bluestore block size = 8589934592
bluestore block wal size = 0
bluestore fsck on mount = false
osd memory target = 1073741824
osd class load list = *
osd class default list = *
osd numa auto affinity = false
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw data = {folder}/rgw
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw enable quota threads = false
rgw run sync thread = false
rgw dynamic resharding = false
rgw override bucket index max shards = 1
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
"""
CEPH_KEYS = (
    ("mon.", "mon", "allow *"),
    ("client.admin", "mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    ("osd.0", "mon", "allow profile osd", "osd", "allow *"),
    ("client.rgw.a", "mon", "allow *", "osd", "allow *"),
)
CEPH_PROGRAMS = ("ceph", "ceph-authtool", "monmaptool", "ceph-mon", "ceph-osd", "radosgw",
                 "radosgw-admin")


class Rgw(Server):
    """Ceph's gateway over one monitor and one OSD: `store` is memstore or bluestore."""

    name = "rgw"

    def __init__(self, store="memstore"):
        missing = [program for program in CEPH_PROGRAMS if not shutil.which(program)]
        if missing:
            raise Unavailable("rgw: no %s here (Debian: radosgw ceph-mon ceph-osd)" % missing[0])
        super().__init__()
        self.access_key, self.secret_key = "rgwkey", "rgwsecret"
        mon_port, old_mon_port, port = free_ports(3)
        self.endpoint = "http://127.0.0.1:%d" % port
        self.fsid = str(uuid.uuid4())
        self.configuration = os.path.join(self.folder, "ceph.conf")
        for name in ("mon", "osd", "rgw", "run"):
            os.mkdir(os.path.join(self.folder, name))
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CEPH_CONFIGURATION.format(
                folder=self.folder, fsid=self.fsid, store=store, port=port, mon_port=mon_port,
                old_mon_port=old_mon_port))
        self.make_keys()
        self.start_monitor(mon_port, old_mon_port)
        self.start_osd()
        self.start_gateway()

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_LIMIT_S,
                              check=False, env={**os.environ, "CEPH_CONF": self.configuration})
        if done.returncode != 0:
            said = done.stderr + done.stdout
            self.stop()
            raise AssertionError("%s failed: %s" % (command, said))
        return done.stdout

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_keys(self):
        for i, (name, *capabilities) in enumerate(CEPH_KEYS):
            pairs = zip(capabilities[::2], capabilities[1::2])
            self.run("ceph-authtool", *(["--create-keyring"] if i == 0 else []),
                     self.path("keyring"), "-n", name, "--gen-key",
                     *[word for pair in pairs for word in ("--cap", *pair)])
        for place in ("rgw", "osd"):
            shutil.copy(self.path("keyring"), os.path.join(self.folder, place, "keyring"))

    def start_monitor(self, port, old_port):
        self.run("monmaptool", "--create", "--clobber", "--fsid", self.fsid, "--addv", "a",
                 "[v2:127.0.0.1:%d,v1:127.0.0.1:%d]" % (port, old_port), self.path("monmap"))
        self.run("ceph-mon", "-c", self.configuration, "-i", "a", "--mkfs", "--monmap",
                 self.path("monmap"), "--keyring", self.path("keyring"))
        self.spawn("mon", "ceph-mon", "-c", self.configuration, "-i", "a", "-f")

    def ceph(self, *arguments):
        return self.run("ceph", "-c", self.configuration, "--connect-timeout", "20", *arguments)

    def start_osd(self):
        osd_id = str(uuid.uuid4())
        self.ceph("osd", "new", osd_id)
        self.run("ceph-osd", "-c", self.configuration, "-i", "0", "--mkfs", "--osd-uuid", osd_id)
        self.spawn("osd", "ceph-osd", "-c", self.configuration, "-i", "0", "-f")
        self.wait(lambda: json.loads(self.ceph("osd", "stat", "-f", "json"))["num_up_osds"] == 1,
                  "the OSD does not come up", "osd")

    def start_gateway(self):
        self.run("radosgw-admin", "-c", self.configuration, "-n", "client.rgw.a", "user", "create",
                 "--uid=test", "--display-name=test", "--access-key=" + self.access_key,
                 "--secret-key=" + self.secret_key)
        self.spawn("rgw", "radosgw", "-c", self.configuration, "-n", "client.rgw.a", "-f")
        self.wait(self.answers, "it does not answer", "rgw")


# --- MinIO ----------------------------------------------------------------------------------------

def build_minio():
    """The path of the binary, built when it isn't there yet; locked meanwhile."""
    binary = os.path.join(CACHE, "minio")
    os.makedirs(CACHE, exist_ok=True)
    with open(binary + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(binary):
            return binary
        if not shutil.which("go"):
            raise Unavailable("minio: no go here to build it")
        if os.environ.get("KAFSCALE_TESTS_INSTALL") == "no":
            raise Unavailable("minio: is not built, and nothing may be installed")
        try:
            done = subprocess.run(
                ("go", "install", MINIO_MODULE), capture_output=True, text=True, check=False,
                timeout=MINIO_BUILD_LIMIT_S,
                env={**os.environ, "GOBIN": CACHE, "GOTOOLCHAIN": "local", "GOFLAGS": "-p=2"})
        except subprocess.TimeoutExpired:
            raise Unavailable("minio: building it took too long") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise Unavailable("minio: go install failed: %s" % said[-1])
    return binary


class Minio(Server):
    name = "minio"

    def __init__(self):
        binary = build_minio()
        super().__init__()
        self.access_key, self.secret_key = "miniokey", "miniosecret"
        port, console_port = free_ports(2)
        self.endpoint = "http://127.0.0.1:%d" % port
        self.spawn("minio", binary, "server", "--quiet", "--address", "127.0.0.1:%d" % port,
                   "--console-address", "127.0.0.1:%d" % console_port,
                   os.path.join(self.folder, "data"),
                   environment={"MINIO_ROOT_USER": self.access_key, "MINIO_UPDATE": "off",
                                "MINIO_ROOT_PASSWORD": self.secret_key, "MINIO_BROWSER": "off",
                                "HOME": self.folder})
        self.wait(self.answers, "it does not answer", "minio")


class BadStub(Stub):
    """As far away as S3 is (60 ms, 400 ms for one in a hundred), with an error in 1 % of requests:
    each of ten kinds as often as the others."""

    name = "stub-bad"
    bad = ("error", "error_after", "slow_down", "cut_request", "lost_answer", "late", "repeat",
           "cut_body", "short_body", "flip_bit")

    def create_bucket(self):
        super().create_bucket()
        for fault in self.bad:
            late = {"after_ms": 2000} if fault in ("late", "repeat") else {}
            self.fault(fault, probability=0.001, count=None, **late)
        self.fault("conflict", operation="PutObject", probability=0.001, count=None)
        self.fault("delay", p50_ms=60, p99_ms=400, count=None)


SERVERS = {
    "stub": Stub,
    "stub-bad": BadStub,
    "stub-tls": lambda: Stub(tls=True),
    "rgw": Rgw,
    "rgw-bluestore": lambda: Rgw("bluestore"),
    "minio": Minio,
}


def main(name, *command):
    try:
        server = SERVERS[name]()
    except Unavailable as reason:
        print("1..0 # SKIP %s" % reason)
        return 0
    with server:
        server.create_bucket()
        return subprocess.run(command, check=False,
                              env={**os.environ, **server.environment()}).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
