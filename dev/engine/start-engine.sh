#!/bin/sh
# Gives the engine a private view of the machine and becomes the engine. Its arguments are the engine's.
#
# engine.py starts it in new mount and process namespaces, in the engine's own folder. What the engine
# writes to /etc, /run and /var/lib stays in memory and is gone with it; its folder is /run/dagger there.
set -eu

mkdir -p private
mount -t tmpfs -o mode=700 tmpfs private

# A container's own resolv.conf and hosts are mounts, which an overlay would not show.
mkdir -p private/etc/upper/dagger private/run/upper private/var-lib/upper
cp -L /etc/resolv.conf /etc/hosts private/etc/upper/
cp engine.json private/etc/upper/dagger/

cover() {
    mkdir "private/$1/work"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=private/$1/upper,workdir=private/$1/work" "$2"
}
cover etc /etc
cover var-lib /var/lib
cover run /run

# Through the working directory: the folder's path may lie below what was just covered.
mkdir -p /run/dagger /run/buildkit
mount --no-canonicalize --bind /proc/self/cwd /run/dagger
cd /run/dagger
mkdir -p state tmp

exec engine --root /run/dagger/state --oci-cni-binary-dir /run/dagger/bin "$@"
