# shellcheck shell=bash disable=SC2154 # here, work: set by the experiment
# plot.sh – the picture: /fast and /slow by the instant at which each request was due, one panel a mode.

# The picture begins a moment after the probe: at first the server accepts all its connections at once.
calm() {
    awk "BEGIN { print $WARMUP - 0.3 }"
}

# points CSV – "seconds milliseconds", one dot for each cell of a grid finer than the picture's dots:
# it looks the same and makes the SVG several times smaller.
points() {
    awk -F, -v columns=$((700 / (WARMUP + SECONDS_PER_MODE) + 1)) 'NR > 1 && $4 > 0 {
        x = $1 / 1e6; y = $3 / 1e3; if (y < 0.02) y = 0.02
        cell = int(x * columns) " " int(log(y) * 10)
        if (!(cell in seen)) { seen[cell] = 1; print x, y }
    }' "$1"
}

draw() {
    local mode
    for mode in $MODES; do
        points "$OUT/$mode-fast.csv" >"$work/$mode-fast.dat"
        points "$OUT/$mode-slow.csv" >"$work/$mode-slow.dat"
        printf '%s %s %s\n' "$mode" "$(value "$OUT/$mode-heavy-wrk.txt" run_p50_ms)" "$(
            value "$OUT/$mode-fast-probe.json" max_ms)"
    done >"$work/panels.dat"
    local type
    for type in svg png; do
        gnuplot -e "type='$type'; output_file='$OUT/experiment.$type'; folder='$work'" \
            -e "modes='$MODES'; calm=$(calm); seconds=$SECONDS_PER_MODE" \
            -e "connections=$HEAVY_CONNECTIONS" "$here/lib/latency.gnuplot"
    done
}

# The same without gnuplot: a row of blocks a mode, the worst /fast of each moment on a log scale.
draw_blocks() {
    local mode
    echo "The worst /fast of each moment: ▁ under 0.3 ms, ▂ 1, ▃ 3, ▄ 10, ▅ 30, ▆ 100, ▇ 300, █ over 300 ms"
    for mode in $MODES; do
        awk -F, -v mode="$mode" -v from="-$(calm)" -v to="$SECONDS_PER_MODE" -v columns=72 '
            NR > 1 && $1 / 1e6 >= from {
                i = int(($1 / 1e6 - from) / (to - from) * columns)
                if ($3 > worst[i]) worst[i] = $3
            }
            END {
                split("▁ ▂ ▃ ▄ ▅ ▆ ▇ █", block, " ")
                printf "%-18s ", mode
                for (i = 0; i < columns; i++) {
                    level = 1
                    for (limit = 300; level < 8 && worst[i] > limit; level++)
                        limit *= level % 2 ? 10 / 3 : 3
                    printf "%s", block[level]
                }
                print ""
            }' "$OUT/$mode-fast.csv"
    done
    echo "                   ◀ $(calm) s calm, then /heavy begins"
}
