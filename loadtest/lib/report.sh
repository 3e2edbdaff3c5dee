# shellcheck shell=bash
# report.sh – from the files of a run to the table, the sentences and the verdict.

# value FILE NAME – a number of the JSON object in the file's last line.
value() {
    tail -n 1 "$1" | sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p"
}

# holds EXPRESSION – whether a comparison of numbers is true.
holds() {
    awk "BEGIN { exit !($1) }"
}

# ms NUMBER – as many digits as one can use.
ms() {
    awk -v v="$1" 'BEGIN { printf v < 10 ? "%.2f" : v < 100 ? "%.1f" : "%.0f", v }'
}

per_second() {
    awk -v v="$1" 'BEGIN { printf v < 100 ? "%.1f" : "%.0f", v }'
}

# One row for each of a mode's measurements: mode|route|by|requests/s|p50|p99|max
rows_of() {
    local mode=$1 name=$OUT/$1 route file by
    while IFS='|' read -r route by file; do
        echo "$mode|$route|$by|$(per_second "$(value "$file" rate)")|$(ms "$(value "$file" p50_ms)")|$(
            ms "$(value "$file" p99_ms)")|$(ms "$(value "$file" max_ms)")"
    done <<END
/fast|probe (open loop)|$name-fast-probe.json
/fast|wrk says|$name-fast-wrk.txt
/slow?ms=$SLOW_MS|wrk says|$name-slow-wrk.txt
$HEAVY_PATH|wrk says|$name-heavy-wrk.txt
END
}

all_rows() {
    local mode
    echo "mode|route|measured by|requests/s|p50 ms|p99 ms|max ms"
    for mode in $MODES; do
        rows_of "$mode"
    done
}

print_table() {
    all_rows | awk -F'|' '
        NR == 1 || $1 != last { if (NR > 1) print "" }
        { printf "%-18s %-19s %-18s %10s %9s %9s %9s\n", $1 == last ? "" : $1, $2, $3, $4, $5, $6, $7
          last = $1 }'
}

print_markdown() {
    all_rows | awk -F'|' '
        { printf "| %s | %s | %s | %s | %s | %s | %s |\n", NR == 1 ? $1 : "`" $1 "`",
              NR == 1 ? $2 : "`" $2 "`", $3, $4, $5, $6, $7 }
        NR == 1 { print "|---|---|---|---:|---:|---:|---:|" }'
    local mode
    echo
    for mode in $MODES; do
        sentence "$mode" | sed "s/^$mode:/- **$mode**:/"
    done
}

# What one sees and why, with the figures of this run; nothing is explained that was not seen.
sentence() {
    local mode=$1 name=$OUT/$1 worst median kernel wrk_rate
    worst=$(value "$name-fast-probe.json" max_ms)
    median=$(value "$name-fast-probe.json" p50_ms)
    kernel=$(value "$name-heavy-wrk.txt" run_p50_ms)
    wrk_rate=$(value "$name-fast-wrk.txt" rate)
    printf '%s: the kernels run %s (Node: %s), %s ms each; ' "$mode" "$(mode_place "$mode")" \
        "$(mode_in_node "$mode")" "$(ms "$kernel")"
    if ! verdict "$mode" >/dev/null; then
        printf 'this run does not show what that does to /fast (%s ms in the median, %s ms at worst).\n' \
            "$(ms "$median")" "$(ms "$worst")"
    elif [[ $mode = cluster-* ]]; then
        printf 'each holds up one member and everybody whose connection is there, and %s connections ask for ' \
            "$HEAVY_CONNECTIONS"
        printf 'them: half of the /fast requests waited more than %s ms, the worst %s ms (%.1f kernels).\n' \
            "$(ms "$median")" "$(ms "$worst")" "$(awk "BEGIN { print $worst / $kernel }")"
    elif [ "$(mode_claim "$mode")" = blocks ]; then
        printf 'meanwhile nobody is served: half of the /fast requests waited more than %s ms, the ' \
            "$(ms "$median")"
        printf 'worst %s ms (%.1f kernels), and wrk, which sends nothing while it waits, counts only %s ' \
            "$(ms "$worst")" "$(awk "BEGIN { print $worst / $kernel }")" "$(per_second "$wrk_rate")"
        printf 'requests/s.\n'
    else
        printf 'the loop stays free: /fast waited %s ms in the median and %s ms at worst, under one ' \
            "$(ms "$median")" "$(ms "$worst")"
        printf 'kernel%s.\n' "$(about_slow "$mode")"
    fi
}

# /slow waits beside the kernels, or behind them.
about_slow() {
    local slow
    slow=$(value "$OUT/$1-slow-wrk.txt" p50_ms)
    if mode_shares_pool "$1" && holds "$slow > 1.2 * $SLOW_MS"; then
        printf ', but the queries of /slow wait for the same threads: %s ms instead of %s' \
            "$(ms "$slow")" "$SLOW_MS"
    else
        printf ', and /slow takes %s ms' "$(ms "$slow")"
    fi
}

# The claim of a mode, held against the run_ms of its own /heavy answers: the median kernel where the loop
# must be seen to wait, the shortest of all where it must not. Says what was found; status 1 if it fails.
verdict() {
    local mode=$1 name=$OUT/$1 worst kernel
    worst=$(value "$name-fast-probe.json" max_ms)
    kernel=$(value "$name-heavy-wrk.txt" run_p50_ms)
    [ "$(mode_claim "$mode")" = blocks ] || kernel=$(value "$name-heavy-wrk.txt" run_min_ms)
    if [ "$(mode_claim "$mode")" = blocks ]; then
        judge "$mode" "holds up the loop" "$worst >= $kernel" "$worst" "at least one kernel" "$kernel"
    else
        judge "$mode" "leaves the loop free" "$worst < $kernel" "$worst" "less than the shortest kernel" \
            "$kernel"
    fi
}

# judge MODE CLAIM COMPARISON WORST BOUND KERNEL
judge() {
    local off
    if holds "$3"; then
        echo "shown   $1 $2: the worst /fast waited $(ms "$4") ms, $5 ($(ms "$6") ms)"
        return
    fi
    off=$(awk "BEGIN { d = $4 - $6; print d < 0 ? -d : d }")
    echo "FAILED  $1 $2: the worst /fast waited $(ms "$4") ms and not $5 ($(ms "$6") ms); off by $(
        ms "$off") ms. The probe itself was late by up to $(
        ms "$(value "$OUT/$1-fast-probe.json" probe_late_max_ms)") ms."
    return 1
}

print_json() {
    local mode comma=''
    printf '{"seconds_per_mode":%s,"heavy_path":"%s","slow_ms":%s,"rate":%s,' "$SECONDS_PER_MODE" \
        "$HEAVY_PATH" "$SLOW_MS" "$RATE"
    printf '"heavy_connections":%s,"cores":%s,"modes":[' "$HEAVY_CONNECTIONS" "$(cores)"
    for mode in $MODES; do
        printf '%s\n{"mode":"%s","in_node":"%s","shown":%s' "$comma" "$mode" "$(mode_in_node "$mode")" "$(
            verdict "$mode" >/dev/null && echo true || echo false)"
        local part
        for part in fast-probe.json fast-wrk.txt slow-probe.json slow-wrk.txt heavy-wrk.txt; do
            printf ',\n "%s":%s' "$(sed 's/\..*//; s/-/_/' <<<"$part")" "$(tail -n 1 "$OUT/$mode-$part")"
        done
        printf '}'
        comma=,
    done
    printf '\n]}\n'
}
