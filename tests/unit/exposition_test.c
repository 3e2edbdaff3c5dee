/* exposition_test.c – exact pages in both formats, and Prometheus' own opinion of them. */
#include "server/observe/exposition.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/temporary.h"

static const uint64_t MS = 1000000;

struct memory_page {
    struct exposition page;
    FILE *file;
    char *text;
    size_t length;
};

static void begin(struct memory_page *memory, enum exposition_format format)
{
    memory->file = open_memstream(&memory->text, &memory->length);
    assert_non_null(memory->file);
    exposition_begin(&memory->page, memory->file, format);
}

static void end_with(struct memory_page *memory, const char *expected)
{
    assert_int_equal(exposition_end(&memory->page), 0);
    fclose(memory->file);
    assert_string_equal(memory->text, expected);
    free(memory->text);
}

/* ------------------------------------------------------------------ counters, gauges, facts */

static void write_families(struct exposition *page)
{
    exposition_family(page, "http_requests", EXPOSITION_COUNTER, NULL, "Requests taken.");
    exposition_sample(page, EXPOSITION_LABELS({"route", "/fast"}, {"method", "GET"}), 17);
    exposition_sample(page, EXPOSITION_LABELS({"route", "/heavy"}), 0);
    exposition_family(page, "process_cpu_seconds", EXPOSITION_COUNTER, "seconds", "CPU time.");
    exposition_sample(page, NULL, 0.25);
    exposition_family(page, "loop_lag_seconds", EXPOSITION_GAUGE, "seconds", "Lag of the loop.");
    exposition_sample(page, NULL, 0.0015);
    exposition_family(page, "offloop", EXPOSITION_INFO, NULL, "What runs here.");
    exposition_sample(page, EXPOSITION_LABELS({"version", "1.2"}), 1);
}

static void test_a_page_for_prometheus(void **state)
{
    struct memory_page memory;
    (void)state;
    begin(&memory, EXPOSITION_PROMETHEUS);
    write_families(&memory.page);
    end_with(&memory, "# HELP http_requests_total Requests taken.\n"
                      "# TYPE http_requests_total counter\n"
                      "http_requests_total{route=\"/fast\",method=\"GET\"} 17\n"
                      "http_requests_total{route=\"/heavy\"} 0\n"
                      "# HELP process_cpu_seconds_total CPU time.\n"
                      "# TYPE process_cpu_seconds_total counter\n"
                      "process_cpu_seconds_total 0.25\n"
                      "# HELP loop_lag_seconds Lag of the loop.\n"
                      "# TYPE loop_lag_seconds gauge\n"
                      "loop_lag_seconds 0.0015\n"
                      "# HELP offloop_info What runs here.\n"
                      "# TYPE offloop_info gauge\n"
                      "offloop_info{version=\"1.2\"} 1\n");
}

static void test_the_same_page_for_openmetrics(void **state)
{
    struct memory_page memory;
    (void)state;
    begin(&memory, EXPOSITION_OPENMETRICS);
    write_families(&memory.page);
    end_with(&memory, "# TYPE http_requests counter\n"
                      "# HELP http_requests Requests taken.\n"
                      "http_requests_total{route=\"/fast\",method=\"GET\"} 17\n"
                      "http_requests_total{route=\"/heavy\"} 0\n"
                      "# TYPE process_cpu_seconds counter\n"
                      "# UNIT process_cpu_seconds seconds\n"
                      "# HELP process_cpu_seconds CPU time.\n"
                      "process_cpu_seconds_total 0.25\n"
                      "# TYPE loop_lag_seconds gauge\n"
                      "# UNIT loop_lag_seconds seconds\n"
                      "# HELP loop_lag_seconds Lag of the loop.\n"
                      "loop_lag_seconds 0.0015\n"
                      "# TYPE offloop info\n"
                      "# HELP offloop What runs here.\n"
                      "offloop_info{version=\"1.2\"} 1\n"
                      "# EOF\n");
}

/* ------------------------------------------------------------------ histograms */

static void write_histogram(struct exposition *page, const struct exposition_label *labels)
{
    static const uint64_t bounds_ns[] = {500000, 5000000, 1000000000, 10000000000};
    static struct histogram histogram;
    struct histogram_snapshot snapshot;
    memset(&histogram, 0, sizeof histogram);
    histogram_record(&histogram, 1 * MS);
    histogram_record(&histogram, 2 * MS);
    histogram_record(&histogram, 200 * MS);
    histogram_record(&histogram, 12000 * MS);
    histogram_read(&histogram, &snapshot);
    exposition_family(page, "request_duration_seconds", EXPOSITION_HISTOGRAM, "seconds",
                      "From the request to its answer.");
    exposition_histogram(page, labels, &snapshot, bounds_ns, 4);
}

static void test_a_histogram_for_prometheus(void **state)
{
    struct memory_page memory;
    (void)state;
    begin(&memory, EXPOSITION_PROMETHEUS);
    write_histogram(&memory.page, EXPOSITION_LABELS({"route", "/slow"}));
    end_with(&memory, "# HELP request_duration_seconds From the request to its answer.\n"
                      "# TYPE request_duration_seconds histogram\n"
                      "request_duration_seconds_bucket{route=\"/slow\",le=\"0.0005\"} 0\n"
                      "request_duration_seconds_bucket{route=\"/slow\",le=\"0.005\"} 2\n"
                      "request_duration_seconds_bucket{route=\"/slow\",le=\"1\"} 3\n"
                      "request_duration_seconds_bucket{route=\"/slow\",le=\"10\"} 3\n"
                      "request_duration_seconds_bucket{route=\"/slow\",le=\"+Inf\"} 4\n"
                      "request_duration_seconds_sum{route=\"/slow\"} 12.203\n"
                      "request_duration_seconds_count{route=\"/slow\"} 4\n");
}

static void test_a_histogram_for_openmetrics(void **state)
{
    struct memory_page memory;
    (void)state;
    begin(&memory, EXPOSITION_OPENMETRICS);
    write_histogram(&memory.page, NULL);
    end_with(&memory, "# TYPE request_duration_seconds histogram\n"
                      "# UNIT request_duration_seconds seconds\n"
                      "# HELP request_duration_seconds From the request to its answer.\n"
                      "request_duration_seconds_bucket{le=\"0.0005\"} 0\n"
                      "request_duration_seconds_bucket{le=\"0.005\"} 2\n"
                      "request_duration_seconds_bucket{le=\"1.0\"} 3\n"
                      "request_duration_seconds_bucket{le=\"10.0\"} 3\n"
                      "request_duration_seconds_bucket{le=\"+Inf\"} 4\n"
                      "request_duration_seconds_sum 12.203\n"
                      "request_duration_seconds_count 4\n"
                      "# EOF\n");
}

/* ------------------------------------------------------------------ escapes, numbers, formats */

static void write_awkward(struct exposition *page)
{
    exposition_family(page, "odd", EXPOSITION_GAUGE, NULL, "A \"help\" with \\ and\na line.");
    exposition_sample(page, EXPOSITION_LABELS({"path", "C:\\\"x\"\ny"}, {"empty", ""}), -1);
}

static void test_text_is_escaped(void **state)
{
    struct memory_page memory;
    (void)state;
    begin(&memory, EXPOSITION_PROMETHEUS);
    write_awkward(&memory.page);
    end_with(&memory, "# HELP odd A \"help\" with \\\\ and\\na line.\n"
                      "# TYPE odd gauge\n"
                      "odd{path=\"C:\\\\\\\"x\\\"\\ny\",empty=\"\"} -1\n");
    begin(&memory, EXPOSITION_OPENMETRICS);
    write_awkward(&memory.page);
    end_with(&memory, "# TYPE odd gauge\n"
                      "# HELP odd A \\\"help\\\" with \\\\ and\\na line.\n"
                      "odd{path=\"C:\\\\\\\"x\\\"\\ny\",empty=\"\"} -1\n"
                      "# EOF\n");
}

static void assert_number(double value, const char *expected)
{
    char text[100];
    struct memory_page memory;
    begin(&memory, EXPOSITION_PROMETHEUS);
    memory.page.family = "n";
    memory.page.type = EXPOSITION_GAUGE;
    exposition_sample(&memory.page, NULL, value);
    snprintf(text, sizeof text, "n %s\n", expected);
    end_with(&memory, text);
}

static void test_numbers_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    assert_number(0, "0");
    assert_number(0.1, "0.1");
    assert_number(0.1 + 0.2, "0.30000000000000004");
    assert_number(1.0 / 3, "0.3333333333333333");
    assert_number(9007199254740992.0, "9007199254740992");
    assert_number(1e-9, "1e-09");
    assert_number(DBL_MAX, "1.7976931348623157e+308");
    assert_number(INFINITY, "+Inf");
    assert_number(-INFINITY, "-Inf");
    assert_number(NAN, "NaN");
}

static enum exposition_format format_for(const char *fields)
{
    return exposition_format_for(&(struct http_request){.fields = fields});
}

static void test_the_client_chooses_the_format(void **state)
{
    (void)state;
    assert_int_equal(format_for("\0"), EXPOSITION_PROMETHEUS);
    assert_int_equal(format_for("accept\0*/*\0"), EXPOSITION_PROMETHEUS);
    assert_int_equal(format_for("accept\0text/plain;version=0.0.4\0"), EXPOSITION_PROMETHEUS);
    assert_int_equal(format_for("accept\0application/openmetrics-text;q=0\0"),
                     EXPOSITION_PROMETHEUS);
    /* what Prometheus 2.42 sends */
    assert_int_equal(format_for("Accept\0application/openmetrics-text;version=1.0.0,"
                                "application/openmetrics-text;version=0.0.1;q=0.75,"
                                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1\0"),
                     EXPOSITION_OPENMETRICS);
    assert_non_null(strstr(exposition_content_type(EXPOSITION_OPENMETRICS), "version=1.0.0"));
    assert_non_null(strstr(exposition_content_type(EXPOSITION_PROMETHEUS), "version=0.0.4"));
}

static void test_a_file_that_takes_no_more_is_reported(void **state)
{
    struct exposition page;
    FILE *full = fopen("/dev/full", "w");
    (void)state;
    assert_non_null(full);
    exposition_begin(&page, full, EXPOSITION_OPENMETRICS);
    write_families(&page);
    assert_int_equal(exposition_end(&page), -EIO);
    fclose(full);
}

/* ------------------------------------------------------------------ Prometheus' opinion */

static void need_promtool(void)
{
    if (system("command -v promtool >/dev/null") == 0)
        return;
    print_message("SKIPPED: promtool (Debian: prometheus) is not here\n");
    skip();
}

static void write_all(FILE *file, enum exposition_format format)
{
    struct exposition page;
    exposition_begin(&page, file, format);
    write_families(&page);
    write_awkward(&page);
    write_histogram(&page, EXPOSITION_LABELS({"route", "/slow"}));
    assert_int_equal(exposition_end(&page), 0);
}

/* promtool reads the page as the collector would, and lints names, units and help. */
static void test_promtool_finds_no_fault(void **state)
{
    (void)state;
    need_promtool();
    FILE *promtool = popen("promtool check metrics >&2", "w");
    assert_non_null(promtool);
    write_all(promtool, EXPOSITION_PROMETHEUS);
    assert_int_equal(pclose(promtool), 0);
}

/* It checks OpenMetrics only where it imports, and imports only samples that say when. */
static void test_promtool_imports_openmetrics(void **state)
{
    char folder[200], command[800];
    (void)state;
    need_promtool();
    temporary_folder(folder, sizeof folder);
    snprintf(command, sizeof command,
             "sed '/^[^#]/ s/$/ 1700000000/' >%s/page && "
             "promtool tsdb create-blocks-from openmetrics %s/page %s/data >&2",
             folder, folder, folder);
    FILE *promtool = popen(command, "w");
    assert_non_null(promtool);
    write_all(promtool, EXPOSITION_OPENMETRICS);
    int status = pclose(promtool);
    temporary_folder_remove(folder);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_page_for_prometheus),
        cmocka_unit_test(test_the_same_page_for_openmetrics),
        cmocka_unit_test(test_a_histogram_for_prometheus),
        cmocka_unit_test(test_a_histogram_for_openmetrics),
        cmocka_unit_test(test_text_is_escaped),
        cmocka_unit_test(test_numbers_are_as_short_as_they_can_be),
        cmocka_unit_test(test_the_client_chooses_the_format),
        cmocka_unit_test(test_a_file_that_takes_no_more_is_reported),
        cmocka_unit_test(test_promtool_finds_no_fault),
        cmocka_unit_test(test_promtool_imports_openmetrics),
    };
    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
