# shellcheck shell=bash disable=SC2154 # here, work: set by the experiment; url, spawned: by processes.sh
# load.sh – loads one mode and measures it. The order of things, for each mode:
#
#   1. The probe asks for /fast at a constant rate; at first nothing else happens (the warm-up).
#   2. When it says "measuring", time 0 of the picture, wrk begins on /heavy and on /slow, and a second
#      probe on /slow. They go on until the probe has its last answer: the load surrounds the measurement.
#   3. wrk alone asks for /fast under the same heavy load: what it says is set beside the probe's figures.
#      It floods the server, and so has a turn of its own.
#
# Traps of wrk that this avoids: it drops answers later than --timeout (hence 30 s), and it does not count
# what is unanswered when it stops. So the heavy load outlives the run on /fast, whose unanswered requests
# then have waited no differently from the counted ones, and a run is much longer than one stall.
# SIGINT makes wrk stop and report at once.

# On few cores the probe must not queue behind the kernels for a core, or it would blame the server for its own
# waiting: so it is scheduled before all others (SCHED_FIFO) where that is permitted, which is for root. With a
# nice value below 0 instead its figures scatter more (loadtest/bench/notes.md). How late it was stands in
# results.json, probe_late_p99_ms and probe_late_max_ms.
probe_first=()
if chrt --fifo 1 true 2>/dev/null; then
    probe_first=(chrt --fifo 1)
fi

# wrk_on PATH CONNECTIONS SECONDS OUT [kernel]
wrk_on() {
    local path=$1 connections=$2 seconds=$3 out=$4
    shift 4
    spawn "$out" "${out%.*}.log" wrk --threads 1 --connections "$connections" --duration "$seconds" \
        --timeout 30s --latency --script "$here/wrk_report.lua" "$url$path" ${1:+-- "$1"}
}

heavy_load() {
    wrk_on "$HEAVY_PATH" "$HEAVY_CONNECTIONS" 600 "$1" kernel
    heavy=$spawned
}

# What is still missing when the probe has begun to measure.
begin_load() {
    local name=$1
    heavy_load "$name-heavy-wrk.txt"
    wrk_on "/slow?ms=$SLOW_MS" "$SLOW_CONNECTIONS" 600 "$name-slow-wrk.txt"
    slow=$spawned
    spawn "$name-slow-probe.json" "$name-slow-probe.log" "$BUILD/offloop-probe" --json --rate "$SLOW_RATE" \
        --duration "$SECONDS_PER_MODE" --csv "$name-slow.csv" "$url/slow?ms=$SLOW_MS"
    slow_probe=$spawned
}

# Follows the probe through what it says, which goes into its log too; a second without news is a tick of the progress
# line. If the second is over in the middle of a line, its beginning waits in `line` for the rest.
follow_probe() {
    local mode=$1 name=$2 line='' part status passed=0
    while :; do
        status=0
        IFS= read -r -t 1 part <&3 || status=$?
        line+=$part
        if [ "$status" -gt 128 ]; then
            passed=$((passed + 1))
            progress_tick "$mode: ${passed} s of about $((WARMUP + SECONDS_PER_MODE + WRK_SECONDS)) s"
            continue
        fi
        [ -z "$line" ] || echo "$line" >>"$name-fast-probe.log"
        [ "$status" -eq 0 ] || return 0
        if [ "$line" = "offloop-probe: measuring" ]; then
            progress "$mode: $HEAVY_CONNECTIONS connections ask for $HEAVY_PATH, the probe for /fast"
            begin_load "$name"
        fi
        line=
    done
}

# lost MODE PART WHAT – ends the experiment with what this part of it, and the server, have said.
lost() {
    local mode=$1 file=$OUT/$1-$2
    blame "$mode: $3$(of_requests "$file.json")" "$file.log" "${2##*-}"
}

# of_requests JSON – behind a sentence: ": of 100 requests 3 were lost, 5 unanswered", if a probe could count them.
of_requests() {
    [ ! -s "$1" ] || echo ": of $(value "$1" count) requests $(value "$1" errors) were lost, $(value "$1" unanswered) unanswered"
}

probe_under_load() {
    local mode=$1 name=$2 pipe=$work/probe-says probe
    heavy='' slow='' slow_probe=''
    rm -f "$name"-*-probe.log
    mkfifo "$pipe"
    spawn "$name-fast-probe.json" "$pipe" "${probe_first[@]}" "$BUILD/offloop-probe" --verbose --json \
        --rate "$RATE" --warmup "$WARMUP" --duration "$SECONDS_PER_MODE" --connections "$PROBE_CONNECTIONS" \
        --csv "$name-fast.csv" "$url/fast"
    probe=$spawned
    exec 3<"$pipe"
    rm "$pipe"
    follow_probe "$mode" "$name"
    exec 3<&-
    await "$probe" || lost "$mode" fast-probe "the probe did not get all its answers from /fast"
    [ -n "$slow_probe" ] || lost "$mode" fast-probe "the probe did not say that it measures"
    await "$slow_probe" || lost "$mode" slow-probe "not every /slow was answered"
    interrupt "$slow" || lost "$mode" slow-wrk "wrk failed on /slow"
    interrupt "$heavy" || lost "$mode" heavy-wrk "wrk failed on /heavy"
}

# Figures of answers that refuse the work would prove nothing: each route is asked once before it is loaded.
check_routes() {
    local path
    for path in /fast "/slow?ms=$SLOW_MS" "$HEAVY_PATH"; do
        fetch "$path"
    done
}

# bad_statuses CSV – behind a sentence: " but 503", if the probe has them one by one.
bad_statuses() {
    [ ! -e "$1" ] || awk -F, 'NR > 1 && $4 >= 300 && !seen[$4]++ { all = all (all ? ", " : " but ") $4 } END { printf "%s", all }' "$1"
}

# The same for those that came later; if the work is still refused, fetch says why.
check_answers() {
    local mode=$1 name=$2 part path refused
    while read -r part path; do
        refused=$(value "$name-$part" non_2xx)
        [ "$refused" != 0 ] || continue
        fetch "$path"
        blame "$mode: ${refused:-?} answers of $path were not 2xx$(bad_statuses "$name-${part%-*}.csv") (see $name-$part)"
    done <<END
fast-probe.json /fast
slow-probe.json /slow?ms=$SLOW_MS
slow-wrk.txt /slow?ms=$SLOW_MS
heavy-wrk.txt $HEAVY_PATH
fast-wrk.txt /fast
END
    [ -n "$(value "$name-heavy-wrk.txt" run_min_ms)" ] ||
        blame "$mode: no /heavy was answered with its run_ms (see $name-heavy-wrk.txt)"
}

wrk_under_load() {
    local mode=$1 name=$2
    progress "$mode: the same for wrk, which asks again when it has been answered"
    heavy_load "$work/heavy-again.txt"
    wrk_on /fast "$FAST_CONNECTIONS" "$WRK_SECONDS" "$name-fast-wrk.txt"
    await "$spawned" || lost "$mode" fast-wrk "wrk failed on /fast"
    interrupt "$heavy" || blame "$mode: wrk failed on /heavy" "$work/heavy-again.log" wrk
}

measure() {
    local mode=$1 name=$OUT/$1 options
    read -ra options <<<"$(mode_options "$mode")"
    progress "$mode: starting the server"
    start_server "$name-server.log" "${options[@]}"
    check_routes
    probe_under_load "$mode" "$name"
    wrk_under_load "$mode" "$name"
    check_answers "$mode" "$name"
    stop_server
    progress "$mode: done"
}
