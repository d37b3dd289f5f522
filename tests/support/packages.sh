# SPDX-License-Identifier: Apache-2.0
# The Debian packages that quickstart and tests/run need, and how they come. To be sourced by bash.

# shellcheck disable=SC2034
build_packages=(gcc libc6-dev meson ninja-build pkg-config python3 libevent-dev libisal-dev
    liblz4-dev libzstd-dev libsnappy-dev zlib1g-dev libcurl4-openssl-dev libssl-dev
    libexpat1-dev libyajl-dev)
# shellcheck disable=SC2034
test_packages=(clang libclang-rt-14-dev llvm clang-format g++ check librdkafka-dev kcat
    python3-kafka python3-confluent-kafka python3-lz4 python3-snappy python3-zstandard python3-venv
    python3-pytest libgtest-dev openssl curl iproute2 cmake strace systemd mandoc prometheus
    python3-botocore radosgw ceph-mon ceph-osd ceph-common rapidjson-dev)

# For tests/run --long, which also builds packages and installs them.
# shellcheck disable=SC2034
long_packages=(debootstrap)

is_installed() {
    case "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" in
        installed) return 0 ;;
        *) return 1 ;;
    esac
}

# as_root COMMAND...: runs it as root, through sudo where that is needed.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# install_packages yes|no PACKAGE...: installs what is missing. Fails, naming it, when that
# can't be done.
install_packages() {
    local may_install=$1 missing=() package
    shift
    if ! command -v dpkg-query >/dev/null; then
        echo "note: not a Debian system; these must be installed in their own way: $*"
        return 0
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$may_install" != yes ]; then
        echo "missing packages: ${missing[*]}"
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        echo "packages are missing, and there is neither root nor sudo to install them; as root:"
        echo "  apt-get install --no-install-recommends ${missing[*]}"
        return 1
    fi
    echo "installing ${missing[*]}"
    fetch_packages "${missing[@]}"
}

fetch_packages() {
    local log
    log=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get -q -y -o DPkg::Lock::Timeout=120 update &&
        apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"' \
        sh "$@" >"$log" 2>&1
    then
        rm -f "$log"
        return 0
    fi
    tail -20 "$log"
    rm -f "$log"
    echo "apt-get could not install: $*"
    return 1
}
