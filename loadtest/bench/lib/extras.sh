# shellcheck shell=bash disable=SC2154 # settings, pid_of, port_of: set elsewhere
# extras.sh – what is not requests per second: memory, the start, system calls, growth, kernels, hand-over.

IDLE_CONNECTIONS=10000

median() {
    sort -n | awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

rss_kib() {
    awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

# hold ARGUMENT... – keeps connections open until release is called; status 1 if it cannot.
hold() {
    local word=
    mkfifo "$work/held"
    spawn "$work/held" "$work/hold.log" taskset -c "$LOAD_CORE" "$BUILD/bench-load" "$@"
    holder=$spawned
    exec 3<"$work/held"
    rm "$work/held"
    read -r -t 60 word <&3 || true
    exec 3<&-
    [ "$word" != idle ] || return 0
    miss "connections could not be held ($*): $(tail -n 1 "$work/hold.log")"
    release
    return 1
}

release() {
    end_one "$holder"
}

# In a server of its own, so that nothing that was freed before is taken again.
measure_memory() {
    local name port=$((PORT_BASE + 20)) before pid
    if [ "$(ulimit -n)" -lt $((IDLE_CONNECTIONS + 200)) ]; then
        say "without the memory of idle connections: ulimit -n is $(ulimit -n)"
        return
    fi
    for name in "${available[@]}"; do
        progress "memory of $IDLE_CONNECTIONS idle connections: $name"
        port=$((port + 1))
        launch "$name" "$port" || continue
        pid=$spawned
        by_load "-c 64" "$port" "$WARMUP" >/dev/null 2>"$work/why" || miss "memory, the warm-up of $name$(why)"
        before=$(rss_kib "$pid")
        if hold -c "$IDLE_CONNECTIONS" -m idle "$port"; then
            printf '%s\t%s\n' "$name" "$((($(rss_kib "$pid") - before) * 1024 / IDLE_CONNECTIONS))" >>"$OUT/memory.tsv"
            release
        fi
        end_one "$pid"
    done
}

measure_starts() {
    local name round took port=$((PORT_BASE + 40))
    for ((round = 1; round <= STARTS; round++)); do
        progress "start to first answer ($round of $STARTS)"
        for name in "${available[@]}"; do
            port=$((port + 1))
            server_command "$name" "$port"
            if took=$(taskset -c "$SERVER_CORE,$LOAD_CORE" "$BUILD/bench-meter" start "$port" "${command[@]}" 2>"$work/why"); then
                printf '%s\t%s\n' "$name" "$took" >>"$OUT/starts.tsv"
            else
                miss "a start of $name$(why)"
            fi
        done
    done
}

# How many of each system call a request takes, at 64 connections; those of making connections left out.
count_syscalls() {
    local name tracer counted
    if ! command -v strace >/dev/null; then
        say "without system calls: there is no strace"
        return
    fi
    for name in "${available[@]}"; do
        progress "system calls: $name"
        rm -f "$work/strace.txt"
        spawn /dev/null "$work/strace.log" strace -f -c -U name,calls -o "$work/strace.txt" -p "${pid_of[$name]}"
        tracer=$spawned
        until grep -qs attached "$work/strace.log"; do
            kill -0 "$tracer" 2>/dev/null || { say "without system calls: strace may not trace here"; return; }
            sleep 0.05
        done
        counted=$(by_load "-c 64" "${port_of[$name]}" 1 2>"$work/why") || miss "system calls of $name$(why)"
        end INT "$tracer" || true
        [ -n "$counted" ] || continue
        awk -v name="$name" -v requests="${counted%% *}" '
            $2 ~ /^[0-9]+$/ && $1 !~ /^(total|accept4?|epoll_ctl|close|shutdown|getsockname|setsockopt|fcntl|ioctl)$/ &&
            $2 / requests >= 0.005 { text = text sprintf("%s%s %.2f", text == "" ? "" : ", ", $1, $2 / requests) }
            END { printf "%s\t%s\n", name, text }' "$work/strace.txt" >>"$OUT/syscalls.tsv"
    done
}

# Where the processor lets itself be counted, which most virtual ones do not.
count_instructions() {
    local name counted
    if ! perf stat -x, -e instructions true 2>&1 | grep -q '^[0-9]'; then
        say "without instructions per request: perf stat cannot count them here"
        return
    fi
    for name in "${available[@]}"; do
        spawn /dev/null "$work/perf.txt" perf stat -x, -e instructions -p "${pid_of[$name]}"
        counted=$(by_load "-c 64" "${port_of[$name]}" 1 2>"$work/why") || miss "instructions of $name$(why)"
        end INT "$spawned" || true
        [ -n "$counted" ] || continue
        awk -F, -v name="$name" -v requests="${counted%% *}" '/instructions/ && $1 > 0 {
            printf "%s\t%d\n", name, $1 / requests }' "$work/perf.txt" >>"$OUT/instructions.tsv"
    done
}

# ------------------------------------------------------------------ growth

# Cost of a request by the number of connections; and of /fast at 64 of them by the number of heavy jobs that
# wait (they sleep, so what they cost is the waiting itself).
measure_growth() {
    local round count
    for ((round = 1; round <= GROWTH_ROUNDS; round++)); do
        for count in 1 10 100 1000 10000; do
            [ "$(ulimit -n)" -ge $((count + 200)) ] || continue
            progress "growth, round $round of $GROWTH_ROUNDS: $count connections"
            sample "connections-$count" limit "$round" load "-c $count" "$GROWTH_SECONDS"
            sample "connections-$count" offloop "$round" load "-c $count" "$GROWTH_SECONDS"
        done
        for count in 1 10 100 1000; do
            progress "growth, round $round of $GROWTH_ROUNDS: $count heavy jobs"
            hold -c "$count" -m pending -u '/heavy?kernel=sleep&ms=600000&offload=worker' "${port_of[offloop]}" || continue
            sample "jobs-$count" offloop "$round" load "-c 64" "$GROWTH_SECONDS"
            release
        done
    done
}

# ------------------------------------------------------------------ kernels

# timed NAME COMMAND... – one run of it, on the server's core.
timed() {
    local took
    if took=$(taskset -c "$SERVER_CORE" "$BUILD/bench-meter" wall "${@:2}" 2>"$work/why"); then
        printf '%s\t%s\n' "$1" "$took" >>"$OUT/kernels.tsv"
    else
        miss "a run of $1$(why)"
    fi
}

measure_kernels() {
    local round n sizes='100000000'
    [ "$BENCH" = quick ] || sizes='100000000 1000000000'
    command -v primesieve >/dev/null || say "primes without its measure: there is no primesieve"
    for ((round = 1; round <= KERNEL_RUNS; round++)); do
        progress "kernels, round $round of $KERNEL_RUNS"
        for n in $sizes; do
            ! command -v primesieve >/dev/null || timed "primesieve-$n" primesieve -t1 -q "$n"
            timed "primes-$n" "$BUILD/offloop-kernel" primes --n="$n"
            timed "primes-$n-one-step" "$BUILD/offloop-kernel" primes --n="$n" --steps=10000000000
        done
        timed mandelbrot-plain "$BUILD/bench-plain" 1024 500
        timed mandelbrot "$BUILD/offloop-kernel" mandelbrot --n=1024 --iterations=500
        timed mandelbrot-one-step "$BUILD/offloop-kernel" mandelbrot --n=1024 --iterations=500 --steps=10000000000
    done
}

# ------------------------------------------------------------------ hand-over

# On both cores, for the loop and the lane; at the default of --offload-nice.
measure_handover() {
    local counts
    read -ra counts <<<"$HANDOVER"
    progress "hand-over of jobs to idle lanes, ${counts[0]} rounds of ${counts[1]}"
    taskset -c "$SERVER_CORE,$LOAD_CORE" "$BUILD/bench-handover" "${counts[@]}" 19 >"$OUT/handover.tsv" ||
        miss "hand-over: jobs could not be handed over"
}
