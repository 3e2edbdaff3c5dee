# shellcheck shell=bash disable=SC2154 # settings, version_of: set elsewhere
# report.sh – from the samples to the tables, the bars, docs/benchmarks.md and the picture.

# summary FILE – workload server requests/s(median) CPU µs(median) least most, and the same for
# the ratio of its CPU to the limit's in the same round, and of the throughputs.
summarise() {
    awk -F'\t' '
        { key = $1 "\t" $2; if (!(key in n)) order[++keys] = key
          i = ++n[key]; rate[key, i] = $4 / $5; cpu[key, i] = $6 / 1000 / $4; round[key, i] = $3
          if ($2 == "limit") { limit_rate[$1, $3] = $4 / $5; limit_cpu[$1, $3] = $6 / 1000 / $4 } }
        function median(values, count,   i, j, t) {
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && values[j] < values[j - 1]; j--) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
            return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2 }
        END {
            for (k = 1; k <= keys; k++) {
                key = order[k]; split(key, part, "\t"); count = n[key]; beside = 0
                for (i = 1; i <= count; i++) {
                    r[i] = rate[key, i]; c[i] = cpu[key, i]; at = part[1] SUBSEP round[key, i]
                    if (limit_rate[at] && limit_cpu[at]) { rr[++beside] = r[i] / limit_rate[at]; cr[beside] = c[i] / limit_cpu[at] } }
                middle = median(c, count); least = c[1]; most = c[count]
                printf "%s\t%.0f\t%.3f\t%.3f\t%.3f\t%s\t%s\n", key, median(r, count), middle, least, most,
                    beside ? sprintf("%.3f", median(cr, beside)) : "", beside ? sprintf("%.3f", median(rr, beside)) : "" } }' \
        "$OUT/samples.tsv" >"$OUT/summary.tsv"
}

# figure WORKLOAD SERVER COLUMN – 3 requests/s, 4 CPU µs, 5 least, 6 most, 7 CPU over the limit's, 8 rate over it
figure() {
    awk -F'\t' -v w="$1" -v s="$2" -v c="$3" '$1 == w && $2 == s { print $c }' "$OUT/summary.tsv"
}

# value_of FILE NAME – the median of a name's values.
value_of() {
    [ ! -e "$OUT/$1.tsv" ] || awk -F'\t' -v name="$2" '$1 == name { print $2 }' "$OUT/$1.tsv" | median
}

# handed_over MODE COLUMN – the median over the rounds: 3 of their medians, 4 of their 90th percentiles, in µs.
handed_over() {
    [ ! -e "$OUT/handover.tsv" ] || awk -F'\t' -v mode="$1" -v c="$2" '$1 == mode { print $c }' "$OUT/handover.tsv" | median
}

calculate() {
    awk "BEGIN { printf \"$1\", $2 }"
}

# ------------------------------------------------------------------ the bars

# over SERVER WORKLOAD – our requests per CPU second over a server's, each taken relative to the limit
# of the same round.
over() {
    local theirs ours
    theirs=$(figure "$2" "$1" 7) ours=$(figure "$2" offloop 7)
    [ -z "$theirs" ] || [ -z "$ours" ] || calculate '%.2f' "$theirs / $ours"
}

# The shortest runs: nothing but a disturbance makes a run longer.
kernel_ratio() { # ours, theirs
    local ours theirs
    ours=$(least_of "$1") theirs=$(least_of "$2")
    [ -z "$ours" ] || [ -z "$theirs" ] || calculate '%.3f' "$ours / $theirs"
}

least_of() {
    [ ! -e "$OUT/kernels.tsv" ] || awk -F'\t' -v name="$1" '$1 == name { print $2 }' "$OUT/kernels.tsv" | sort -n | head -n 1
}

# what|figure|at most, at least or shown|bar|unit. An empty figure is a bar that was not measured; one that is only
# shown is judged by the reader. offloop does not parse the same bytes twice, hence the figures for varied requests.
bars() {
    local n
    echo "CPU per request over the limit's, 64 connections|$(figure saturated offloop 7)|at most|1.06|"
    echo "  the same, no request like the one before it|$(figure varied offloop 7)|shown||"
    echo "requests per CPU second over the limit's, 16-deep pipelining|$(over limit saturated-16)|at least|0.80|"
    echo "  the same, no request like the one before it|$(over limit varied-16)|shown||"
    echo "requests per CPU second over nginx's|$(over nginx saturated)|at least|1.20|"
    echo "requests per CPU second over h2o's|$(over h2o saturated)|at least|1.15|"
    echo "requests per CPU second over node:http's|$(over node-http saturated)|at least|2.6|"
    echo "requests per CPU second over Express's|$(over express saturated)|at least|14|"
    echo "accepts per second over the limit's|$(figure accepts offloop 8)|at least|0.95|"
    echo "accepts per CPU second over the limit's|$(over limit accepts)|at least|0.95|"
    echo "user memory per idle connection|$(value_of memory offloop)|at most|1536|bytes"
    echo "first answer after exec|$(value_of starts offloop | awk '{ printf "%.1f", $1 / 1000 }')|at most|15|ms"
    for n in 100000000 1000000000; do
        echo "primes over primesieve -t1, n = $n|$(kernel_ratio "primes-$n" "primesieve-$n")|at most|3|"
    done
    echo "primes in steps over one step|$(kernel_ratio primes-1000000000 primes-1000000000-one-step)|at most|1.01|"
    echo "mandelbrot over a plain loop|$(kernel_ratio mandelbrot mandelbrot-plain)|at most|1|"
    echo "mandelbrot in steps over one step|$(kernel_ratio mandelbrot mandelbrot-one-step)|at most|1.01|"
    echo "a job to an idle worker|$(handed_over worker 3)|at most|30|µs"
    echo "a job to a thread of its own|$(handed_over worker-per-request 3)|at most|150|µs"
    observer_bars
}

# Adds a verdict to each bar: what|figure|relation|bar|unit|met, MISSED or not measured
judged_bars() {
    bars | awk -F'|' -v OFS='|' '{
        verdict = $2 == "" ? "not measured" : $3 == "shown" ? "" : ($3 == "at most" ? $2 + 0 <= $4 + 0 : $2 + 0 >= $4 + 0) ? "met" : "MISSED"
        print $0, verdict }'
}

# ------------------------------------------------------------------ tables

# table – rows of fields split by | on standard input, aligned for a terminal. In the C locale every awk counts
# bytes, so a character is a byte that continues no other.
table() {
    LC_ALL=C awk -F'|' '
        function shown(text) { gsub(/[\200-\277]/, "", text); return length(text) }
        { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (shown($i) > width[i]) width[i] = shown($i) }
          columns = NF > columns ? NF : columns }
        END { for (r = 1; r <= NR; r++) { line = ""
            for (i = 1; i <= columns; i++) { text = cell[r, i]; pad = sprintf("%*s", width[i] - shown(text), "")
                line = line (i == 1 ? text pad : "  " pad text) }
            sub(/ +$/, "", line); print line } }'
}

# The same for Markdown.
markdown() {
    awk -F'|' '{ print "| " gensub_bars($0) " |" }
        NR == 1 { line = "|---|"; for (i = 2; i <= NF; i++) line = line "---:|"; print line }
        function gensub_bars(text) { gsub(/\|/, " | ", text); return text }'
}

servers_by_workload() {
    local name row
    echo "$1|requests/s|CPU µs/request|range|CPU over limit|"
    for name in "${available[@]}"; do
        row=$(awk -F'\t' -v w="$1" -v s="$name" '$1 == w && $2 == s {
            printf "%d|%.2f|%.2f–%.2f|%s|", $3, $4, $5, $6, $7 == "" ? "–" : sprintf("%.2f", $7) }' "$OUT/summary.tsv")
        echo "$(server_title "$name")|${row:-–|–|–|–|}"
    done
}

# extras – one row a server: memory, start, system calls, and instructions if there are any.
extras() {
    local name instructions=''
    [ ! -e "$OUT/instructions.tsv" ] || instructions='|instructions/request'
    echo "server|bytes/idle connection|start ms|system calls/request$instructions"
    for name in "${available[@]}"; do
        printf '%s|%s|%s|%s' "$(server_title "$name")" "$(value_of memory "$name")" \
            "$(value_of starts "$name" | awk '{ printf "%.1f", $1 / 1000 }')" \
            "$(awk -F'\t' -v n="$name" '$1 == n { print $2 }' "$OUT/syscalls.tsv" 2>/dev/null)"
        [ -z "$instructions" ] || printf '|%s' "$(value_of instructions "$name")"
        echo
    done
}

growth_rows() {
    echo "load|limit CPU µs/request|offloop CPU µs/request|range"
    awk -F'\t' '/^(connections|jobs)-/ { if (!($1 in seen)) { seen[$1] = 1; order[++n] = $1 }
            if ($2 == "limit") limit[$1] = $4; else { ours[$1] = $4; range[$1] = sprintf("%.2f–%.2f", $5, $6) } }
        END { for (i = 1; i <= n; i++) { split(order[i], part, "-")
            printf "%s %d %d %s|%s|%s|%s\n", part[1], part[2], part[2], part[1] == "jobs" ? "heavy jobs waiting" : "connections",
                order[i] in limit ? sprintf("%.2f", limit[order[i]]) : "–",
                order[i] in ours ? sprintf("%.2f", ours[order[i]]) : "–", range[order[i]] } }' "$OUT/summary.tsv" |
        sort -k1,1 -k2,2n | cut -d' ' -f3-
}

kernel_rows() {
    echo "kernel|ms|"
    cut -f1 "$OUT/kernels.tsv" | awk '!seen[$0]++' | while read -r name; do
        echo "$name|$(value_of kernels "$name" | awk '{ printf "%.1f", $1 / 1000 }')|"
    done
}

handover_rows() {
    local mode
    echo "mode|median µs|90th percentile µs"
    for mode in worker worker-per-request threadpool process; do
        echo "\`$mode\`|$(handed_over "$mode" 3)|$(handed_over "$mode" 4)"
    done
}

bar_rows() {
    echo "bar|measured|wanted|"
    judged_bars | awk -F'|' '{ printf "%s|%s%s|%s %s%s|%s\n", $1, $2 == "" ? "–" : $2, $5 == "" || $2 == "" ? "" : " " $5, $3 == "shown" ? "–" : $3, $4, $5 == "" ? "" : " " $5, $6 }'
}

# in_the_terminal
print_tables() {
    local name rows
    while IFS='|' read -r name _; do
        printf '\n%s\n' "$(workload_title "$name")"
        servers_by_workload "$name" | table
    done < <(workloads)
    echo
    extras | table
    echo
    growth_rows | table
    echo
    kernel_rows | table
    for rows in overhead_rows scrape_rows agreement_rows idle_rows; do
        echo
        "$rows" | table
    done
    echo
    handover_rows | tr -d '`' | table
    echo
    bar_rows | table
}

machine() {
    echo "- $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(uname -sr)$(
        sed -n 's/^PRETTY_NAME="\(.*\)"/, \1/p' /etc/os-release 2>/dev/null)"
    echo "- $(${CC:-cc} --version | head -n 1); libuv $(pkg-config --modversion libuv); $(wrk -v 2>&1 | sed -n '1s/ \[.*//p')"
    local name versions=''
    for name in "${available[@]}"; do
        [ -z "${version_of[$name]}" ] || versions+="${versions:+, }${version_of[$name]}"
    done
    echo "- $versions"
    [ -z "$absences" ] || sed 's/^/- /' <<<"$absences"
}

shown_arguments() {
    local text=${1/closing/"-H 'Connection: close'"}
    echo "${text/browser/-H … (BROWSER_FIELDS in loadtest/bench/lib/settings.sh)}"
}

write_markdown() {
    local name generator arguments
    cat <<END
# Benchmarks

*Written by \`make bench\` (\`BENCH=$BENCH loadtest/bench/run\`) on $(date -u +%Y-%m-%d); change the script or
\`loadtest/bench/notes.md\`, not this file.*

$(machine)

The server runs on core $SERVER_CORE, the generator on core $LOAD_CORE, over loopback, in $ROUNDS interleaved rounds of $SECONDS_EACH s a server and
workload. Figures are medians. Absolute ones drift with the machine; ratios are taken within a round. The **limit** is
a raw epoll loop that does not parse (\`loadtest/bench/limit.c\`): what it costs is what the kernel's network stack costs. The
figure of merit is **CPU µs/request**, the server's user and system time over answered requests: wrk's own core is full
before a fast server's is, so its requests/s are the generator's. \`bench-load\` only counts bytes, and fills the server.

![CPU time per request, and how it grows](images/benchmarks.svg)

## The bars

$(bar_rows | markdown)

END
    while IFS='|' read -r name generator arguments _; do
        printf '## %s\n\n`%s %s`\n\n' "$(workload_title "$name")" "$([ "$generator" = load ] && echo bench-load || echo wrk -t 1)" \
            "$(shown_arguments "$arguments")"
        servers_by_workload "$name" | sed 's/|$//' | markdown
        echo
    done < <(workloads)
    cat <<END
## Memory, start, system calls

Memory is what the resident set grows by for each of 10,000 connections that have had one answer; the start is from exec to the
first answer (median of $STARTS); system calls by \`strace -c\` at 64 connections, those that make connections left out.

$(extras | markdown)

## Growth

Keep-alive requests by the number of connections, and with 64 connections by the number of heavy jobs that wait for a worker.

$(growth_rows | markdown)

## Kernels

Milliseconds from exec to exit, \`offloop-kernel\` against \`primesieve -t1\` and against a plain double loop compiled with the same flags
(\`loadtest/bench/plain.c\`); *one-step* does not look for a cancellation.

$(kernel_rows | sed 's/|$//' | markdown)

## Hand-over

Microseconds from \`offload_submit\` to the kernel's beginning on a lane that has nothing else to do, one job at a time with a pause
behind it, so that lane and loop are asleep (\`bench-handover $HANDOVER 19\`: rounds, jobs in each, nice value).

$(handover_rows | markdown)

$([ ! -e "$here/nice.md" ] || cat "$here/nice.md")

## The observer

Recording is on unless \`--observer=off\`: the same server with it and without it takes turns, $OVERHEAD_ROUNDS rounds of
$OVERHEAD_SECONDS s each; the observer's thread and the watchdog's are on the server's core, and their time counts.

$(overhead_rows | markdown)

Its pages while the loop is held by one request of mode \`none\`, $SCRAPES times each, by \`curl\`:

$(scrape_rows | markdown)

What is recorded, beside what the open-loop probe sees at the same time (medians of $AGREEMENT_ROUNDS rounds of $AGREEMENT_SECONDS s). *Event loop
lag* is the server's answer to what any request would have to wait: the probe's latency from the instant at which a request for \`/fast\` was due,
while the loop is held for 0.4 s of each second. *Wait in the socket* is that of the requests that were sent and had to wait 5 ms or more; the
kernel knows it to a tick ($(tick_ms)). *Wait + run + return* are the three legs of a job, beside the client's latency from sending to answer.

$(agreement_rows | markdown)

Doing nothing for $IDLE_SECONDS s:

$(idle_rows | markdown)

$(cat "$here/notes.md")
END
}

# ------------------------------------------------------------------ the picture

draw() {
    if ! command -v gnuplot >/dev/null; then
        echo "(With gnuplot installed there is a picture; Debian: gnuplot-nox, Homebrew: gnuplot.)"
        return
    fi
    local name type
    for name in "${available[@]}"; do
        [ -n "$(figure saturated "$name" 4)" ] || continue
        printf '"%s" %s %s %s %s\n' "$(server_title "$name")" "$(figure saturated "$name" 4)" "$(figure saturated "$name" 5)" \
            "$(figure saturated "$name" 6)" "$name"
    done | sort -t'"' -k3,3n >"$work/servers.dat"
    for name in limit offloop; do
        awk -F'\t' -v s="$name" '$2 == s && /^connections-/ { sub(/.*-/, "", $1); print $1, $4, $5, $6 }' "$OUT/summary.tsv" |
            sort -n >"$work/growth-$name.dat"
    done
    awk -F'\t' '/^jobs-/ { sub(/.*-/, "", $1); print $1, $4, $5, $6 }' "$OUT/summary.tsv" | sort -n >"$work/growth-jobs.dat"
    mkdir -p "$OUT/images"
    for type in svg png; do
        gnuplot -e "type='$type'; output_file='$OUT/images/benchmarks.$type'; folder='$work'" "$here/lib/benchmarks.gnuplot" ||
            miss "the picture: gnuplot could not draw it"
    done
}
