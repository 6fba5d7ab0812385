# Runs one program inside the runtime container and keeps all that can be known of it. POSIX sh.
#
#   run.sh TIMEOUT LIMIT FOLDER program [arguments...]
#
# Standard input arrives base64-encoded. The result file has four lines: exit code, seconds, and the base64 of
# stdout and of stderr, cut at LIMIT bytes each.
timeout=$1 limit=$2 folder=$3
shift 3
result=/pytest-dagger-rust-run
mkdir -p "$result"
base64 -d >"$result/stdin"
unset PYTEST_DAGGER_RUST_RUN

now() {
    cut -d ' ' -f 1 /proc/uptime
}

# A program that writes without end must not fill the disk.
collect() {
    head -c "$limit"
    cat >/dev/null
}

mkfifo "$result/stdout.fifo" "$result/stderr.fifo"
collect <"$result/stdout.fifo" >"$result/stdout" &
collect <"$result/stderr.fifo" >"$result/stderr" &
started=$(now)
status=0
(
    [ -z "$folder" ] || cd "$folder" || exit 127
    if [ "$timeout" = 0 ]; then
        exec "$@"
    else
        exec timeout -k 2 "$timeout" "$@"
    fi
) <"$result/stdin" >"$result/stdout.fifo" 2>"$result/stderr.fifo" || status=$?
ended=$(now)
wait
{
    echo "$status"
    echo "$started $ended"
    base64 "$result/stdout" | tr -d '\n'
    echo
    base64 "$result/stderr" | tr -d '\n'
    echo
} >"$result/result"
