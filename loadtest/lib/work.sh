# shellcheck shell=bash disable=SC2154,SC2034 # url is set elsewhere, HEAVY_PATH used elsewhere
# work.sh – how much one /heavy has to do.
#
# `/heavy?ms=100` asks each server for what it takes to be 100 ms of work, and servers started one after
# the other on a busy machine take different things to be that. An experiment wants the same work in every
# mode: it asks for an exact size, found here before it begins, by the shortest of a few runs.

# fetch PATH – the answer's last line, which is its JSON.
fetch() {
    local authority=${url#http://}
    exec 4<>"/dev/tcp/${authority%:*}/${authority##*:}"
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" "$authority" >&4
    tail -n 1 <&4
    exec 4>&-
}

# number_in JSON NAME – empty if there is none.
number_in() {
    sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p" <<<"$1"
}

# shortest_run PATH – the least run_ms of five.
shortest_run() {
    for _ in 1 2 3 4 5; do
        number_in "$(fetch "$1")" run_ms
    done | sort -n | head -n 1
}

# Sets HEAVY_PATH. Twice, because the time a kernel takes is not quite proportional to its size.
choose_work() {
    local log=$OUT/work-server.log n run
    progress "looking for $HEAVY_MS ms of work"
    start_server "$log" --offload=none
    n=$(number_in "$(fetch "/heavy?ms=$HEAVY_MS")" n)
    [ -n "$n" ] || fail "/heavy?ms=$HEAVY_MS did not say how much it did (see $log)"
    for _ in 1 2; do
        run=$(shortest_run "/heavy?n=$n")
        [ -n "$run" ] || fail "/heavy?n=$n did not say how long it ran (see $log)"
        n=$(awk "BEGIN { printf \"%d\", $n * $HEAVY_MS / $run }")
    done
    HEAVY_PATH="/heavy?n=$n"
    stop_server
}
