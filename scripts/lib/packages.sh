# Debian packages. Sourced by scripts/setup.
# shellcheck shell=bash

# missing_packages GROUP…: what of the groups in packages.txt is not installed, one a line.
missing_packages() {
    comm -23 \
        <(awk -v groups=" $* " '
            /^\[/ { wanted = index(groups, " " substr($0, 2, length - 2) " "); next }
            wanted && !/^#/ && NF { print $1 }' "$root/scripts/packages.txt" | sort -u) \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u)
}

# apt_install COMMAND-PREFIX… -- PACKAGE…: the package lists are fetched only if they turn out to
# be missing or too old.
apt_install() {
    local as_root=()
    while [ "$1" != -- ]; do as_root+=("$1") && shift; done
    shift
    local get=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -o DPkg::Lock::Timeout=600 -y)
    "${get[@]}" install --no-install-recommends "$@" ||
        { "${get[@]}" update && "${get[@]}" install --no-install-recommends "$@"; }
}

# install_packages GROUP…
install_packages() {
    command -v apt-get > /dev/null ||
        die "this needs Debian 12; elsewhere, install what scripts/packages.txt lists, and see there"
    local missing as_root=()
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null ||
            die "these packages are missing, and there is no sudo; as root: apt-get install ${missing[*]}"
        sudo -v || die "these packages are missing: ${missing[*]}"
        as_root=(sudo)
    fi
    step "Installing ${#missing[@]} Debian packages and what they need" \
        apt_install "${as_root[@]}" -- "${missing[@]}"
}
