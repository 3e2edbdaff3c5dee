# shellcheck shell=bash disable=SC2154,SC2034 # url is set elsewhere, HEAVY_PATH used elsewhere
# work.sh – how much one /heavy has to do.
#
# `/heavy?ms=100` asks each server for what it takes to be 100 ms of work, and servers started one after
# the other on a busy machine take different things to be that. An experiment wants the same work in every
# mode: it asks for an exact size, found here before it begins, by the shortest of a few runs.

# fetch PATH – the last line of a good answer, which is its JSON, is in $answer. Any other is the end of the experiment.
fetch() {
    local authority=${url#http://} lines
    { exec 4<>"/dev/tcp/${authority%:*}/${authority##*:}"; } 2>"$work/why" ||
        blame "cannot connect to $url: $(sed -n '$s/.*: //p' "$work/why")"
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$authority" >&4
    mapfile -t lines < <(timeout "$((30 + HEAVY_MS / 100))" cat <&4)
    exec 4>&-
    answer=${lines[-1]:-}
    [[ ${lines[0]:-} == *' 2'* ]] || blame "$url$1 $(what_it_says "${lines[0]:-}" "$answer")"
}

# what_it_says STATUS-LINE LAST-LINE
what_it_says() {
    local status=${1#* }
    if [ -z "$1" ]; then
        echo "does not answer"
    else
        echo "answers ${status%$'\r'}: $(string_in "$2" detail)"
    fi
}

# number_in JSON NAME – empty if there is none.
number_in() {
    sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" <<<"$1"
}

# shortest_run PATH – the least run_ms of five, in $run.
shortest_run() {
    local runs=
    for _ in 1 2 3 4 5; do
        fetch "$1"
        runs+=$(number_in "$answer" run_ms)$'\n'
    done
    run=$(sort -n <<<"${runs%$'\n'}" | head -n 1)
}

# Sets HEAVY_PATH. Twice, because the time a kernel takes is not quite proportional to its size.
choose_work() {
    local log=$OUT/work-server.log n run
    progress "looking for $HEAVY_MS ms of work"
    start_server "$log" --offload=none
    fetch "/heavy?ms=$HEAVY_MS"
    n=$(number_in "$answer" n)
    [ -n "$n" ] || fail "/heavy?ms=$HEAVY_MS did not say how much it did (see $log)"
    for _ in 1 2; do
        shortest_run "/heavy?n=$n"
        [ -n "$run" ] || fail "/heavy?n=$n did not say how long it ran (see $log)"
        n=$(awk "BEGIN { printf \"%d\", $n * $HEAVY_MS / $run }")
    done
    HEAVY_PATH="/heavy?n=$n"
    stop_server
}
