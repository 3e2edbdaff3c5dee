/* verdict.c – see verdict.h. A rule is two functions and a row of the table at the end of this
 * file: when it applies, and what it says. The first row that applies is the verdict. To add one,
 * write the two, give it a row, and a test in verdict_test.c. */
#include "server/observe/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/observe/phrase.h"

static const double LATE_MS = 20;
static const double MOSTLY = 0.5, SATURATED = 0.9; /* shares of the loop's time */
static const double IDLE_PER_SECOND = 0.1;
static const double GOOD_PART = 0.3, THROTTLED = 0.05; /* shares of a stall, of the window */

/* Writes into one of the verdict's texts. */
#define SAY(text, ...) snprintf((text), sizeof(text), __VA_ARGS__)

static const struct verdict_work *find(const struct verdict_measurements *measured,
                                       bool (*holds)(const struct verdict_work *work))
{
    return verdict_work_find(measured->works, measured->works_count, holds);
}

/* ------------------------------------------------------------------ the loop is blocked */

static bool is_culprit(const struct verdict_measurements *measured, const char *strategy)
{
    return measured->culprit_strategy != NULL && strcmp(measured->culprit_strategy, strategy) == 0;
}

/* A slice is meant to hold the loop; it has a rule of its own. */
static bool is_blocked(const struct verdict_measurements *measured)
{
    return measured->blocked_ms >= VERDICT_NOTICEABLE_MS && !is_culprit(measured, "sliced");
}

static bool has_stalls(const struct verdict_measurements *measured)
{
    return measured->stalls > 0 && !is_culprit(measured, "sliced");
}

struct sentence {
    char text[192];
};

static struct sentence culprit_of(const struct verdict_measurements *measured)
{
    struct sentence culprit = {"a callback on the loop"};
    if (measured->culprit != NULL && measured->culprit_strategy != NULL)
        SAY(culprit.text, "%.110s in mode %.30s", measured->culprit, measured->culprit_strategy);
    else if (measured->culprit != NULL)
        SAY(culprit.text, "%s", measured->culprit);
    return culprit;
}

/* " 212 requests waited, the longest 598 ms.", or nothing. */
static struct sentence waits_of(const struct verdict_measurements *measured)
{
    struct sentence sentence = {""};
    if (measured->requests_waited > 0)
        SAY(sentence.text, " %s waited, the longest %s.",
            phrase_count(measured->requests_waited, "request", "requests").text,
            phrase_ms(measured->longest_wait_ms).text);
    return sentence;
}

/* What holds the loop now, or held it longest. */
static double held_ms(const struct verdict_measurements *measured)
{
    return is_blocked(measured) ? measured->blocked_ms : measured->longest_stall_ms;
}

static bool is_held_by_machine(const struct verdict_measurements *measured)
{
    return measured->throttled_ms > 0 && measured->throttled_ms >= GOOD_PART * held_ms(measured);
}

/* " For up to 240 ms of that the cgroup …", or nothing. */
static struct sentence throttling_of(const struct verdict_measurements *measured)
{
    struct sentence sentence = {""};
    if (is_held_by_machine(measured))
        SAY(sentence.text,
            " For up to %s of that the cgroup had used up its CPU time: that is the machine's "
            "doing, not the request's alone.",
            phrase_ms(measured->throttled_ms).text);
    return sentence;
}

static void advise_on_quota(struct verdict *verdict)
{
    SAY(verdict->advice, "Allow the cgroup more CPU time (cpu.max, docker --cpus), or let fewer "
                         "threads and processes compute in it.");
}

static void advise_against_blocking(const struct verdict_measurements *measured,
                                    struct verdict *verdict)
{
    if (is_culprit(measured, "none"))
        SAY(verdict->advice, "Try offload=threadpool: it computes off the loop.");
    else if (is_culprit(measured, "deferred"))
        SAY(verdict->advice, "async moves nothing off the loop: the work runs later, on the same "
                             "thread. Try offload=threadpool.");
    else if (is_held_by_machine(measured))
        advise_on_quota(verdict);
    else
        SAY(verdict->advice, "Find what computes or waits on the loop's thread, and move it off.");
}

static bool are_all_members_blocked(const struct verdict_measurements *measured)
{
    return measured->members > 1 && measured->members_blocked >= measured->members;
}

static void say_all_members_blocked(const struct verdict_measurements *measured,
                                    struct verdict *verdict)
{
    SAY(verdict->title, "All %u members are blocked", measured->members);
    SAY(verdict->text,
        "Every loop of the cluster is held, the longest for %s, by %s. Nobody is left to "
        "answer.%s%s",
        phrase_ms(measured->blocked_ms).text, culprit_of(measured).text,
        throttling_of(measured).text, waits_of(measured).text);
    SAY(verdict->advice,
        "A cluster of %u is blocked by %u heavy requests at once. Try offload=threadpool.",
        measured->members, measured->members);
}

static bool is_loop_blocked(const struct verdict_measurements *measured)
{
    return measured->members <= 1 && is_blocked(measured);
}

static void say_loop_blocked(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "The loop is blocked");
    SAY(verdict->text,
        "It has been held for %s by %s.%s Meanwhile nothing else is read or answered. "
        "It was busy %s of the last %s.%s",
        phrase_ms(measured->blocked_ms).text, culprit_of(measured).text,
        throttling_of(measured).text, phrase_share(measured->loop_busy).text,
        phrase_ms(measured->window_ms).text, waits_of(measured).text);
    advise_against_blocking(measured, verdict);
}

static const char *whose_loop(const struct verdict_measurements *measured)
{
    return measured->members > 1 ? "A member's loop" : "The loop";
}

static bool is_loop_mostly_blocked(const struct verdict_measurements *measured)
{
    return has_stalls(measured) && measured->loop_busy >= MOSTLY;
}

static void say_stalls(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->text, "The loop is busy %s of the time. %s within %s, the longest %s, by %s.%s%s",
        phrase_share(measured->loop_busy).text,
        phrase_count(measured->stalls, "stall", "stalls").text, phrase_ms(measured->window_ms).text,
        phrase_ms(measured->longest_stall_ms).text, culprit_of(measured).text,
        throttling_of(measured).text, waits_of(measured).text);
    advise_against_blocking(measured, verdict);
}

static void say_loop_mostly_blocked(const struct verdict_measurements *measured,
                                    struct verdict *verdict)
{
    SAY(verdict->title, "%s is blocked most of the time", whose_loop(measured));
    say_stalls(measured, verdict);
}

static bool is_a_member_blocked(const struct verdict_measurements *measured)
{
    return measured->members > 1 && measured->members_blocked > 0;
}

static void say_a_member_blocked(const struct verdict_measurements *measured,
                                 struct verdict *verdict)
{
    const unsigned blocked = measured->members_blocked;
    SAY(verdict->title, "%u of %u members %s blocked", blocked, measured->members,
        blocked == 1 ? "is" : "are");
    SAY(verdict->text,
        "A loop has been held for %s by %s.%s Connections of %s wait; the others are served.",
        phrase_ms(measured->blocked_ms).text, culprit_of(measured).text,
        throttling_of(measured).text, blocked == 1 ? "this member" : "these members");
    SAY(verdict->advice,
        "A cluster has %u loops, and each of them can be blocked. Try offload=threadpool.",
        measured->members);
}

static void say_loop_stalled(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "%s was blocked for %s", whose_loop(measured),
        phrase_ms(measured->longest_stall_ms).text);
    say_stalls(measured, verdict);
}

/* ------------------------------------------------------------------ work is lost, refused, waits
 */

static bool is_work_lost(const struct verdict_measurements *measured)
{
    return find(measured, verdict_work_is_lost) != NULL;
}

/* Only the jobs of children can be lost without their server. */
static void say_server_lost(const struct verdict_measurements *measured,
                            const struct verdict_work *work, struct verdict *verdict)
{
    SAY(verdict->title, "A server process died");
    SAY(verdict->text, "%s of %s %s lost with it within %s, and so was all else that it was doing.",
        verdict_work_count(work, work->lost).text, work->name, work->lost == 1 ? "was" : "were",
        phrase_ms(measured->window_ms).text);
    SAY(verdict->advice, "Try offload=process: if a job crashes there, that is all that is lost.");
}

static void say_work_lost(const struct verdict_measurements *measured, struct verdict *verdict)
{
    const struct verdict_work *work = find(measured, verdict_work_is_lost);
    if (!verdict_work_has_children(work)) {
        say_server_lost(measured, work, verdict);
        return;
    }
    SAY(verdict->title, "A child process died");
    SAY(verdict->text, "%s of %s %s lost within %s. The server and all other jobs went on.",
        verdict_work_count(work, work->lost).text, work->name, work->lost == 1 ? "was" : "were",
        phrase_ms(measured->window_ms).text);
    SAY(verdict->advice, "In a thread, the same fault would have ended the server. The answer to "
                         "the lost job says how its process died.");
}

static bool is_work_refused(const struct verdict_measurements *measured)
{
    return find(measured, verdict_work_is_refused) != NULL;
}

static void say_work_refused(const struct verdict_measurements *measured, struct verdict *verdict)
{
    const struct verdict_work *work = find(measured, verdict_work_is_refused);
    SAY(verdict->title, "The queue of %.40s is full", work->name);
    SAY(verdict->text, "%s of %s %s refused within %s, with status 503. %u wait, %u run.",
        verdict_work_count(work, work->refused).text, work->name,
        work->refused == 1 ? "was" : "were", phrase_ms(measured->window_ms).text, work->waiting,
        work->running);
    SAY(verdict->advice,
        "To refuse at once is better than to let everybody wait too long. Fewer or "
        "shorter jobs help; a larger --max-queue only makes the wait longer.");
}

static bool is_pool_shared(const struct verdict_measurements *measured)
{
    return find(measured, verdict_work_fills_pool) != NULL &&
           find(measured, verdict_work_needs_pool) != NULL;
}

static void say_pool_shared(const struct verdict_measurements *measured, struct verdict *verdict)
{
    const struct verdict_work *heavy = find(measured, verdict_work_fills_pool);
    const struct verdict_work *slow = find(measured, verdict_work_needs_pool);
    SAY(verdict->title, "Jobs of %.20s make %.20s wait", heavy->name, slow->name);
    SAY(verdict->text,
        "Both need threads of libuv's one pool. %s %s there, and %s behind them; "
        "waits reach %s.",
        verdict_work_count(heavy, heavy->running).text, heavy->running == 1 ? "runs" : "run",
        phrase_count(slow->waiting, "query waits", "queries wait").text,
        phrase_ms(verdict_work_wait_ms(slow)).text);
    SAY(verdict->advice,
        "Try offload=worker, which has threads of its own, or a larger UV_THREADPOOL_SIZE.");
}

static bool is_queue_long(const struct verdict_measurements *measured)
{
    return find(measured, verdict_work_waits) != NULL;
}

static void advise_on_lanes(const struct verdict_measurements *measured,
                            const struct verdict_work *work, struct verdict *verdict)
{
    if (!work->heavy)
        SAY(verdict->advice, "Shorter queries, or more of them at once, would help.");
    else if (work->lanes > 0 && work->lanes < measured->cores)
        SAY(verdict->advice, "More lanes would help: there are %u cores.", measured->cores);
    else
        SAY(verdict->advice, "More lanes than cores finish no more. Fewer or shorter jobs help.");
}

static void say_queue_long(const struct verdict_measurements *measured, struct verdict *verdict)
{
    const struct verdict_work *work = find(measured, verdict_work_waits);
    char lanes[80] = "";
    if (work->lanes > 0)
        SAY(lanes, " on %s", phrase_count(work->lanes, "lane", "lanes").text);
    SAY(verdict->title, "More work comes than %.30s can do", work->name);
    SAY(verdict->text, "%s %s for %s, the oldest for %s. %u %s%s, each for up to %s.",
        verdict_work_count(work, work->waiting).text, work->waiting == 1 ? "waits" : "wait",
        work->name, phrase_ms(work->oldest_wait_ms).text, work->running,
        work->running == 1 ? "runs" : "run", lanes, phrase_ms(work->run_p99_ms).text);
    advise_on_lanes(measured, work, verdict);
}

static bool is_failing(const struct verdict_measurements *measured)
{
    return measured->failing_route != NULL && measured->failing_errors > 0;
}

static void say_failing(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "Answers of %.60s are errors", measured->failing_route);
    SAY(verdict->text, "%" PRIu64 " of the last %s of %.60s %s (status 5xx), within %s.",
        measured->failing_errors, phrase_count(measured->failing_answers, "answer", "answers").text,
        measured->failing_route, measured->failing_errors == 1 ? "was an error" : "were errors",
        phrase_ms(measured->window_ms).text);
    SAY(verdict->advice, "Each of these answers says what was wrong: read one, with curl.");
}

/* ------------------------------------------------------------------ worth knowing */

/* Before all that would be said of the others alone. */
static bool is_unrecorded(const struct verdict_measurements *measured)
{
    return measured->members_unrecorded > 0;
}

static void say_unrecorded(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "%u of %u members cannot be seen", measured->members_unrecorded,
        measured->members);
    SAY(verdict->text,
        "They run another version of this program, which records otherwise than this observer "
        "reads. They serve, but what their loops and jobs do is not known here.");
    SAY(verdict->advice, "Restart the cluster as a whole: SIGHUP replaces the members only.");
}

static bool is_throttled(const struct verdict_measurements *measured)
{
    return measured->throttled_share >= THROTTLED;
}

static void say_throttled(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "The cgroup's CPU time is used up");
    SAY(verdict->text,
        "For up to %s of the last %s nothing of this server could run: its cgroup had used up what "
        "its quota allows. Timers are up to %s late (p99).",
        phrase_share(measured->throttled_share).text, phrase_ms(measured->window_ms).text,
        phrase_ms(measured->lag_p99_ms).text);
    advise_on_quota(verdict);
}

static bool is_sliced(const struct verdict_measurements *measured)
{
    return find(measured, verdict_work_slices) != NULL;
}

static void say_sliced(const struct verdict_measurements *measured, struct verdict *verdict)
{
    const struct verdict_work *work = find(measured, verdict_work_slices);
    const unsigned jobs = work->running + work->waiting;
    SAY(verdict->title, "The loop computes in slices");
    SAY(verdict->text,
        "%s %s turns on the loop: each turn holds the loop for about %s. "
        "Others wait for a slice, not for a whole job.",
        verdict_work_count(work, jobs).text, jobs == 1 ? "takes" : "take",
        phrase_ms(measured->lag_p99_ms).text);
    SAY(verdict->advice, "Nothing runs in parallel and no job gets faster. Try offload=worker to "
                         "use another core.");
}

static bool is_oversubscribed(const struct verdict_measurements *measured)
{
    return measured->cores > 0 && measured->heavy_running > measured->cores;
}

static void say_oversubscribed(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "Concurrency is not parallelism");
    SAY(verdict->text, "%u jobs run on %s: they take turns, and each takes about %s as long.",
        measured->heavy_running, phrase_count(measured->cores, "core", "cores").text,
        phrase_times((double)measured->heavy_running / measured->cores).text);
    SAY(verdict->advice, "As many lanes as cores finish just as much.");
}

static bool is_late(const struct verdict_measurements *measured)
{
    return measured->lag_p99_ms >= LATE_MS;
}

static void say_late(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "Timers come late");
    SAY(verdict->text,
        "By up to %s (p99), though no callback holds the loop for long: many short ones are due at "
        "once, or the loop's thread waits for a core.",
        phrase_ms(measured->lag_p99_ms).text);
    SAY(verdict->advice,
        measured->heavy_running > 0
            ? "A higher --offload-nice lets threads that compute yield to the loop."
            : "See what else runs on this machine.");
}

static bool is_saturated(const struct verdict_measurements *measured)
{
    return measured->loop_busy >= SATURATED;
}

static void say_saturated(const struct verdict_measurements *measured, struct verdict *verdict)
{
    SAY(verdict->title, "The loop is at its limit");
    SAY(verdict->text, "It is busy %s of the time with short callbacks, at %s requests per second.",
        phrase_share(measured->loop_busy).text, phrase_number(measured->requests_per_second).text);
    SAY(verdict->advice, "One loop uses one core. A cluster has a loop for each.");
}

/* ------------------------------------------------------------------ all is well */

static bool is_idle(const struct verdict_measurements *measured)
{
    bool at_work = measured->heavy_running > 0;
    for (size_t i = 0; i < measured->works_count; i++)
        at_work |= measured->works[i].waiting + measured->works[i].running > 0;
    return !at_work && measured->requests_per_second < IDLE_PER_SECOND;
}

static void say_idle(const struct verdict_measurements *measured, struct verdict *verdict)
{
    (void)measured;
    SAY(verdict->title, "Nothing to do");
    SAY(verdict->text, "No requests. The loop sleeps until one comes.");
    SAY(verdict->advice, "Ask for /fast, /slow and /heavy, and watch the loop.");
}

static bool is_anything(const struct verdict_measurements *measured)
{
    (void)measured;
    return true;
}

static void say_calm(const struct verdict_measurements *measured, struct verdict *verdict)
{
    char off_loop[80] = "", timers[96];
    if (measured->heavy_running > 0)
        SAY(off_loop, " %s off the loop.",
            phrase_count(measured->heavy_running, "job runs", "jobs run").text);
    if (measured->lag_p99_ms < 1)
        SAY(timers, "in time");
    else
        SAY(timers, "at most %s late (p99)", phrase_ms(measured->lag_p99_ms).text);
    SAY(verdict->title, "All calm");
    SAY(verdict->text,
        "The loop is busy %s of the time at %s requests per second. Timers are %s.%s",
        phrase_share(measured->loop_busy).text, phrase_number(measured->requests_per_second).text,
        timers, off_loop);
}

/* ------------------------------------------------------------------ the table */

/* The worse come first. Within a level, causes come before what follows from them: a blocked loop
 * makes every queue long, jobs in the pool make queries wait, slices make the loop busy and timers
 * late. */
static const struct rule {
    enum verdict_level level;
    const char *name;
    bool (*applies)(const struct verdict_measurements *measured);
    void (*say)(const struct verdict_measurements *measured, struct verdict *verdict);
} RULES[] = {
    {VERDICT_BAD, "all-members-blocked", are_all_members_blocked, say_all_members_blocked},
    {VERDICT_BAD, "loop-blocked", is_loop_blocked, say_loop_blocked},
    {VERDICT_BAD, "loop-mostly-blocked", is_loop_mostly_blocked, say_loop_mostly_blocked},
    {VERDICT_WARNING, "member-blocked", is_a_member_blocked, say_a_member_blocked},
    {VERDICT_WARNING, "loop-stalled", has_stalls, say_loop_stalled},
    {VERDICT_WARNING, "work-lost", is_work_lost, say_work_lost},
    {VERDICT_WARNING, "queue-full", is_work_refused, say_work_refused},
    {VERDICT_WARNING, "pool-shared", is_pool_shared, say_pool_shared},
    {VERDICT_WARNING, "queue-long", is_queue_long, say_queue_long},
    {VERDICT_WARNING, "answers-fail", is_failing, say_failing},
    {VERDICT_NOTICE, "members-unrecorded", is_unrecorded, say_unrecorded},
    {VERDICT_NOTICE, "cpu-throttled", is_throttled, say_throttled},
    {VERDICT_NOTICE, "sliced", is_sliced, say_sliced},
    {VERDICT_NOTICE, "more-jobs-than-cores", is_oversubscribed, say_oversubscribed},
    {VERDICT_NOTICE, "timers-late", is_late, say_late},
    {VERDICT_NOTICE, "loop-saturated", is_saturated, say_saturated},
    {VERDICT_GOOD, "idle", is_idle, say_idle},
    {VERDICT_GOOD, "calm", is_anything, say_calm},
};

void verdict_of(const struct verdict_measurements *measurements, struct verdict *verdict)
{
    const struct rule *rule = RULES;
    while (!rule->applies(measurements)) /* the last one always does */
        rule++;
    *verdict = (struct verdict){.level = rule->level, .rule = rule->name};
    rule->say(measurements, verdict);
}

const char *verdict_level_name(enum verdict_level level)
{
    static const char *const names[] = {"good", "notice", "warning", "bad"};
    return names[level];
}
