# Runs cargo on an unpacked archive, inside the builder container. POSIX sh; coreutils or busybox.
#
#   cargo.sh dependencies ARCHIVE DIGEST ROOT SEED BUILD_ID MARKER build [cargo flags...]
#   cargo.sh sources      ARCHIVE DIGEST ROOT SEED BUILD_ID MARKER build|test [cargo flags...]
#
# The volume at $VOLUME keeps, between runs: the source tree (files/, described by index), the target folder, and
# proofs/, which say what each binary was linked from. A file is written only when its content differs from the
# index, so its modification time says when the content changed on this volume, whatever the time was elsewhere.
# That is the clock cargo compares its own outputs with.
set -eu
export LC_ALL=C

phase=$1 archive=$2 digest=$3 root=$4 seed=$5 build_id=$6 marker=$7
shift 7

tree=$VOLUME/files
target=$VOLUME/target
out=/out
work=/tmp/pytest-dagger-rust
tab=$(printf "\t")
linked=/pytest-dagger-rust-input/linked
below_root=
[ "$root" = . ] || below_root=$root/

# Dependency sets a volume holds before it starts anew; what bounds its growth.
KEEP=8

fail() {
    echo "pytest-dagger-rust: $2" >&2
    exit "$1"
}

now() {
    cut -d ' ' -f 1 /proc/uptime
}

step() {
    echo "$1 $(now)" >>"$out/steps"
}

# Downloaded packages live in a volume; configuration and credentials stay the image's own.
share_cargo_home() {
    home=${CARGO_HOME:-$HOME/.cargo}
    mkdir -p "$home" "$PACKAGES"
    for name in registry git .package-cache .package-cache-mutate .global-cache; do
        rmdir "$home/$name" 2>/dev/null || true
        [ -e "$home/$name" ] || [ -L "$home/$name" ] || ln -s "$PACKAGES/$name" "$home/$name"
    done
    mkdir -p "$PACKAGES/registry" "$PACKAGES/git"
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

paths_of() {
    cut -b 68- "$1"
}

# Bring the tree to the archive's content, touching nothing that has it already.
sync_tree() {
    [ "$(sha256sum <"$archive" | cut -d ' ' -f 1)" = "$digest" ] ||
        fail 95 "the sources arrived changed: their digest is not $digest"
    mkdir -p "$tree" "$work"
    tar -x -C "$work" -f "$archive" index
    [ -e "$VOLUME/index" ] || : >"$VOLUME/index"
    [ ! -e "$VOLUME/syncing" ] || remove_unknown
    comm -13 "$VOLUME/index" "$work/index" >"$work/new"
    comm -23 "$VOLUME/index" "$work/index" >"$work/old"
    if [ -s "$work/new" ] || [ -s "$work/old" ]; then
        # From here until the end the index must not claim what the tree may no longer have, and the tree may have
        # what no index claims.
        : >"$VOLUME/syncing"
        comm -12 "$VOLUME/index" "$work/index" >"$VOLUME/index.part"
        mv "$VOLUME/index.part" "$VOLUME/index"
        remove_old
        extract_new
        cp "$work/index" "$VOLUME/index.part"
        mv "$VOLUME/index.part" "$VOLUME/index"
        rm "$VOLUME/syncing"
    fi
}

# Remove what an interrupted sync has left behind.
remove_unknown() {
    (cd "$tree" && find . ! -type d) | sed 's|^\./||' | sort >"$work/present"
    paths_of "$VOLUME/index" | sort >"$work/known"
    comm -23 "$work/present" "$work/known" | while IFS= read -r path; do
        rm -f "$tree/$path"
        prune_folders "$(dirname "$path")"
    done
}

extract_new() {
    paths_of "$work/new" >"$work/new.paths"
    while IFS= read -r path; do
        # A folder in the place of a file can only hold what the build itself has put there.
        [ -L "$tree/$path" ] || [ ! -d "$tree/$path" ] || rm -rf "${tree:?}/$path"
    done <"$work/new.paths"
    sed 's|^|files/|' "$work/new.paths" >"$work/extract"
    [ ! -s "$work/extract" ] || tar_extract -C "$VOLUME" -T "$work/extract" -f "$archive"
    # Cargo looks through a symbolic link: all that is seen through a changed one must look changed.
    grep '^[^ ]* l ' "$work/new" | paths_of - | while IFS= read -r path; do
        find -L "$tree/$path" -type f -exec touch {} + 2>/dev/null || true
    done
}

remove_old() {
    paths_of "$work/old" | sort >"$work/old.paths"
    paths_of "$work/new" | sort >"$work/new.paths"
    paths_of "$work/old" | while IFS= read -r path; do
        rm -f "$tree/$path"
    done
    comm -23 "$work/old.paths" "$work/new.paths" | while IFS= read -r path; do
        prune_folders "$(dirname "$path")"
    done
}

# A build script without rerun-if-changed looks at the newest file of its package only: make that one newer.
prune_folders() {
    folder=$1
    while [ "$folder" != . ] && rmdir "$tree/$folder" 2>/dev/null; do
        folder=$(dirname "$folder")
    done
    while [ "$folder" != . ] && [ ! -e "$tree/$folder/Cargo.toml" ]; do
        folder=$(dirname "$folder")
    done
    [ ! -e "$tree/$folder/Cargo.toml" ] || touch "$tree/$folder/Cargo.toml"
}

# Time going backwards would make old outputs look newer than new sources.
check_clock() {
    : >"$VOLUME/clock.now"
    if [ "$VOLUME/clock" -nt "$VOLUME/clock.now" ]; then
        echo "pytest-dagger-rust: the clock went back; compiling everything once more" >&2
        forget_outputs
    fi
    mv "$VOLUME/clock.now" "$VOLUME/clock"
}

forget_outputs() {
    rm -rf "$target" "$VOLUME/proofs" "$VOLUME/seeds"
    mkdir -p "$VOLUME/seeds"
}

bound_growth() {
    mkdir -p "$VOLUME/seeds"
    [ -e "$VOLUME/seeds/$1" ] && return
    if [ "$(ls "$VOLUME/seeds" | wc -l)" -ge "$KEEP" ]; then
        forget_outputs
    fi
}

# Put the compiled dependencies of the layer beside what the volume has; never over it.
take_seed() {
    [ -d "$seed/target" ] || return 0
    key=$(cat "$seed/key")
    bound_growth "$key"
    [ ! -e "$VOLUME/seeds/$key" ] || return 0
    if [ -e "$VOLUME/running" ]; then
        forget_outputs
    fi
    : >"$VOLUME/running"
    if [ -d "$target" ]; then
        (cd "$seed/target" && find . ! -type d | sort) >"$work/seed.files"
        (cd "$target" && find . ! -type d | sort) >"$work/target.files"
        comm -23 "$work/seed.files" "$work/target.files" >"$work/missing"
        format=
        ! tar --version 2>/dev/null | grep -q GNU || format=--format=posix
        tar -c $format -C "$seed/target" -T "$work/missing" -f - | tar -x -C "$target" -f -
    else
        cp -a "$seed/target" "$target.part"
        mv "$target.part" "$target"
    fi
    : >"$VOLUME/seeds/$key"
}

# Cargo hands each test binary to a runner, with the folder and the environment the tests have to have: this one
# writes them down, and runs nothing. A line: executable, folder, environment in base64.
record_tests() {
    cat >"$work/recorder" <<'END'
#!/bin/sh
{
    printf '%s\t%s\t' "$1" "$PWD"
    base64 </proc/$$/environ | tr -d '\n'
    echo
} >>"$PYTEST_DAGGER_RUST_RECORD"
END
    chmod +x "$work/recorder"
    export PYTEST_DAGGER_RUST_RECORD="$out/tests"
    triple=$(rustc -vV | sed -n 's/^host: //p')
    while [ $# -gt 0 ]; do
        [ "$1" != --target ] || triple=$2
        shift
    done
    export "CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_RUNNER=$work/recorder"
}

run_cargo() {
    rm -f "$out/tests"
    [ "$1" != test ] || record_tests "$@"
    rm -f "$work/stderr.fifo"
    mkfifo "$work/stderr.fifo"
    tee "$out/stderr" <"$work/stderr.fifo" >&2 &
    : >"$VOLUME/running"
    status=0
    # Those who wait see how far it is; the progress lines are taken out of what is kept.
    export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=160
    (
        cd "$tree/$root"
        subcommand=$1
        shift
        CARGO_TARGET_DIR=$target CARGO_BUILD_BUILD_DIR=$target CARGO_BUILD_DEP_INFO_BASEDIR=$tree \
            exec cargo "$subcommand" --message-format=json-diagnostic-rendered-ansi "$@"
    ) 9>&- >"$out/messages" 2>"$work/stderr.fifo" || status=$?
    wait
    tr '\r' '\n' <"$out/stderr" | sed '/^ *Building \[/d' >"$work/stderr"
    mv "$work/stderr" "$out/stderr"
    rm -f "$VOLUME/running"
    touch "$VOLUME/clock"
    [ "$status" = 0 ] || keep_failure "$status"
}

# A failed exec leaves no layer, and a failure must not be answered from a cache: the next exec reads it from here.
keep_failure() {
    rm -rf "$VOLUME/failed"
    mkdir "$VOLUME/failed"
    cp "$out/messages" "$out/stderr" "$VOLUME/failed"
    echo "$build_id" >"$VOLUME/failed/id"
    exit 101
}

# "fresh path" of every executable, as cargo reports them.
executables() {
    grep '"reason":"compiler-artifact"' "$out/messages" | grep -v '"executable":null' |
        sed -n 's/.*"executable":"\([^"]*\)".*"fresh":\([a-z]*\).*/\2 \1/p' || true
}

# The proof of the very file that cargo has put there: builds with other flags put others under the same name.
proof_of() {
    echo "$VOLUME/proofs/$1/$(stat -c %i-%s-%Y "$target/$1")"
}

# What a binary was linked from: cargo's dep-info file beside it names it.
inputs_of_program() {
    inputs=$target/$1.d
    [ -e "$inputs" ] || inputs=$target/${1%.*}.d
    [ -e "$inputs" ] || return 0
    space=$(printf '\001')
    sed "s/\\\\ /$space/g" "$inputs" | tr ' ' '\n' | tr "$space" ' '
}

# For a test, and for the programs built beside tests, cargo writes no such file. There are those of rustc: for its
# own crate, and for the crates that may be linked into it. One of these that was compiled in this very run is right,
# and so is what was not linked anew with it.
inputs_of_test() {
    manifest=$(grep -F "\"executable\":\"$target/$1\"" "$out/messages" | sed -n 's/.*"manifest_path":"\([^"]*\)".*/\1/p')
    grep -F "${manifest#"$tree"/}$tab" "$linked" | cut -f 2 | sed "s|.*|\"manifest_path\":\"$tree/&\"|" >"$work/linked"
    {
        if [ -e "$target/$1.d" ] && [ "${1##*/deps/}" != "$1" ]; then
            echo "$target/$1.d"
        else
            ls "$target/${1%/*}/deps/$(basename "$1" | tr - _)"-*.d 2>/dev/null
        fi
        grep -F -f "$work/linked" "$out/messages" | grep '"executable":null,"fresh":true' |
            sed -n -e 's/.*"filenames":\["\([^"]*\)".*/\1/' -e 's|/build-script-[^/]*$|/*.d|p' -e t \
                -e 's|/lib\([^/]*\)\.[a-z]*$|/\1.d|p'
    } | while IFS= read -r dep_info; do
        # The pattern for the dep-info of a build script is expanded here.
        for path in $dep_info; do sed -n 's/:$//p' "$path"; done
    done | sed -e 's/\\ / /g' -e "s|^$tree/||" -e t -e "s|^[^/]|$below_root&|"
}

# A binary is proved when nothing it was linked from has changed its content since it was linked: the proof is the
# index of that moment.
proved() {
    proof=$(proof_of "$1")
    [ -e "$proof" ] || return 1
    if [ -e "$linked" ]; then inputs_of_test "$1"; else inputs_of_program "$1"; fi |
        sed -e ':again' -e 's|/\./|/|' -e 's|[^/][^/]*/\.\./||' -e 't again' >"$work/inputs"
    [ -s "$work/inputs" ] || return 1
    comm -3 "$proof" "$VOLUME/index" | sed "s/^$tab//" | cut -b 68- | sort -u >"$work/changed"
    [ -s "$work/changed" ] || return 0
    ! grep -q -x -F -f "$work/changed" "$work/inputs"
}

# Fails when a binary that cargo calls fresh cannot be proved.
prove() {
    executables >"$work/executables"
    while read -r fresh path; do
        name=${path#"$target"/}
        if [ "$fresh" = true ]; then
            proved "$name" || {
                echo "pytest-dagger-rust: cargo calls $name fresh, but its sources have changed" >&2
                return 1
            }
        else
            mkdir -p "$VOLUME/proofs/$name"
            ls -t "$VOLUME/proofs/$name" | tail -n "+$KEEP" | while read -r old; do
                rm "$VOLUME/proofs/$name/$old"
            done
            cp "$VOLUME/index" "$(proof_of "$name")"
        fi
    done <"$work/executables"
}

refuse_stubs() {
    while read -r _ path; do
        ! grep -q -a -F -- "$marker" "$path" || fail 96 "$path is a stub, not the program"
    done <"$work/executables"
}

hand_out() {
    mkdir -p "$out/bin" "$out/examples"
    while read -r _ path; do
        case $path in
        */examples/*) cp "$path" "$out/examples/" ;;
        *) cp "$path" "$out/bin/" ;;
        esac
    done <"$work/executables"
}

# Tests find what they may look for where it was when they were compiled: themselves, the programs and libraries of
# the workspace, the output of build scripts, and the sources.
hand_out_tests() {
    mkdir -p "$out/target/tmp"
    {
        cut -d ' ' -f 2- "$work/executables"
        grep '"reason":"compiler-artifact"' "$out/messages" | grep -v '"proc-macro"' | grep -o '"/[^"]*\.so"' | tr -d '"'
        grep '"reason":"build-script-executed"' "$out/messages" | grep 'path+file:' |
            sed -n 's/.*"out_dir":"\([^"]*\)".*/\1/p'
    } | sort -u | while IFS= read -r path; do
        name=${path#"$target"/}
        mkdir -p "$out/target/$(dirname "$name")"
        cp -a "$path" "$out/target/$name"
    done
    cp "$archive" "$out/sources.tar"
}

# All that the host wants to know, in one file.
report() {
    echo "== dependencies"
    grep '^{' "$seed/messages" 2>/dev/null || true
    echo "== dependencies finished"
    cat "$seed/finished" 2>/dev/null || true
    echo "== sources"
    grep '^{' "$out/messages" || true
    echo "== sources finished"
    date +%s.%N
    echo "== root"
    echo "$tree/$root"
    echo "== tests"
    cat "$out/tests" 2>/dev/null || true
    echo "== steps"
    cat "$out/steps"
}

build_dependencies() {
    restore_lock
    run_cargo "$@"
    mkdir -p "$out/seed"
    cp -a "$target" "$out/seed/target"
    cp "$tree/$root/Cargo.lock" "$out/seed/Cargo.lock"
    echo "$build_id" >"$out/seed/key"
    cp "$out/messages" "$out/seed/messages"
    date +%s.%N >"$out/seed/finished"
    : >"$VOLUME/seeds/$build_id"
}

# Cargo itself may have changed the lock file: a build begins with the user's, or where there is none with the one
# the dependencies were compiled from.
restore_lock() {
    path=Cargo.lock
    [ "$root" = . ] || path=$root/Cargo.lock
    content=$(sha256sum 2>/dev/null <"$tree/$path" | cut -d ' ' -f 1)
    if paths_of "$VOLUME/index" | grep -q -x -F -e "$path"; then
        echo "files/$path" >"$work/extract"
        grep -q -x -F -e "$content - $path" -e "$content x $path" "$VOLUME/index" ||
            tar_extract -C "$VOLUME" -T "$work/extract" -f "$archive"
    elif [ -e "$seed/Cargo.lock" ]; then
        cmp -s "$seed/Cargo.lock" "$tree/$path" || cp "$seed/Cargo.lock" "$tree/$path"
    fi
}

build_sources() {
    take_seed
    step seed
    restore_lock
    run_cargo "$@"
    step cargo
    if ! prove; then
        find "$tree" -type f -exec touch {} +
        run_cargo "$@"
        prove || fail 96 "a binary could not be proved to come from the current sources"
    fi
    step prove
    refuse_stubs
    if [ "$1" = test ]; then hand_out_tests; else hand_out; fi
    step hand_out
}

mkdir -p "$out" "$VOLUME"
: >"$out/steps"
step start
share_cargo_home
exec 9>"$VOLUME/lock"
flock -n 9 || {
    echo "pytest-dagger-rust: waiting for another build of this workspace" >&2
    flock 9
}
step lock
check_clock
sync_tree
step sync
case $phase in
dependencies)
    bound_growth "$build_id"
    build_dependencies "$@"
    ;;
sources)
    build_sources "$@"
    report >"$out/report"
    ;;
esac
