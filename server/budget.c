/* budget.c – see budget.h. The numbers were counted in /proc/PID/fd. */
#include "server/budget.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "server/log.h"

enum {
    OWN = 32,                 /* loops, listeners, logs, and what is open for a moment */
    PER_QUERY = 2,            /* the database and its journal */
    PER_WORKER = 5,           /* a loop and a bell */
    WORKERS_PER_REQUEST = 64, /* so many at a time, where each job has its own */
    PER_CHILD = 2,            /* two pipes */
    SPAWNING = 8,             /* while a child begins */
    PER_MEMBER = 4,           /* two processes in a slot, each with a channel and a connection */
    OBSERVER_MIN = 8,
    OBSERVER_MAX = 1024,
    REFUSED_MAX = 256,
    FEW = 10000, /* fewer connections than this are worth a line, even if nobody asked for more */
};

unsigned budget_limit(void)
{
    struct rlimit files;
    bool known = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < INT_MAX;
    return known ? (unsigned)files.rlim_cur : INT_MAX;
}

unsigned budget_raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return budget_limit();
}

/* ------------------------------------------------------------------ shares */

static unsigned wanted_by_lanes(const struct options *options)
{
    unsigned workers = options->worker_per_request ? WORKERS_PER_REQUEST : options->workers;
    return SPAWNING + PER_QUERY * options->database_connections + PER_WORKER * workers +
           PER_CHILD * options->processes;
}

static unsigned lanes_share(unsigned limit, const struct options *options)
{
    unsigned wanted = wanted_by_lanes(options);
    return wanted < limit / 4 ? wanted : limit / 4;
}

static unsigned observer_share(unsigned limit)
{
    unsigned share = limit / 10;
    return share < OBSERVER_MIN ? OBSERVER_MIN : share > OBSERVER_MAX ? OBSERVER_MAX : share;
}

/* A sixteenth is for those who are told that there are too many. */
static void split(unsigned share, unsigned *connections, unsigned *refused)
{
    *refused = share / 16 < REFUSED_MAX ? share / 16 + 1 : REFUSED_MAX;
    *connections = share > *refused ? share - *refused : 1;
}

struct budget budget_shares(unsigned limit, const struct options *options, bool is_parent)
{
    struct budget shares = {.connections = 0};
    bool observes = options->observer != OBSERVER_OFF && (options->cluster == 0 || is_parent);
    unsigned observer = observes ? observer_share(limit) : 0;
    unsigned lanes = is_parent ? PER_MEMBER * options->cluster : lanes_share(limit, options);
    unsigned taken = OWN + lanes + observer;
    split(observer, &shares.observer, &shares.observer_refused);
    split(limit > taken ? limit - taken : 0, &shares.connections, &shares.refused);
    if (shares.connections > options->max_connections)
        shares.connections = options->max_connections;
    return shares;
}

/* ------------------------------------------------------------------ fitting in */

/* As many of them as `share` is enough for, but one at least. Returns what they need. */
static unsigned lower(unsigned *count, unsigned need, unsigned share)
{
    unsigned most = share / need > 0 ? share / need : 1;
    if (*count > most)
        *count = most;
    return *count * need;
}

/* A quarter for the database, half of the rest for workers, and what is left for children. */
static void fit_lanes(struct options *options, unsigned share)
{
    unsigned left = share > SPAWNING ? share - SPAWNING : 0;
    unsigned queries = lower(&options->database_connections, PER_QUERY, left / 4);
    left = left > queries ? left - queries : 0;
    unsigned workers = lower(&options->workers, PER_WORKER, left / 2);
    (void)lower(&options->processes, PER_CHILD, left > workers ? left - workers : 0);
}

void budget_fit(struct options *options, unsigned limit)
{
    unsigned share = lanes_share(limit, options);
    if (share < wanted_by_lanes(options))
        fit_lanes(options, share);
    options->max_connections = budget_shares(limit, options, false).connections;
}

/* ------------------------------------------------------------------ saying so */

static bool was_asked_for(const struct options *options, const char *name)
{
    struct option_setting setting;
    for (size_t i = 0; options_setting(options, i, &setting); i++) {
        if (strcmp(setting.name, name) == 0)
            return strcmp(setting.origin, "default") != 0;
    }
    return false;
}

/* What was lowered; `more` is what its name has more if there are several. */
struct lowered {
    const char *option, *what, *more;
    unsigned asked, got;
};

static bool is_worth_a_word(const struct lowered *row, bool was_asked)
{
    return row->got < row->asked && (was_asked || row->got < FEW);
}

/* "154 connections", or "154 connections instead of 5000" if that was asked for. */
static void say(char *text, size_t size, const struct lowered *row, bool was_asked)
{
    char instead[32] = "";
    size_t length = strlen(text);
    if (was_asked)
        snprintf(instead, sizeof instead, " instead of %u", row->asked);
    snprintf(text + length, size - length, "%s%u %s%s%s", length > 0 ? ", " : "", row->got,
             row->what, row->got != 1 ? row->more : "", instead);
}

/* Takes the fields over. An empty text is none. */
static void log_shares(bool warns, cJSON *fields, unsigned limit, const char *text,
                       const char *where)
{
    if (*text != '\0')
        log_event(warns ? LOG_WARNING : LOG_INFO, "descriptors", fields,
                  "a process may have %u descriptors here (ulimit -n): at most %s%s", limit, text,
                  where);
    else
        cJSON_Delete(fields);
}

void budget_tell(const struct options *asked, const struct options *fitting, unsigned limit)
{
    const struct lowered rows[] = {
        {"max-connections", "connection", "s", asked->max_connections, fitting->max_connections},
        {"database-connections", "database connection", "s", asked->database_connections,
         fitting->database_connections},
        {"workers", "worker", "s", asked->workers, fitting->workers},
        {"processes", "child process", "es", asked->processes, fitting->processes},
    };
    char text[240] = "";
    bool warns = false;
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "limit", limit);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool was_asked = was_asked_for(asked, rows[i].option);
        if (!is_worth_a_word(&rows[i], was_asked))
            continue;
        say(text, sizeof text, &rows[i], was_asked);
        cJSON_AddNumberToObject(fields, rows[i].option, rows[i].got);
        warns = warns || was_asked;
    }
    log_shares(warns, fields, limit, text, asked->cluster > 0 ? " in each member" : "");
}
