/* dashboard.h – the files of the page, which are part of the program: it needs no folder of its own
 * and no network.
 *
 * To add a file: put it into dashboard/ and give it a row here. */
#ifndef OFFLOOP_OBSERVE_DASHBOARD_H
#define OFFLOOP_OBSERVE_DASHBOARD_H

#include <stdbool.h>
#include <stddef.h>

#define DASHBOARD_HTML "text/html; charset=utf-8"
#define DASHBOARD_CSS  "text/css; charset=utf-8"
#define DASHBOARD_JS   "text/javascript; charset=utf-8"

/* symbol, file, media type; index.html is /, the others are below /app/ */
/* clang-format off */
#define DASHBOARD_FILES(row)                          \
    row(clock_js, "clock.js", DASHBOARD_JS)           \
    row(controls_js, "controls.js", DASHBOARD_JS)     \
    row(cursor_js, "cursor.js", DASHBOARD_JS)         \
    row(depth_js, "depth.js", DASHBOARD_JS)           \
    row(dom_js, "dom.js", DASHBOARD_JS)               \
    row(dots_js, "dots.js", DASHBOARD_JS)             \
    row(experiment_js, "experiment.js", DASHBOARD_JS) \
    row(export_js, "export.js", DASHBOARD_JS)         \
    row(feed_js, "feed.js", DASHBOARD_JS)             \
    row(format_js, "format.js", DASHBOARD_JS)         \
    row(gantt_js, "gantt.js", DASHBOARD_JS)           \
    row(index_html, "index.html", DASHBOARD_HTML)     \
    row(keys_js, "keys.js", DASHBOARD_JS)             \
    row(lanes_js, "lanes.js", DASHBOARD_JS)           \
    row(lessons_js, "lessons.js", DASHBOARD_JS)       \
    row(main_js, "main.js", DASHBOARD_JS)             \
    row(numbers_js, "numbers.js", DASHBOARD_JS)       \
    row(patient_js, "patient.js", DASHBOARD_JS)       \
    row(predict_js, "predict.js", DASHBOARD_JS)       \
    row(ring_js, "ring.js", DASHBOARD_JS)             \
    row(store_js, "store.js", DASHBOARD_JS)           \
    row(strip_js, "strip.js", DASHBOARD_JS)           \
    row(style_css, "style.css", DASHBOARD_CSS)        \
    row(surface_js, "surface.js", DASHBOARD_JS)       \
    row(tables_js, "tables.js", DASHBOARD_JS)         \
    row(theme_js, "theme.js", DASHBOARD_JS)           \
    row(transport_js, "transport.js", DASHBOARD_JS)   \
    row(verdict_js, "verdict.js", DASHBOARD_JS)       \
    row(view_js, "view.js", DASHBOARD_JS)             \
    row(waits_js, "waits.js", DASHBOARD_JS)           \
    row(work_js, "work.js", DASHBOARD_JS)
/* clang-format on */

struct dashboard_file {
    const char *content_type;
    const char *bytes;
    size_t length;
};

/* The file at the path of a request. Returns false if there is none. */
bool dashboard_find(const char *path, struct dashboard_file *file);

#endif
