#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the folder that the window tests run in: Debian 13 with its Blender 4.3, a virtual display, software
# OpenGL, and tools that move the mouse and press keys. Reached by chroot; nothing of Debian 13 ever gets
# onto the machine itself, which only needs debootstrap of its own release.
#
#   tests/gui/setup_blender.sh [FOLDER]     default: $MAQUETTE_BLENDER_ROOT, else /var/tmp/maquette-blender
#
# Made once and reused: a complete folder is left alone, an incomplete one completed (about 2 minutes, 1.3 GB).
# Exit status: 0 ready; 77 cannot be made here (not root, no debootstrap, or no network), with the reason.
# Remove it with: rm -rf --one-file-system FOLDER
set -euo pipefail

folder=${1:-${MAQUETTE_BLENDER_ROOT:-/var/tmp/maquette-blender}}
packages="blender python3-numpy python3-requests python3-zstandard python3-venv python3-pip
    libgl1-mesa-dri libglx-mesa0 libgl1 libegl1 xvfb xdotool openbox"
stamp="$folder/.maquette-complete"
wanted=$(printf '%s' "$packages" | sha256sum | cut -d ' ' -f 1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

give_up() { echo "window tests: $1" >&2; exit 77; }
[ "$(id -u)" = 0 ] || give_up "only root can make the folder of Blender (chroot)"
mkdir -p -- "$folder"
root=$(cd -- "$folder" && pwd -P)
[ "$root" != / ] || give_up "the folder must not be /"
exec 9> "$root.lock"
flock 9  # a second run waits for the first

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
if ! command -v debootstrap > /dev/null; then
    command -v apt-get > /dev/null || give_up "debootstrap is missing"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } > /dev/null ||
        give_up "debootstrap could not be installed"
fi

inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "$@"
}

# The machine's own mirror is the nearest one that is known to work.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2> /dev/null |
    grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
if [ ! -e "$root/.base-complete" ]; then
    echo "window tests: making Debian 13 in $root" >&2
    debootstrap --variant=minbase trixie "$root" ${mirror:+"$mirror"} > "$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; give_up "Debian 13 could not be fetched"; }
    touch "$root/.base-complete"
fi

# No service starts inside; names are looked up as outside; no manuals, and no translations but Blender's.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2> /dev/null || true
cat > "$root/etc/apt/apt.conf.d/90maquette" << 'APT'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
Acquire::Check-Date "false";
APT
cat > "$root/etc/dpkg/dpkg.cfg.d/90maquette" << 'DPKG'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/help/*
DPKG

mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc" 2> /dev/null || true' EXIT
echo "window tests: installing Blender in $root" >&2
# shellcheck disable=SC2086  # the list is meant to be split
{ inside apt-get update -qq && inside apt-get install -y -qq -o Dpkg::Use-Pty=0 $packages &&
    inside apt-get clean; } > "$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; give_up "Blender could not be installed"; }
inside blender --version | head -n 1 >&2
printf '%s' "$wanted" > "$stamp"
