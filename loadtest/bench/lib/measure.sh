# shellcheck shell=bash disable=SC2154 # settings, pid_of, port_of: set elsewhere
# measure.sh – one sample: a generator on its core, the server on the other, and what it cost the server.
#
# A sample is a line of samples.tsv: workload, server, round, requests, seconds, CPU nanoseconds. One without a good
# answer is missing.

cpu_ns() {
    "$BUILD/bench-meter" cpu "$1"
}

# by_load ARGUMENTS PORT SECONDS [PID] – prints "requests seconds nanoseconds".
by_load() {
    local arguments
    read -ra arguments <<<"$1"
    timeout 60 taskset -c "$LOAD_CORE" "$BUILD/bench-load" "${arguments[@]}" -s "$3" ${4:+-p "$4"} "$2"
}

# wrk_fields WORD – the field lines that a workload's last word stands for, one a line.
wrk_fields() {
    case $1 in
        browser) printf '%s\n' "${BROWSER_FIELDS[@]}" ;;
        closing) echo 'Connection: close' ;;
    esac
}

# wrk counts whole seconds; interrupted, it reports what it has.
run_wrk() {
    local arguments field fields
    read -ra arguments <<<"$1"
    fields=$(wrk_fields "${arguments[-1]}")
    if [ -n "$fields" ]; then
        unset 'arguments[-1]'
        while read -r field; do
            arguments+=(-H "$field")
        done <<<"$fields"
    fi
    (cd "$here" && exec timeout --signal=INT --kill-after=30 "$3" taskset -c "$LOAD_CORE" \
        wrk -t 1 -d 60 --timeout 30s "${arguments[@]}" "http://127.0.0.1:$2/fast") >"$work/wrk.txt" || true
}

# by_wrk ARGUMENTS PORT SECONDS PID – the same.
by_wrk() {
    local before
    before=$(cpu_ns "$4")
    run_wrk "$@"
    awk -v ns="$(($(cpu_ns "$4") - before))" '
        /Non-2xx/ { bad = 1 }
        / requests in / { value = $4; sub(/,/, "", value); unit = value; gsub(/[0-9.]/, "", unit)
            print $1, unit == "ms" ? value / 1e3 : unit == "m" ? value * 60 : value + 0, ns; good = $1 > 0 }
        END { exit bad || !good }' "$work/wrk.txt"
}

# why – behind a sentence: what the generator has said.
why() {
    [ ! -s "$work/why" ] || echo " ($(tail -n 1 "$work/why"))"
}

# sample LABEL SERVER ROUND GENERATOR ARGUMENTS SECONDS – the server is a key of pid_of.
sample() {
    local label=$1 server=$2 round=$3 counted
    if ! counted=$("by_$4" "$5" "${port_of[$server]}" "$6" "${pid_of[$server]}" 2>"$work/why"); then
        miss "$label, round $round: no good answers from $server$(why)"
        return
    fi
    printf '%s\t%s\t%s\t%s\n' "$label" "${server%-closing}" "$round" "${counted// /$'\t'}" >>"$OUT/samples.tsv"
}

# The limit reads no fields, so another instance of it is the one that closes.
instance_for() {
    if [ "$1" = limit ] && [[ $2 == accepts || $2 == close ]]; then
        echo limit-closing
    else
        echo "$1"
    fi
}

warm_up() {
    local name
    for name in "${available[@]}"; do
        progress "warming up $name"
        by_load "-c 16" "${port_of[$name]}" "$WARMUP" >/dev/null 2>"$work/why" || miss "the warm-up of $name$(why)"
    done
}

measure_workloads() {
    local round name row generator arguments done=0 total
    total=$((ROUNDS * $(workloads | wc -l)))
    for ((round = 1; round <= ROUNDS; round++)); do
        while IFS='|' read -r row generator arguments _; do
            done=$((done + 1))
            progress "round $round of $ROUNDS: $row ($done of $total)"
            for name in "${available[@]}"; do
                sample "$row" "$(instance_for "$name" "$row")" "$round" "$generator" "$arguments" "$SECONDS_EACH"
            done
        done < <(workloads)
    done
}
