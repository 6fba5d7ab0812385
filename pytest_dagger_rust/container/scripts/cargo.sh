# Runs cargo on an unpacked archive, inside the builder container. POSIX sh; coreutils or busybox. Follows tree.sh and
# proofs.sh, with which it makes one script:
#
#   cargo.sh dependencies BUILD_ID ARCHIVE DIGEST BASE ROOT SEED LAYER MARKER CLEAR build [cargo flags...]
#   cargo.sh sources      BUILD_ID ARCHIVE DIGEST BASE ROOT SEED LAYER MARKER CLEAR build|test [cargo flags...]
#
# The volume at $VOLUME keeps, between runs, the source tree, the target folder, and proofs of what each artifact was
# made from. A CLEAR that the volume has not seen before empties it first. LAYER names the dependency layer to do
# without, and is empty where there is one at SEED.

# Dependency sets a volume holds before it starts anew; what bounds its growth.
KEEP=8

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

# Time going backwards would make old outputs look newer than new sources.
check_clock() {
    : >"$VOLUME/clock.now"
    if [ "$VOLUME/clock" -nt "$VOLUME/clock.now" ]; then
        echo "pytest-dagger-rust: the clock went back; compiling everything once more" >&2
        forget_outputs "emptied: the clock went back"
    fi
    mv "$VOLUME/clock.now" "$VOLUME/clock"
}

forget_outputs() {
    rm -rf "$target" "$VOLUME/proofs" "$VOLUME/seeds" "$VOLUME/before"
    mkdir -p "$VOLUME/seeds"
    volume_state=$1
}

clear_once() {
    [ -n "$clear" ] && [ "$(cat "$VOLUME/cleared" 2>/dev/null)" != "$clear" ] || return 0
    find "$VOLUME" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
    echo "$clear" >"$VOLUME/cleared"
    volume_state=cleared
}

# What cargo does not look at again: variables for build scripts that do not name them, and configuration, which older
# versions miss.
check_surroundings() {
    grep -E '(^[^ ]* . |/)\.cargo/config(\.toml)?$' "$VOLUME/index" >"$work/configuration" || true
    if [ -e "$VOLUME/configuration" ] && ! cmp -s "$VOLUME/configuration" "$work/configuration"; then
        touch_all
    fi
    cp "$work/configuration" "$VOLUME/configuration"
    if [ "$(cat "$VOLUME/variables" 2>/dev/null)" != "$BUILD_VARIABLES" ] && [ -e "$VOLUME/build_scripts" ]; then
        while IFS= read -r path; do
            [ ! -e "$path" ] || touch "$path"
        done <"$VOLUME/build_scripts"
    fi
    echo "$BUILD_VARIABLES" >"$VOLUME/variables"
}

bound_growth() {
    mkdir -p "$VOLUME/seeds"
    [ -e "$VOLUME/seeds/$1" ] || has_room || forget_outputs "emptied: it held $KEEP sets of dependencies"
}

has_room() {
    [ "$(ls "$VOLUME/seeds" | wc -l)" -lt "$KEEP" ]
}

# A target folder with other dependencies needs no layer for these: cargo compiles what is missing. Where it has none,
# a layer is worth making.
check_layer() {
    [ -n "$layer" ] || return 0
    [ -d "$target" ] || fail 97 "there are no compiled dependencies to start from"
    [ -e "$VOLUME/seeds/$layer" ] || { [ ! -e "$VOLUME/running" ] && has_room; } ||
        fail 97 "the target folder does not take these dependencies"
    : >"$VOLUME/seeds/$layer"
}

# Put the compiled dependencies of the layer beside what the volume has; never over it.
take_seed() {
    [ -d "$seed/target" ] || return 0
    key=$(cat "$seed/key")
    bound_growth "$key"
    [ ! -e "$VOLUME/seeds/$key" ] || return 0
    if [ -e "$VOLUME/running" ]; then
        forget_outputs "emptied: a build had been interrupted"
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
    runner=CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_RUNNER
    export "$runner=$work/recorder"
}

# Cargo hands the doctests of each library to rustdoc: this one has them listed, writes down how it was called, and
# runs none. A line: rustdoc, folder, and in base64 the environment, the arguments, all doctests, and ignored ones.
record_doctests() {
    grep '"doctest":true' "$out/messages" | grep -q '"profile":{[^}]*"test":true' || return 0
    for argument; do
        shift
        case $argument in
        --tests) argument=--doc ;;
        --bin | --example) return 0 ;;
        esac
        set -- "$@" "$argument"
    done
    cat >"$work/rustdoc" <<'END'
#!/bin/sh
set -e
case " $* " in
*' --test '*) ;;
*) exec "$PYTEST_DAGGER_RUST_RUSTDOC" "$@" ;;
esac
list() {
    "$PYTEST_DAGGER_RUST_RUSTDOC" "$@" --test-args --list --test-args --format=terse
}
field() {
    printf '\t'
    base64 | tr -d '\n'
}
list "$@" >"$0.listed"
[ -s "$0.listed" ] || exit 0
list "$@" --test-args --ignored >"$0.ignored"
{
    printf '%s\t%s' "$PYTEST_DAGGER_RUST_RUSTDOC" "$PWD"
    field </proc/$$/environ
    printf '%s\0' "$@" | field
    field <"$0.listed"
    field <"$0.ignored"
    echo
} >>"$PYTEST_DAGGER_RUST_DOCTESTS"
END
    chmod +x "$work/rustdoc"
    unset "$runner"
    export PYTEST_DAGGER_RUST_DOCTESTS="$out/doctests" PYTEST_DAGGER_RUST_RUSTDOC="${RUSTDOC:-rustdoc}"
    RUSTDOC=$work/rustdoc call_cargo "$@"
}

call_cargo() {
    subcommand=$1
    shift
    cargo "$subcommand" --verbose --message-format=json-diagnostic-rendered-ansi "$@"
}

# Cargo's messages have no times. How far its two outputs have grown, looked at ten times a second, gives them; each
# look is one process, because the compiler needs the processor.
watch_growth() {
    while read -r time _ </proc/uptime; do
        growth "$time"
        sleep 0.1 2>/dev/null || sleep 1
    done
}

growth() {
    stat -c "$1 %s" "$out/stderr" "$out/messages"
}

# "seconds start package" and "seconds done" of what was compiled, the latter in the order of the messages.
timeline() {
    command -v awk >/dev/null || return 0
    growth "$(now)" >>"$work/growth"
    paste -d ' ' - - <"$work/growth" >"$work/growth.all"
    tr '\r' '\n' <"$out/stderr" | times_of 2 '^ *Compiling ' start
    times_of 4 '"reason":"compiler-artifact"' done <"$out/messages"
}

times_of() {
    awk -v column="$1" -v pattern="$2" -v word="$3" '
        NR == FNR { time[NR] = $1; size[NR] = $column; next }
        { end += length($0) + 1 }
        $0 ~ pattern {
            while (size[at + 1] < end && (at + 2) in size) at++
            print time[at + 1], word, word == "start" ? $2 : ""
        }
    ' "$work/growth.all" -
}

run_cargo() {
    rm -f "$out/tests" "$out/doctests"
    [ "$1" != test ] || record_tests "$@"
    rm -f "$work/stderr.fifo"
    mkfifo "$work/stderr.fifo"
    tee "$out/stderr" <"$work/stderr.fifo" >&2 &
    : >"$VOLUME/running"
    status=0
    # Those who wait see how far it is; the progress lines are taken out of what is kept.
    export CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=160
    : >"$out/stderr"
    : >"$out/messages"
    watch_growth 9>&- >"$work/growth" 2>/dev/null &
    watcher=$!
    (
        cd "$tree/$root"
        export CARGO_TARGET_DIR=$target CARGO_BUILD_BUILD_DIR=$target CARGO_BUILD_DEP_INFO_BASEDIR=$tree
        call_cargo "$@" && { [ "$1" != test ] || record_doctests "$@"; }
    ) 9>&- >"$out/messages" 2>"$work/stderr.fifo" || status=$?
    kill "$watcher"
    wait
    timeline >"$out/timeline"
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

# What the next build compares itself with, to tell why it compiled something.
keep_messages() {
    grep '^{"reason":"compiler-artifact"' "$out/messages" >"$VOLUME/before.part" || true
    mv "$VOLUME/before.part" "$VOLUME/before"
    awk -F '\t' '$6 == "custom-build" { print $5 }' "$work/artifacts" >"$VOLUME/build_scripts"
}

# The libraries that cargo puts in place for other languages than Rust: those of cdylib and staticlib targets.
libraries() {
    grep '"reason":"compiler-artifact"' "$out/messages" | grep -F "\"manifest_path\":\"$tree/" |
        grep '"kind":\[[^]]*"\(cdylib\|staticlib\)"' | sed -n 's/.*"filenames":\["\([^]]*\)"\].*/\1/p' |
        sed 's/","/\n/g' | grep '/lib[^/]*\.\(so\|a\)$' |
        grep -v -e '/deps/[^/]*$' -e '/build/[^/]*/[^/]*/out/[^/]*$' || true
}

hand_out() {
    mkdir -p "$out/bin" "$out/examples" "$out/lib"
    libraries | while IFS= read -r path; do
        cp "$path" "$out/lib/"
    done
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
        [ ! -e "$out/doctests" ] || crates_of_doctests
    } | sort -u | while IFS= read -r path; do
        name=${path#"$target"/}
        mkdir -p "$out/target/$(dirname "$name")"
        cp -a "$path" "$out/target/$name"
    done
    paths_of "$VOLUME/index" | sed 's|^|files/|' >"$work/extract"
    tar_create -C "$VOLUME" -T "$work/extract" -f "$out/sources.tar"
}

# Doctests are compiled when they run, with all that their library was compiled with. Of what cargo puts in place
# under a plain name, it is the file with a hash in its name that others are compiled with.
crates_of_doctests() {
    {
        grep '"reason":"compiler-artifact"' "$out/messages" | grep -o '"/[^"]*\.\(rlib\|rmeta\|so\)"' |
            tr -d '"' | sed 's/\.rmeta$/.rlib/'
        cut -f 4 "$out/doctests" | while read -r arguments; do
            echo "$arguments" | base64 -d | tr '\0' '\n' | sed -n "s|^[^=/]*=\($target/.*\.rlib\)\$|\1|p"
        done
    } | while IFS= read -r path; do
        [ ! -f "$path" ] || echo "$path"
    done
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
    echo "== doctests"
    cat "$out/doctests" 2>/dev/null || true
    echo "== before"
    cat "$work/before" 2>/dev/null || true
    echo "== lock"
    cat "$tree/$root/Cargo.lock" 2>/dev/null || true
    echo "== dirty"
    sed -n 's/^ *Dirty //p' "$out/stderr"
    echo "== caches"
    echo "volume $volume_state"
    echo "layer $(cat "$seed/key" 2>/dev/null)"
    echo "== dependencies timeline"
    cat "$seed/timeline" 2>/dev/null || true
    echo "== timeline"
    cat "$out/timeline"
    echo "== sizes"
    for path in "$out"/bin/* "$out"/examples/*; do
        [ ! -f "$path" ] || echo "$(wc -c <"$path") ${path##*/}"
    done
    wait
    echo "== target size"
    cut -f 1 "$work/target.size"
    echo "== layer size"
    cut -f 1 "$seed/size" 2>/dev/null || true
    echo "== packages size"
    cut -f 1 "$seed/packages.size" 2>/dev/null || true
    echo "== dependencies steps"
    cat "$seed/steps" 2>/dev/null || true
    echo "== steps"
    cat "$out/steps"
}

build_dependencies() {
    restore_lock
    run_cargo "$@"
    mkdir -p "$out/seed"
    du -sk "$PACKAGES" >"$out/seed/packages.size" 2>/dev/null &
    cp -a "$target" "$out/seed/target"
    du -sk "$out/seed/target" >"$out/seed/size" 2>/dev/null || true
    cp "$tree/$root/Cargo.lock" "$out/seed/Cargo.lock"
    echo "$build_id" >"$out/seed/key"
    cp "$out/messages" "$out/timeline" "$out/seed"
    date +%s.%N >"$out/seed/finished"
    : >"$VOLUME/seeds/$build_id"
    wait
    step dependencies
    cp "$out/steps" "$out/seed/steps"
}

# Cargo itself may have changed the lock file: a build begins with the user's, or where there is none with the one
# the dependencies were compiled from.
restore_lock() {
    path=Cargo.lock
    [ "$root" = . ] || path=$root/Cargo.lock
    content=$(sha256sum 2>/dev/null <"$tree/$path" | cut -d ' ' -f 1)
    if paths_of "$VOLUME/index" | grep -q -x -F -e "$path"; then
        echo "$path" >"$work/lock.path"
        grep -q -x -F -e "$content - $path" -e "$content x $path" "$VOLUME/index" || extract "$work/lock.path"
    elif [ -e "$seed/Cargo.lock" ]; then
        cmp -s "$seed/Cargo.lock" "$tree/$path" || cp "$seed/Cargo.lock" "$tree/$path"
    fi
}

build_sources() {
    cp "$VOLUME/before" "$work/before" 2>/dev/null || true
    take_seed
    step seed
    restore_lock
    run_cargo "$@"
    step cargo
    if ! prove; then
        touch_all
        run_cargo "$@"
        prove || fail 96 "a binary could not be proved to come from the current sources"
    fi
    step prove
    du -sk "$target" >"$work/target.size" 2>/dev/null &
    refuse_stubs 9>&- &
    search=$!
    if [ "$1" = test ]; then hand_out_tests; else hand_out; fi
    wait "$search" || exit 96
    keep_messages
    step hand_out
}

set -eu
export LC_ALL=C

phase=$1 build_id=$2 archive=$3 digest=$4 base=$5 root=$6 seed=$7 layer=$8 marker=$9
shift 9
clear=$1
shift
target=$VOLUME/target
out=/out
volume_state=kept

mkdir -p "$out" "$VOLUME" "$work"
: >"$out/steps"
step start
share_cargo_home
exec 9>"$VOLUME/lock"
flock -n 9 || {
    echo "pytest-dagger-rust: waiting for another build of this workspace" >&2
    flock 9
}
step lock
clear_once
[ -d "$target" ] || [ "$volume_state" = cleared ] || volume_state=new
check_layer
check_clock
sync_tree
check_surroundings
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
