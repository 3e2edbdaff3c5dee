# benchmarks.gnuplot – left: CPU time per request of each server; right: how it grows with connections and jobs.
# Set by the caller: type (svg or png), output_file, folder.
#
# Colours: Okabe and Ito's; the curves differ in shape as well.

ours = "#009E73"; limit = "#0072B2"; others = "#999999"; jobs = "#D55E00"; grey = "#666666"
width = 1600; height = 640

if (type eq "svg") {
    set terminal svg size width,height font "DejaVu Sans,Helvetica,Arial,sans-serif,18" background "#ffffff" enhanced
} else {
    set terminal pngcairo size width,height font "DejaVu Sans,18" background "#ffffff" enhanced
}
set output output_file
set encoding utf8
set border 3 lc rgb grey
set tics nomirror out
unset key

colour(name) = name eq "offloop" ? 0x009E73 : name eq "limit" ? 0x0072B2 : 0x999999

# Where only one connection asks, the server sleeps and wakes for each request: room for that, and for the key.
stats folder."/growth-offloop.dat" using 4 nooutput
highest = STATS_max * 1.25 > 12 ? STATS_max * 1.25 : 12
stats folder."/servers.dat" using 2 nooutput

set multiplot
set lmargin at screen 0.175
set rmargin at screen 0.475
set tmargin at screen 0.86
set bmargin at screen 0.17
set label 1 "{/:Bold CPU µs per request}, 64 connections, log scale; less is better" at screen 0.02, 0.94 left
count = STATS_records
set yrange [count - 0.4:-0.6]
set logscale x
set xrange [1:STATS_max * 2.2]
set grid xtics lc rgb "#dddddd" lw 1 lt 1
set style fill solid noborder
plot folder."/servers.dat" using (0.5 * (1 + $2)):0:(1):2:($0 - 0.32):($0 + 0.32):(colour(strcol(5))):ytic(1) with boxxyerror lc rgb variable, \
     "" using 2:0:(sprintf("  %.2f", $2)) with labels left

unset label 1
set lmargin at screen 0.56
set rmargin at screen 0.97
set label 2 "{/:Bold CPU µs per request, growing}; flat is good" at screen 0.56, 0.94 left
unset yrange
unset grid
set grid ytics lc rgb "#dddddd" lw 1 lt 1
set xrange [0.8:14000]
set yrange [0:highest]
set ytics auto
set format x "%.0f"
set xlabel "connections, or heavy jobs waiting" textcolor rgb grey
set key at graph 0.98, 0.98 right samplen 3
plot folder."/growth-offloop.dat" using 1:2:3:4 with yerrorlines pt 7 ps 1 lw 2.5 lc rgb ours title "offloop, by connections", \
     folder."/growth-jobs.dat" using 1:2:3:4 with yerrorlines pt 9 ps 1 lw 2.5 lc rgb jobs title "offloop, 64 connections, by waiting jobs", \
     folder."/growth-limit.dat" using 1:2:3:4 with yerrorlines pt 5 ps 1 lw 2.5 dt 2 lc rgb limit title "the limit, by connections"
unset multiplot
