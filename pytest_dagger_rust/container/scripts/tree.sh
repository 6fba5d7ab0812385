# Brings the source tree on the volume to the content of the archives. POSIX sh; coreutils or busybox.
#
# The tree is files/, described by index: a line is "<sha256> <kind> <path>". A file is written only when its content
# differs from the index, so its modification time says when the content changed on this volume, whatever the time was
# elsewhere. That is the clock cargo compares its own outputs with. changes has the same in numbers, for the proofs:
# a line "<generation> <path>" for every path whose content has changed, the generation counting the changes.

tree=$VOLUME/files
work=/tmp/pytest-dagger-rust

fail() {
    echo "pytest-dagger-rust: $2" >&2
    exit "$1"
}

# A path that begins with "-" or holds a backslash is a path, to GNU tar too.
tar_extract() {
    if tar --version 2>/dev/null | grep -q GNU; then
        tar -x -m --no-unquote --verbatim-files-from --no-same-owner "$@"
    else
        # Busybox takes the names for patterns.
        sed 's/[][*?\\]/\\&/g' "$work/extract" >"$work/extract.patterns"
        mv "$work/extract.patterns" "$work/extract"
        tar -x -m "$@"
    fi
}

tar_create() {
    if tar --version 2>/dev/null | grep -q GNU; then
        tar -c --format=posix --no-unquote --verbatim-files-from "$@"
    else
        tar -c "$@"
    fi
}

# Write the files whose paths, sorted, are in the file $1: from the archive, or from its base.
extract() {
    comm -12 "$1" "$work/packed" >"$work/in_archive"
    comm -23 "$1" "$work/packed" >"$work/in_base"
    for part in archive base; do
        sed 's|^|files/|' "$work/in_$part" >"$work/extract"
        [ -s "$work/extract" ] || continue
        case $part in archive) from=$archive ;; base) from=$base ;; esac
        tar_extract -C "$VOLUME" -T "$work/extract" -f "$from" || fail 95 "the sources did not arrive whole"
    done
}

paths_of() {
    cut -b 68- "$1"
}

# Whether the tree has what the index lines in the file $1 say.
has_content() {
    sed -n 's/^\([^ ]*\) [-x] /\1  /p' "$1" >"$work/sums"
    [ ! -s "$work/sums" ] || (cd "$tree" && sha256sum -c "$work/sums" >/dev/null 2>&1) || return 1
    sed -n 's/^\([^ ]*\) l /\1 /p' "$1" >"$work/links"
    while read -r sum path; do
        [ "$(printf %s "$(readlink "$tree/$path")" | sha256sum | cut -d ' ' -f 1)" = "$sum" ] || return 1
    done <"$work/links"
}

sync_tree() {
    [ "$(sha256sum <"$archive" | cut -d ' ' -f 1)" = "$digest" ] ||
        fail 95 "the sources arrived changed: their digest is not $digest"
    mkdir -p "$tree" "$work"
    tar -x -C "$work" -f "$archive" index packed
    [ -e "$VOLUME/index" ] || : >"$VOLUME/index"
    [ ! -e "$VOLUME/syncing" ] || remove_unknown
    check_boot
    comm -13 "$VOLUME/index" "$work/index" >"$work/new"
    comm -23 "$VOLUME/index" "$work/index" >"$work/old"
    [ -s "$work/new" ] || [ -s "$work/old" ] || return 0
    # From here until the end the index must not claim what the tree may no longer have, and the tree may have what
    # no index claims.
    : >"$VOLUME/syncing"
    comm -12 "$VOLUME/index" "$work/index" >"$VOLUME/index.part"
    mv "$VOLUME/index.part" "$VOLUME/index"
    remember_changes
    remove_old
    write_new
    cp "$work/index" "$VOLUME/index.part"
    mv "$VOLUME/index.part" "$VOLUME/index"
    rm "$VOLUME/syncing"
}

# What a machine that went down had not yet written to its disk, no index knows of.
check_boot() {
    boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) || boot=unknown
    [ "$(cat "$VOLUME/boot" 2>/dev/null)" != "$boot" ] || return 0
    if ! has_content "$VOLUME/index"; then
        : >"$VOLUME/index"
        remove_unknown
    fi
    echo "$boot" >"$VOLUME/boot"
}

# Remove what no index claims, as an interrupted sync leaves it behind.
remove_unknown() {
    (cd "$tree" && find . ! -type d) | sed 's|^\./||' | sort >"$work/present"
    paths_of "$VOLUME/index" | sort >"$work/known"
    comm -23 "$work/present" "$work/known" >"$work/unknown"
    remove "$work/unknown"
    prune_folders "$work/unknown"
}

# Remove the files whose paths are in the file $1.
remove() {
    [ ! -s "$1" ] || (cd "$tree" && sed 's|^|./|' "$1" | tr '\n' '\0' | xargs -0 rm -f)
}

next_generation() {
    generation=$(($(cat "$VOLUME/generation" 2>/dev/null || echo 0) + 1))
    echo "$generation" >"$VOLUME/generation"
}

remember_changes() {
    next_generation
    cat "$work/new" "$work/old" | cut -b 68- | sort -u >"$work/changed"
    [ -e "$VOLUME/changes" ] || : >"$VOLUME/changes"
    awk -v generation="$generation" '
        FNR == NR { print generation, $0; changed[$0]; next }
        { path = substr($0, index($0, " ") + 1) }
        !(path in changed)
    ' "$work/changed" "$VOLUME/changes" >"$VOLUME/changes.part"
    mv "$VOLUME/changes.part" "$VOLUME/changes"
}

write_new() {
    paths_of "$work/new" | sort >"$work/new.paths"
    while IFS= read -r path; do
        # A folder in the place of a file can only hold what the build itself has put there.
        [ -L "$tree/$path" ] || [ ! -d "$tree/$path" ] || rm -rf "${tree:?}/$path"
    done <"$work/new.paths"
    extract "$work/new.paths"
    has_content "$work/new" || fail 95 "the sources arrived changed: a file is not what its digest says"
    # Cargo looks through a symbolic link: all that is seen through a changed one must look changed.
    grep '^[^ ]* l ' "$work/new" | paths_of - | while IFS= read -r path; do
        find -L "$tree/$path" -type f -exec touch {} + 2>/dev/null || true
    done
}

remove_old() {
    paths_of "$work/old" | sort >"$work/old.paths"
    paths_of "$work/new" | sort >"$work/new.paths"
    remove "$work/old.paths"
    comm -23 "$work/old.paths" "$work/new.paths" >"$work/gone"
    prune_folders "$work/gone"
}

# Remove the folders that are empty now that the files in $1 are gone. A build script without rerun-if-changed looks at
# the newest file of its package only: make that one newer.
prune_folders() {
    sed -e '/\//!s/.*/./' -e 's|/[^/]*$||' "$1" | sort -u -r | while IFS= read -r folder; do
        while [ "$folder" != . ] && rmdir "$tree/$folder" 2>/dev/null; do
            folder=$(dirname "$folder")
        done
        while [ "$folder" != . ] && [ ! -e "$tree/$folder/Cargo.toml" ]; do
            folder=$(dirname "$folder")
        done
        [ ! -e "$tree/$folder/Cargo.toml" ] || touch "$tree/$folder/Cargo.toml"
    done
}

# Make every source look new to cargo, so that all of the workspace's own packages are compiled.
touch_all() {
    find "$tree" -type f -exec touch {} +
}
