# SPDX-License-Identifier: Apache-2.0
"""What the shared library needs and what it shows, compared with lists.

Usage: linking_test.py LIBRARY
"""
import re
import subprocess
import sys

# Each library costs every program that links us. curl, OpenSSL and what only S3, etcd or TLS need
# stay out.
ALLOWED = {
    "libc", "libm", "libgcc_s", "libstdc++", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64",
    "linux-vdso", "libevent_core-2.1", "libisal", "liblz4", "libzstd", "libsnappy", "libz",
}
SANITIZERS = re.compile(r"lib(asan|ubsan|clang_rt.*)$")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main(library):
    wrong = []
    for line in output("ldd", library).splitlines():
        name = line.split()[0].split("/")[-1].split(".so")[0]
        if name not in ALLOWED and not SANITIZERS.match(name):
            wrong.append("%s links %s" % (library, name))
    for line in output("nm", "-D", "--defined-only", library).splitlines():
        name = line.split()[-1].split("@")[0]
        if not name.startswith("kafscale_") and name != "KAFSCALE_0":
            wrong.append("%s shows %s" % (library, name))
    if "libkafscale.so.0" not in output("readelf", "-d", library):
        wrong.append("the SONAME is not libkafscale.so.0")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
