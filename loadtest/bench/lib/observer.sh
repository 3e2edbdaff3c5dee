# shellcheck shell=bash disable=SC2154 # settings, spawned: set elsewhere
# observer.sh – what it costs to be watched, and whether what is recorded is true.
#
#   samples.tsv     /fast with the observer on (offloop) and off (unobserved), side by side
#   observer.tsv    name, value: scrapes while the loop is frozen, and the price of doing nothing
#   agreement.tsv   what, quantile, round, recorded ms, client's ms
#
# The client is the open-loop probe. A kernel that sleeps holds the loop, or a lane, as long as one that computes,
# and leaves the processor to the probe: on a machine of two cores it would otherwise measure itself.

# label | generator | its arguments | what it is
OVERHEADS='
observer-keep|load|-c 64|keep-alive, 64 connections
observer-deep|load|-c 64 -d 16|16-deep pipelining, 64 connections
observer-wrk|wrk|-c 64|wrk, keep-alive, 64 connections
observer-wrk-deep|wrk|-c 64 -s pipeline.lua|wrk, 16-deep pipelining, 64 connections
'

PAGES='metrics healthz report trace.json'

# The mode, and how many milliseconds how often per second. The long ones make the short ones wait.
OFFLOADED='
threadpool 20 41
threadpool 150 5
worker 10 43
worker 90 3
process 10 47
process 90 3
'

overheads() {
    awk NF <<<"$OVERHEADS"
}

observer_url() { # port of the server
    echo "http://127.0.0.1:$(($1 + OBSERVER_ABOVE))"
}

launch_anywhere() { # name, port: on both cores, as a user does
    SERVER_CORE=$SERVER_CORE,$LOAD_CORE launch "$@"
}

note() {
    printf '%s\t%s\n' "$1" "$2" >>"$OUT/observer.tsv"
}

# ------------------------------------------------------------------ what recording costs the loop

measure_overhead() {
    local round label generator arguments name order
    for ((round = 1; round <= OVERHEAD_ROUNDS; round++)); do
        progress "the observer on and off, round $round of $OVERHEAD_ROUNDS"
        order='unobserved offloop'
        [ $((round % 2)) -eq 0 ] || order='offloop unobserved'
        while IFS='|' read -r label generator arguments _; do
            for name in $order; do
                sample "$label" "$name" "$round" "$generator" "$arguments" "$OVERHEAD_SECONDS"
            done
        done < <(overheads)
    done
}

# ------------------------------------------------------------------ scrapes while the loop is frozen

health() { # port: 503 while the loop is blocked
    curl -s -m 10 -o /dev/null -w '%{http_code}' "$(observer_url "$1")/healthz" || true
}

await_freeze() {
    local tries=0
    until [ "$(health "$1")" = 503 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 1
        sleep 0.1
    done
}

# Milliseconds, sorted.
scrape() { # port, page
    curl -s -m 60 -o /dev/null -w '%{http_code} %{time_total}\n' "$(observer_url "$1")/$2?_=[1-$SCRAPES]" |
        awk '$1 == 200 || $1 == 503 { print $2 * 1000 }' | sort -n
}

measure_scrapes() {
    local port=$((PORT_BASE + 30)) pid page times
    progress "scrapes while the loop is frozen"
    launch_anywhere offloop "$port" || return 0
    pid=$spawned
    "$BUILD/offloop-probe" -r 300 -d 1 "http://127.0.0.1:$port/heavy?kernel=sleep&ms=2&offload=threadpool" >/dev/null 2>"$work/why" ||
        miss "jobs before the scrapes$(why)"
    if ! hold -c 1 -m pending -u "/heavy?ms=$FREEZE_MS&offload=none" "$port"; then
        end_one "$pid"
        return
    fi
    await_freeze "$port" || miss "scrapes while the loop is frozen: it does not freeze"
    for page in $PAGES; do
        times=$(scrape "$port" "$page")
        [ "$(wc -l <<<"$times")" -eq "$SCRAPES" ] || miss "some answers of the observer's /$page"
        [ -z "$times" ] || note "scrape-$page-median" "$(median <<<"$times")"
        [ -z "$times" ] || note "scrape-$page-worst" "$(tail -n 1 <<<"$times")"
    done
    if [ "$(health "$port")" != 503 ]; then
        say "without scrapes of a frozen loop: it was free again before they were over"
        sed -i '/^scrape-/d' "$OUT/observer.tsv"
    fi
    release
    end_one "$pid"
}

# ------------------------------------------------------------------ what is recorded, and what a client sees

# latencies FROM FILE... – from "sent" or from "due" to the answer, in ms, from the probe's CSV.
latencies() {
    awk -F, -v from="$1" 'FNR > 1 && $4 > 0 { print ($3 - (from == "sent" ? $2 - $1 : 0)) / 1000 }' "${@:2}"
}

# quantiles – of numbers on standard input: p50 p90 p99 max mean.
quantiles() {
    sort -n | awk '{ v[NR] = $1; sum += $1 }
        function rank(q,   i) { i = int(q * NR); return v[i < q * NR ? i + 1 : i] }
        END { if (NR) print rank(0.5), rank(0.9), rank(0.99), v[NR], sum / NR }'
}

# agree WHAT ROUND RECORDED CLIENTS – each five figures, as quantiles prints them; - for one that is not recorded.
agree() {
    paste <(printf '%s\n' p50 p90 p99 max mean) <(tr ' ' '\n' <<<"$3") <(tr ' ' '\n' <<<"$4") |
        awk -v OFS='\t' -v what="$1" -v round="$2" '$2 != "-" && NF == 3 { print what, $1, round, $2, $3 }' >>"$OUT/agreement.tsv"
}

# metric FILE NAME – in ms
metric() {
    awk -v name="$2{" 'index($1, name) == 1 { print $2 * 1000 }' "$1"
}

last_waited() { # the socket waits of the last batch: p50 - p99 max
    sed -n 's/.*"waited":{"p50":\([0-9.]*\),"p99":\([0-9.]*\),"max":\([0-9.]*\)}.*/\1 - \2 \3/p' "$1" | tail -n 1
}

# Trips as "work ms", from submission to delivery.
trips() {
    grep -o '"work":"[a-z]*","kernel":"sleep"[^}]*"delivered":[0-9.]*' "$1" | grep '"outcome":"succeeded"' |
        sed 's/.*"work":"\([a-z]*\)".*"submitted":\([0-9.]*\),.*"delivered":\([0-9.]*\)/\1 \2 \3/' |
        awk '{ printf "%s %.3f\n", $1, $3 - $2 }'
}

listen() { # port: the events, until they are ended
    spawn "$work/events" /dev/null curl -sN "$(observer_url "$1")/events"
    listener=$spawned
}

probe() { # name, rate, connections, URL
    spawn "$work/$1.json" "$work/$1.log" "$BUILD/offloop-probe" -r "$2" -c "$3" -d "$AGREEMENT_SECONDS" \
        --csv "$work/$1.csv" --json "$4"
}

# lost_some WHAT PROBE – it has not got all its answers; those that it has are compared all the same.
lost_some() {
    miss "$1: the probe lost requests ($2): $(tail -n 1 "$work/$2.log")"
}

# /fast while the loop is held for 0.4 s of each second. The server is new, so that the last ten seconds are those of
# the probe.
measure_stalls() { # round
    local port=$((PORT_BASE + 31)) pid heavy
    launch_anywhere offloop "$port" || return 0
    pid=$spawned
    listen "$port"
    probe heavy 1 4 "http://127.0.0.1:$port/heavy?kernel=sleep&ms=400&offload=none"
    heavy=$spawned
    probe fast 500 300 "http://127.0.0.1:$port/fast"
    fast=$spawned
    await "$fast" || lost_some "the record of stalls, round $1" fast
    await "$heavy" || lost_some "the record of stalls, round $1" heavy
    curl -s -m 10 "$(observer_url "$port")/metrics" >"$work/metrics" || miss "the observer's /metrics, round $1"
    sleep 0.3 # the batch with the last stall
    end_one "$listener"
    end_one "$pid"
    agree "event loop lag" "$1" "$(metric "$work/metrics" nodejs_eventloop_lag_p50_seconds) $(
        metric "$work/metrics" nodejs_eventloop_lag_p90_seconds) $(metric "$work/metrics" nodejs_eventloop_lag_p99_seconds) $(
        metric "$work/metrics" nodejs_eventloop_lag_max_seconds) -" "$(latencies due "$work/fast.csv" | quantiles)"
    agree "wait in the socket" "$1" "$(last_waited "$work/events") $(awk "BEGIN { print $(
        metric "$work/metrics" offloop_socket_wait_seconds_sum) / $(
        awk '/^offloop_socket_wait_seconds_count/ { print $2 }' "$work/metrics") }")" \
        "$(latencies sent "$work/fast.csv" | awk '$1 >= 5' | quantiles)"
}

# A mode's lanes are started by its first job, on the loop: another kernel's, whose trip is not counted.
measure_trips() { # round
    local port=$((PORT_BASE + 32)) pid mode ms rate probes=() one
    launch_anywhere offloop "$port" || return 0
    pid=$spawned
    for mode in threadpool worker process; do
        curl -s -o /dev/null "http://127.0.0.1:$port/heavy?kernel=primes&n=10&offload=$mode"
        curl -s -o /dev/null "http://127.0.0.1:$port/heavy?kernel=primes&ms=1&offload=$mode"
    done
    listen "$port"
    while read -r mode ms rate; do
        probe "$mode-$ms" "$rate" 16 "http://127.0.0.1:$port/heavy?kernel=sleep&ms=$ms&offload=$mode"
        probes+=("$spawned")
    done < <(awk NF <<<"$OFFLOADED")
    for one in "${probes[@]}"; do
        await "$one" || miss "the record of jobs, round $1: a probe lost requests"
    done
    sleep 0.3
    end_one "$listener"
    end_one "$pid"
    for mode in threadpool worker process; do
        agree "wait + run + return, $mode" "$1" "$(trips "$work/events" | awk -v m="$mode" '$1 == m { print $2 }' | quantiles)" \
            "$(latencies sent "$work/$mode"-*.csv | quantiles)"
    done
}

measure_agreement() {
    local round
    for ((round = 1; round <= AGREEMENT_ROUNDS; round++)); do
        progress "the record and the client, round $round of $AGREEMENT_ROUNDS"
        measure_stalls "$round"
        measure_trips "$round"
    done
}

# ------------------------------------------------------------------ doing nothing

wakeups() { # pid: of all its threads
    awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }' "/proc/$1"/task/*/status
}

measure_idleness() {
    local port=$((PORT_BASE + 33)) name pid cpu woken
    for name in offloop unobserved; do
        progress "idle for $IDLE_SECONDS s: $name"
        port=$((port + 1))
        launch_anywhere "$name" "$port" || continue
        pid=$spawned
        by_load "-c 64" "$port" "$WARMUP" >/dev/null 2>"$work/why" || miss "idleness, the warm-up of $name$(why)"
        sleep 1
        cpu=$(cpu_ns "$pid") woken=$(wakeups "$pid")
        sleep "$IDLE_SECONDS"
        note "idle-cpu-$name" "$(awk "BEGIN { print ($(cpu_ns "$pid") - $cpu) / 1e7 / $IDLE_SECONDS }")"
        note "idle-wakeups-$name" "$(awk "BEGIN { print ($(wakeups "$pid") - $woken) / $IDLE_SECONDS }")"
        note "rss-$name" "$(rss_kib "$pid")"
        note "threads-$name" "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)"
        end_one "$pid"
    done
}

# ------------------------------------------------------------------ all of it

# The first needs the servers that stand, the others start their own.
measure_observer() {
    if ! command -v curl >/dev/null; then
        say "without the observer's pages: there is no curl"
        return
    fi
    measure_scrapes
    measure_agreement
    measure_idleness
}

# ------------------------------------------------------------------ figures

# on_over_off LABEL rate|cpu – the median of the rounds' ratios: requests per second, or per second of processor time.
on_over_off() {
    awk -F'\t' -v label="$1" -v kind="$2" '
        $1 == label { value[$2, $3] = $4 / (kind == "rate" ? $5 : $6); rounds[$3] }
        END { for (i in rounds) if (value["offloop", i] && value["unobserved", i]) print value["offloop", i] / value["unobserved", i] }' \
        "$OUT/samples.tsv" | median | awk '{ printf "%.3f", $1 }'
}

# agreements – what, quantile, recorded, client's, difference, and how many times the difference is what is allowed
# (the larger of 5 % and 1 ms). Medians over the rounds, of the differences too.
agreements() {
    local what quantile recorded clients difference column
    [ -e "$OUT/agreement.tsv" ] || return 0
    while IFS=$'\t' read -r what quantile; do
        read -r recorded clients difference < <(for column in 4 5 0; do
            awk -F'\t' -v w="$what" -v q="$quantile" -v column="$column" '
                $1 == w && $2 == q { print (column ? $column : $4 - $5) }' "$OUT/agreement.tsv" | median
        done | paste -sd ' ')
        awk -v OFS='|' -v what="$what" -v q="$quantile" -v r="$recorded" -v c="$clients" -v d="$difference" 'BEGIN {
            allowed = 0.05 * c > 1 ? 0.05 * c : 1
            print what, q, sprintf("%.2f", r), sprintf("%.2f", c), sprintf("%+.2f", d), sprintf("%.2f", (d < 0 ? -d : d) / allowed) }'
    done < <(cut -f 1,2 "$OUT/agreement.tsv" | awk '!seen[$0]++')
}

# The worst of those whose name begins so.
disagreement() {
    agreements | awk -F'|' -v what="$1" 'index($1, what) == 1 && $6 > most { most = $6 } END { if (NR) print most }'
}

of_observer() {
    value_of observer "$1" | awk -v format="${2:-%s}" '{ printf format, $1 }'
}

observer_bars() {
    local page worst
    echo "/fast with the observer on over off, 64 connections|$(on_over_off observer-keep rate)|at least|0.98|"
    echo "  the same per CPU second, the observer's own included|$(on_over_off observer-keep cpu)|shown||"
    echo "  the same, 16-deep pipelining|$(on_over_off observer-deep rate)|at least|0.98|"
    echo "  the same, wrk|$(on_over_off observer-wrk rate)|at least|0.98|"
    for page in $PAGES; do
        echo "/$page of a frozen loop, the slowest of $SCRAPES|$(of_observer "scrape-$page-worst" %.1f)|at most|50|ms"
    done
    for worst in 'wait in the socket' 'wait + run + return' 'event loop lag'; do
        echo "$worst, recorded and seen by a client: times 5 % or 1 ms|$(disagreement "$worst")|at most|1|"
    done
    echo "idle with the observer|$(of_observer idle-cpu-offloop %.2f)|at most|1|% of a core"
}

overhead_rows() {
    local label title
    echo "/fast, on over off|requests/s|requests per CPU second"
    while IFS='|' read -r label _ _ title; do
        echo "$title|$(on_over_off "$label" rate)|$(on_over_off "$label" cpu)"
    done < <(overheads)
}

scrape_rows() {
    local page
    echo "page of a frozen loop|median ms|slowest ms"
    for page in $PAGES; do
        echo "/$page|$(of_observer "scrape-$page-median" %.2f)|$(of_observer "scrape-$page-worst" %.2f)"
    done
}

agreement_rows() {
    echo "what|of all|recorded ms|client ms|difference ms|times 5 % or 1 ms"
    agreements
}

idle_rows() {
    local name
    echo "idle|CPU %|wake-ups/s|resident KiB|threads"
    for name in offloop unobserved; do
        echo "observer $([ "$name" = offloop ] && echo on || echo off)|$(of_observer "idle-cpu-$name" %.2f)|$(
            of_observer "idle-wakeups-$name" %.0f)|$(of_observer "rss-$name")|$(of_observer "threads-$name")"
    done
}

# Of the kernel's clock, if it says so.
tick_ms() {
    local hz
    hz=$({ zcat /proc/config.gz || cat "/boot/config-$(uname -r)"; } 2>/dev/null | sed -n 's/^CONFIG_HZ=//p')
    [ -z "$hz" ] && echo "4 ms or less" || echo "here $((1000 / hz)) ms"
}
