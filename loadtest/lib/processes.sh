# shellcheck shell=bash disable=SC2154 # work: set by the experiment
# processes.sh – starts and ends the processes of the experiment. Every one is ended by its own pid, by
# the function that is done with it or by the EXIT trap; nothing is looked up by name.

started=() # pids that may still run

# spawn OUT ERR COMMAND... – runs it in the background; its pid is in $spawned.
spawn() {
    local out=$1 err=$2
    shift 2
    "$@" >"$out" 2>"$err" &
    spawned=$!
    started+=("$spawned")
}

# forget PID – it has ended and been waited for: the number may belong to somebody else from now on.
forget() {
    local pid kept=()
    for pid in "${started[@]}"; do
        [ "$pid" = "$1" ] || kept+=("$pid")
    done
    started=("${kept[@]}")
}

# await PID – waits for its end; returns its exit status.
await() {
    local status=0
    wait "$1" || status=$?
    forget "$1"
    return "$status"
}

# interrupt PID – asks wrk to stop and report. It is often over already; then there is nobody to ask.
interrupt() {
    kill -INT "$1" 2>/dev/null || true
    await "$1"
}

end_all() {
    local pid
    for pid in "${started[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    started=()
}

# string_in JSON NAME – a string without escapes from a line of JSON.
string_in() {
    local rest=${1#*"\"$2\":\""}
    echo "${rest%%\"*}"
}

# start_server LOG OPTION... – starts the server on a free port and waits until it says that it listens;
# its pid is in $server, its address in $url. The log comes through a pipe, so that the line can be
# awaited; the rest is copied on, since a full pipe would block the server.
start_server() {
    local log=$1 pipe=$work/server-log line=
    shift
    url=
    mkfifo "$pipe"
    spawn /dev/null "$pipe" "$BUILD/offloop" --port 0 "$@"
    server=$spawned
    exec 3<"$pipe"
    rm "$pipe"
    : >"$log"
    while [ -z "$url" ] && read -r -t 20 line <&3; do
        echo "$line" >>"$log"
        case $line in
            *'"event":"listening"'*) url=$(string_in "$line" url) ;;
        esac
    done
    [ -n "$url" ] || fail "offloop --port 0 $* did not say that it listens: $(tail -n 1 "$log")"
    cat <&3 >>"$log" &
    exec 3<&-
}

# stop_server – asks it to drain and waits for its end.
stop_server() {
    local status=0
    kill -TERM "$server" 2>/dev/null || true
    await "$server" || status=$?
    [ "$status" -eq 0 ] || fail "the server ended with status $status instead of 0"
}
