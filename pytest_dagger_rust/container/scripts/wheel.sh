# Lets maturin make a wheel of a library that is built already. POSIX sh; coreutils or busybox.
#
#   wheel.sh ARCHIVE LIBRARY MESSAGES FOLDER PYTHON
#
# ARCHIVE is the source tree, to lie where the library was compiled; MESSAGES is what cargo said then.
set -eu
archive=$1 library=$2 messages=$3 folder=$4 python=$5
tree=$VOLUME/files

mkdir -p "$VOLUME"
tar -x -C "$VOLUME" -f "$archive"

home=${CARGO_HOME:-$HOME/.cargo}
for name in registry git; do
    mkdir -p "$PACKAGES/$name" "$home"
    rmdir "$home/$name" 2>/dev/null || true
    [ -e "$home/$name" ] || ln -s "$PACKAGES/$name" "$home/$name"
done

# The library goes where cargo had put it.
place=$(grep -o "\"/[^\"]*/$(basename "$library")\"" "$messages" | head -n 1 | tr -d '"')
mkdir -p "$(dirname "$place")"
cp "$library" "$place"

# What maturin would have compiled has been compiled, and proved: its cargo says again what cargo said then.
mkdir -p /tmp/pytest-dagger-rust-cargo
cat >/tmp/pytest-dagger-rust-cargo/cargo <<END
#!/bin/sh
for word in "\$@"; do
    case \$word in
    rustc | build) exec grep '^{' '$messages' ;;
    metadata) break ;;
    esac
done
exec '$(command -v cargo)' "\$@"
END
chmod +x /tmp/pytest-dagger-rust-cargo/cargo
export PATH="/tmp/pytest-dagger-rust-cargo:$PATH" CARGO=/tmp/pytest-dagger-rust-cargo/cargo

cd "$tree/$folder"
maturin build --interpreter "python$python" --out /out 2>/tmp/maturin.log || {
    cat /tmp/maturin.log >&2
    exit 1
}
