# SPDX-License-Identifier: Apache-2.0
"""What the shared library and its plug-ins need and what they show, compared with lists.

Usage: linking_test.py LIBRARY PLUGIN...
"""
import re
import subprocess
import sys

# All that a program gets with us, no more and no less: each costs its start and its memory. curl,
# OpenSSL and what only S3, etcd or TLS need stay out. The last three come with libsnappy.
EXPECTED = {
    "libc", "libevent_core-2.1", "libisal", "liblz4", "libzstd", "libsnappy", "libz",
    "libstdc++", "libm", "libgcc_s",
}
# The loader and the kernel; sanitizers, and what old C libraries and they bring with them.
SYSTEM = re.compile(r"(ld-linux.*|linux-vdso|libasan|libubsan|libclang_rt.*|libpthread|libdl|librt"
                    r"|libresolv)$")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# What a plug-in may take of the library: what belongs to both sides of the border.
SHARED = re.compile(r"kafscale_(blob|options)_\w+")


def check_plugin(plugin):
    """It shows its table, takes blobs and options from the library, and has the rest itself."""
    name = re.search(r"libkafscale-(\w+)\.so$", plugin).group(1)
    for line in output("nm", "-D", plugin).splitlines():
        kind, symbol = line.split()[-2:]
        symbol = symbol.split("@")[0]
        if kind == "U" and symbol.startswith("kafscale_") and not SHARED.fullmatch(symbol):
            yield "%s takes %s from the library" % (plugin, symbol)
        if kind in "TDBRV" and symbol != "kafscale_plugin_" + name:
            yield "%s shows %s" % (plugin, symbol)
    if "U kafscale_blob_new@" not in output("nm", "-D", plugin):
        yield "%s has blobs of its own" % plugin


def main(library, *plugins):
    wrong = [finding for plugin in plugins for finding in check_plugin(plugin)]
    linked = {line.split()[0].split("/")[-1].split(".so")[0]
              for line in output("ldd", library).splitlines()}
    linked = {name for name in linked if not SYSTEM.match(name)}
    wrong += ["%s links %s" % (library, name) for name in linked - EXPECTED]
    wrong += ["%s no longer links %s: take it off the list" % (library, name)
              for name in EXPECTED - linked]
    for line in output("nm", "-D", "--defined-only", library).splitlines():
        name = line.split()[-1].split("@")[0]
        if not name.startswith("kafscale_") and name != "KAFSCALE_0":
            wrong.append("%s shows %s" % (library, name))
    if "libkafscale.so.0" not in output("readelf", "-d", library):
        wrong.append("the SONAME is not libkafscale.so.0")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
