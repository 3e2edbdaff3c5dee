# latency.gnuplot – small multiples with the same axes: one panel a mode, one dot a request.
# Set by the caller: type (svg or png), output_file, folder, modes, calm, seconds, connections.
#
# Colours: Okabe and Ito's, which stay apart for the colour-blind; the routes differ in shape as well.

fast = "#009E73"; slow = "#0072B2"; heavy = "#D55E00"; grey = "#666666"
panels = words(modes)
columns = panels > 4 ? 2 : 1
rows = int((panels + columns - 1) / columns)

# In pixels, so that a panel looks the same however many there are.
head = 100; foot = 104; panel = 200; gap = 56; left = 136; right = 30
width = columns == 1 ? 1280 : 1800
height = head + rows * panel + (rows - 1) * gap + foot
panel_width = (width - columns * (left + right)) / columns

if (type eq "svg") {
    set terminal svg size width,height font "DejaVu Sans,Helvetica,Arial,sans-serif,20" background "#ffffff" enhanced
} else {
    set terminal pngcairo size width,height font "DejaVu Sans,20" background "#ffffff" enhanced
}
set output output_file
set encoding utf8

set xrange [-calm:seconds]
set logscale y
set yrange [0.02:8000]
set ytics ("0.1 ms" 0.1, "1 ms" 1, "10 ms" 10, "100 ms" 100, "1 s" 1000)
tick = seconds > 6 ? 2 : 1
set xtics tick nomirror out
set ytics nomirror out
set mytics 1
set grid ytics lc rgb "#dddddd" lw 1 lt 1
set border 3 lc rgb grey
unset key

figure(i, nth) = real(word(system(sprintf("sed -n %dp %s/panels.dat", i, folder)), nth))
readable(ms) = ms < 100 ? sprintf("%.1f ms", ms) : ms < 1000 ? sprintf("%.0f ms", ms) : sprintf("%.1f s", ms / 1000)

set multiplot
set label 1 "{/:Bold Who waits for the event loop?}" at screen 1.0 * left / width, 1 - 32.0 / height left font ",24"
set label 2 "{/:Bold ■} /fast" at screen 1 - 170.0 / width, 1 - 32.0 / height right textcolor rgb fast
set label 3 "{/:Bold ○} /slow" at screen 1 - 1.0 * right / width, 1 - 32.0 / height right textcolor rgb slow
do for [i = 1:panels] {
    row = int((i - 1) / columns)
    x = ((i - 1) % columns) * (left + panel_width + right) + left
    y = height - head - row * (panel + gap)
    set lmargin at screen 1.0 * x / width
    set rmargin at screen 1.0 * (x + panel_width) / width
    set tmargin at screen 1.0 * y / height
    set bmargin at screen 1.0 * (y - panel) / height
    bottom = i > panels - columns
    set format x (bottom ? "%.0f" : "")
    set xlabel (bottom ? sprintf("time in seconds; grey: %d connections ask for /heavy", connections) : "") textcolor rgb grey

    kernel = figure(i, 2)
    set object 1 rectangle from 0, graph 0 to seconds, graph 1 behind fillcolor rgb "#f3f3f3" fillstyle solid noborder
    set arrow 1 from -calm, kernel to seconds, kernel nohead front lc rgb heavy lw 2.5 dt 2
    set label 4 sprintf("one kernel ran for %s", readable(kernel)) at graph 0.99, first kernel / 2.6 right front textcolor rgb heavy
    set label 5 sprintf("{/:Bold %s}     worst /fast: {/:Bold %s}", word(modes, i), readable(figure(i, 3))) at graph 0, graph 1.11 left
    plot folder."/".word(modes, i)."-fast.dat" using 1:2 with points pt 5 ps 0.4 lc rgb fast, \
         folder."/".word(modes, i)."-slow.dat" using 1:2 with points pt 6 ps 1.2 lw 2.2 lc rgb slow
    unset label 1
    unset label 2
    unset label 3
}
unset multiplot
