# shellcheck shell=bash disable=SC2154 # here, work: set by the experiment
# processes.sh – starts the processes of the experiment, and keeps what they complain of: when something goes wrong
# the reason is told in their own words. Every one is ended by the function that is done with it or by the EXIT trap.

# shellcheck source=loadtest/lib/ending.sh
source "$(dirname "${BASH_SOURCE[0]}")/ending.sh"

# spawn OUT ERR COMMAND... – runs it in the background; its pid is in $spawned.
spawn() {
    local out=$1 err=$2
    shift 2
    "$@" >"$out" 2>"$err" &
    spawned=$!
    remember "$spawned" "$1"
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
    end INT "$1"
}

# string_in JSON NAME – a string from a line of JSON, without its escapes.
string_in() {
    sed -n "s/.*\"$2\":\"\(\([^\"\\\\]\|\\\\.\)*\)\".*/\1/; s/\\\\\(.\)/\1/g; p" <<<"$1"
}

# complaints LOG WHO – lines to put behind a sentence: the last three warnings and errors of a log, and what is not
# written as a log at all (a probe's words, a sanitizer's, the loader's). That a loop is blocked is what we are here for.
complaints() {
    local line
    [ -e "$1" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            *'"event":"loop_'* | *'"level":"info"'* | 'offloop-probe: measuring' | 'offloop-probe: waiting for'*) ;;
            *'"message":"'*) string_in "$line" message ;;
            *) echo "$line" ;;
        esac
    done <"$1" | tail -n 3 | awk -v who="$2" '{ printf "\n  %s: %s", who, $0 }'
}

# start_server LOG OPTION... – starts the server on a free port and waits until it says that it listens;
# its pid is in $server, its address in $url. The log comes through a pipe, so that the line can be
# awaited; the rest is copied on, since a full pipe would block the server.
start_server() {
    local log=$1 pipe=$work/server-log line=
    shift
    url=
    rm -f "$pipe"
    mkfifo "$pipe"
    spawn /dev/null "$pipe" "$BUILD/offloop" --port 0 "$@"
    server=$spawned server_log=$log
    exec 3<"$pipe"
    rm "$pipe"
    : >"$log"
    while [ -z "$url" ] && IFS= read -r -t 20 line <&3; do
        echo "$line" >>"$log"
        case $line in
            *'"event":"listening"'*) url=$(string_in "$line" url) ;;
        esac
    done
    cat <&3 >>"$log" &
    copier=$!
    exec 3<&-
    [ -n "$url" ] || blame "offloop --port 0 $* did not say that it listens"
}

# close_server – ends it, if it is not over; its status is in $server_status, and its log is complete.
close_server() {
    [ -n "${started[$server]:-}" ] || return 0
    server_status=0
    end TERM "$server" || server_status=$?
    await_end "the end of the server" "$copier" || true
}

stop_server() {
    close_server
    [ "$server_status" -eq 0 ] || blame "the server ended with status $server_status instead of 0"
}

# blame SENTENCE [LOG WHO]... – fails with this sentence and, in lines behind it, with what the server and those others
# have said.
blame() {
    local sentence=$1 reasons='' gone=''
    shift
    [ -z "${started[$server]:-}" ] || kill -0 "$server" 2>/dev/null || gone=yes
    close_server
    [ -z "$gone" ] || reasons=$'\n'"  the server has ended by itself, with status $server_status"
    set -- "$server_log" "the server" "$@"
    while [ $# -gt 1 ]; do
        reasons+=$(complaints "$1" "$2")
        shift 2
    done
    fail "$sentence$reasons"
}
