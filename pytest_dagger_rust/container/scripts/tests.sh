# Runs jobs of test binaries, each in a process of its own and as many at once as there are processors. POSIX sh;
# coreutils or busybox.
#
#   tests.sh all FOLDER TIMEOUT LIMIT BUDGET FAILURES VOLUME SOURCES
#   tests.sh one FOLDER TIMEOUT LIMIT BUDGET FAILURES NUMBER
#
# FOLDER has binaries.sh, with a function binary_N for each binary, and jobs, a line for each: its binary's N and the
# arguments, separated by tabs. After BUDGET seconds, or with FAILURES failed jobs, no more are started; 0 is no such
# limit. Of each output stream the first and the last LIMIT bytes are kept. FOLDER/results gets a line for each job
# that ran: its number, exit code, start and end in seconds, standard output and standard error in base64.
#
# The exit code decides: nothing that a test prints can be taken for a result.
set -u
action=$1 folder=$2 timeout=$3 limit=$4 budget=$5 failures=$6
shift 6

now() {
    cut -d ' ' -f 1 /proc/uptime
}

# Seconds since the start; whole ones will do.
elapsed() {
    echo $(($(cut -d . -f 1 /proc/uptime) - $(cut -d . -f 1 "$folder/started")))
}

may_start() {
    [ ! -e "$folder/stop" ] || return 1
    [ "$budget" = 0 ] || [ "$(elapsed)" -lt "$budget" ]
}

# What is printed goes into files and not through pipes, which a process that a test leaves behind could hold open.
ends_of() {
    { head -c "$limit"; tail -c "$limit"; } <"$1" | base64 | tr -d '\n'
}

# A test that prints without end must not fill the disk: of a file that has grown too big, the beginning is dropped.
watch_sizes() {
    while sleep 1; do
        find "$folder/work" -type f -size +131072 2>/dev/null | while read -r file; do
            echo "... (pytest-dagger-rust: more than 64 MB, cut here)" >"$file"
        done
    done
}

run_job() {
    work=$folder/work/$1
    mkdir -p "$work"
    : >"$work/stdout"
    : >"$work/stderr"
    started=$(now)
    status=0
    (run_binary "$(sed -n "$1p" "$folder/jobs")") >>"$work/stdout" 2>>"$work/stderr" || status=$?
    ended=$(now)
    {
        printf '%s %s %s %s ' "$1" "$status" "$started" "$ended"
        ends_of "$work/stdout"
        printf ' '
        ends_of "$work/stderr"
        echo
    } >"$folder/done/$1"
    rm -r "$work"
    [ "$status" = 0 ] || count_failure "$1"
}

run_binary() {
    IFS=$(printf '\t')
    set -f
    # shellcheck disable=SC2086
    set -- $1
    unset IFS
    number=$1
    shift
    . "$folder/binaries.sh"
    "binary_$number" "$@" </dev/null
}

count_failure() {
    : >"$folder/failed/$1"
    if [ "$failures" != 0 ] && [ "$(ls "$folder/failed" | wc -l)" -ge "$failures" ]; then
        : >"$folder/stop"
    fi
}

run_all() {
    unset PYTEST_DAGGER_RUST_RUN
    mkdir -p "$1" "$folder/done" "$folder/failed"
    tar -x -m -C "$1" -f "$2"
    now >"$folder/started"
    watch_sizes &
    seq "$(wc -l <"$folder/jobs")" | xargs -n 1 -P "$(nproc)" \
        sh "$folder/tests.sh" one "$folder" "$timeout" "$limit" "$budget" "$failures"
    kill $!
    find "$folder/done" -type f -exec cat {} + >"$folder/results"
}

case $action in
all) run_all "$@" ;;
one) ! may_start || run_job "$1" ;;
esac
