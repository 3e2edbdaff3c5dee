/* stalls.c – see stalls.h. */
#include "server/stalls.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/log.h"

enum { PATIENCE_MS = 100 };

static const uint64_t MS = 1000000, PAUSE_NS = 500000000;

static bool is_time(uint64_t *told_ns)
{
    uint64_t now_ns = trip_clock_ns();
    if (*told_ns != 0 && trip_elapsed_ns(*told_ns, now_ns) < PAUSE_NS)
        return false;
    *told_ns = now_ns;
    return true;
}

static bool on_blocked(void *data, uint64_t since_ns, const struct lane_view *view)
{
    struct stalls *stalls = data;
    char by[96] = "something that is no job";
    if (!is_time(&stalls->told_blocked_ns))
        return false;
    double ms = (double)trip_elapsed_ns(since_ns, trip_clock_ns()) / (double)MS;
    if (view->trip != 0)
        names_subject(stalls->names, &view->subject, by, sizeof by);
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "blocked_ms", ms);
    cJSON_AddStringToObject(fields, "by", by);
    log_event(LOG_WARNING, "loop_blocked", fields, "%s blocked for %.0f ms so far, by %s",
              stalls->who, ms, by);
    return true;
}

static void say_who_waited(const struct trace_record *stall, char *text, size_t size)
{
    double ms = (double)stall->longest_wait_ns / (double)MS;
    if (stall->waited == 0)
        snprintf(text, size, "nobody waited");
    else if (stall->waited == 1)
        snprintf(text, size, "1 request waited %.0f ms", ms);
    else
        snprintf(text, size, "%" PRIu32 " requests waited, the longest %.0f ms", stall->waited, ms);
}

static void on_stall(void *data, const struct trace_record *stall)
{
    struct stalls *stalls = data;
    char by[112], waited[64], more[64] = "";
    if (!is_time(&stalls->told_stall_ns)) {
        stalls->left_out++;
        return;
    }
    double ms = (double)trip_elapsed_ns(stall->began_ns, stall->ended_ns) / (double)MS;
    names_stall(stalls->names, stall, by, sizeof by);
    say_who_waited(stall, waited, sizeof waited);
    if (stalls->left_out > 0)
        snprintf(more, sizeof more, " (and %" PRIu64 " more stall%s since the last line)",
                 stalls->left_out, stalls->left_out == 1 ? "" : "s");
    stalls->left_out = 0;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "blocked_ms", ms);
    cJSON_AddStringToObject(fields, "by", by);
    cJSON_AddNumberToObject(fields, "waited", stall->waited);
    cJSON_AddNumberToObject(fields, "longest_wait_ms", (double)stall->longest_wait_ns / (double)MS);
    log_event(LOG_WARNING, "loop_free", fields, "%s blocked %.0f ms by %s; %s%s", stalls->who, ms,
              by, waited, more);
}

static void on_stopped(void *data, uint64_t stopped_ns)
{
    const struct stalls *stalls = data;
    double ms = (double)stopped_ns / (double)MS;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "stopped_ms", ms);
    log_event(
        LOG_WARNING, "process_stopped", fields,
        "%s did not run for %.0f ms: the process was stopped (Ctrl-Z, SIGSTOP, a debugger), or "
        "got no processor; nobody is blamed for that time",
        stalls->who, ms);
}

struct watchdog_listener stalls_listener(struct stalls *stalls)
{
    return (struct watchdog_listener){
        .on_blocked = on_blocked,
        .on_stall = on_stall,
        .on_stopped = on_stopped,
        .data = stalls,
        .patience_ms = PATIENCE_MS,
    };
}
