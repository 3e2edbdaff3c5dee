# shellcheck shell=bash
# ending.sh – whatever a script starts has an end: it is asked by its own pid, and if it does not hear it is killed,
# with a word. Nothing is looked up by name, and no script waits for ever for a process that cannot hear.

: "${END_SECONDS:=15}" # a server may take 10 to drain
declare -A started=()  # of all that may still run: what it is called, by its pid

# remember PID COMMAND
remember() {
    started[$1]=${2##*/}
}

# forget PID – it has ended and been waited for: the number may belong to somebody else from now on.
forget() {
    unset "started[$1]"
}

# kill_the_deaf WHAT PID... – in the background, while somebody waits for them. The sleep is a read from a pipe that
# nobody writes to: a child of this process would outlive it.
kill_the_deaf() {
    local what=$1 pid
    shift
    read -r -t "$END_SECONDS" <> <(:) || true
    for pid in "$@"; do
        kill -0 "$pid" 2>/dev/null || continue
        echo "${0##*/}: ${started[$pid]:-a process} (pid $pid) has not heard $what for $END_SECONDS s: killed" >&2
        kill -KILL "$pid" 2>/dev/null || true
    done
}

# await_end WHAT PID... – waits for all of them to hear it; returns the status of the last.
await_end() {
    local pid guard status=0
    kill_the_deaf "$@" &
    guard=$!
    for pid in "${@:2}"; do
        status=0
        wait "$pid" 2>/dev/null || status=$?
        forget "$pid"
    done
    kill -KILL "$guard" 2>/dev/null || true
    wait "$guard" 2>/dev/null || true
    return "$status"
}

# await_program PID – until it has become its program, a process is a copy of this shell: a signal would be lost there,
# or run this shell's EXIT trap. A function in the background remains one; it is given a moment.
await_program() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        cmp -s "/proc/$$/cmdline" "/proc/$1/cmdline" 2>/dev/null || return 0
    done
}

# end SIGNAL PID... – asks each to end and waits for that; returns the status of the last. One that has ended already
# is only waited for.
end() {
    local pid
    for pid in "${@:2}"; do
        await_program "$pid"
    done
    kill "-$1" "${@:2}" 2>/dev/null || true
    await_end "SIG$1" "${@:2}"
}

end_all() {
    [ "${#started[@]}" -eq 0 ] || end TERM "${!started[@]}" || true
}
