/* diagnosis.c – see diagnosis.h. The loop's figures are those of the member that is worst off, the
 * works those of all members together. */
#include "server/observe/diagnosis.h"

#include <math.h>
#include <string.h>

#include "server/machine/cores.h"

static const double MS = 1e6;

void diagnosis_init(struct diagnosis *diagnosis)
{
    memset(diagnosis, 0, sizeof *diagnosis);
}

static double ms(uint64_t ns)
{
    return (double)ns / MS;
}

/* ------------------------------------------------------------------ what is kept */

static void keep_answers(struct diagnosis_past *past, const struct recording *recording)
{
    for (size_t i = 0; i < RECORDING_ROUTES; i++) {
        const struct counter *answers = recording->routes[i].answers;
        past->errors[i] += counter_get(&answers[5]);
        for (size_t digit = 0; digit < 6; digit++)
            past->answers[i] += counter_get(&answers[digit]);
    }
}

static void keep_totals(struct diagnosis *diagnosis, const struct survey *survey)
{
    struct diagnosis_past *past = &diagnosis->past[diagnosis->looks++ % DIAGNOSIS_LOOKS];
    memset(past, 0, sizeof *past);
    past->at_ns = survey->now_ns;
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        const struct survey_member *member = &survey->members[i];
        past->requests += member->requests;
        keep_answers(past, member->recording);
        for (size_t j = 0; j < RECORDING_WORKS; j++) {
            past->refused[j] += member->works[j].outcomes[TRIP_REFUSED];
            past->lost[j] += member->works[j].outcomes[TRIP_LOST];
        }
    }
}

static void keep_stalls(struct diagnosis *diagnosis, const struct survey *survey)
{
    for (size_t i = 0; i < survey->record_count; i++) {
        if (survey->records[i].record.kind == TRACE_STALL)
            diagnosis->stalls[diagnosis->stall_count++ % DIAGNOSIS_STALLS] = survey->records[i];
    }
}

static const struct diagnosis_past *newest(const struct diagnosis *diagnosis)
{
    return &diagnosis->past[(diagnosis->looks - 1) % DIAGNOSIS_LOOKS];
}

static const struct diagnosis_past *oldest(const struct diagnosis *diagnosis)
{
    return &diagnosis
                ->past[diagnosis->looks < DIAGNOSIS_LOOKS ? 0 : diagnosis->looks % DIAGNOSIS_LOOKS];
}

/* ------------------------------------------------------------------ the loop */

/* From the strip, which tells when the time was spent. The loop's own counters learn of a block or
 * a poll only when it is over, and then of all of it, however long before the window it began. */
static double busy_share(const struct survey_member *member, uint64_t window_ns)
{
    uint64_t end = member->next_cell, cells = window_ns / (RECORDING_CELL_MS * 1000000u);
    double sum = 0;
    unsigned known = 0;
    for (uint64_t cell = end > cells ? end - cells : 0; cell < end; cell++) {
        double share = survey_cell(member, cell);
        if (share < 0)
            continue;
        sum += share;
        known++;
    }
    return known > 0 ? sum / known : 0.0;
}

/* The one that has been blocked for longest, otherwise the busiest. */
static bool is_worse(const struct survey_member *member, const struct survey_member *other,
                     uint64_t window_ns)
{
    if (member->blocked_ns != other->blocked_ns)
        return member->blocked_ns > other->blocked_ns;
    return busy_share(member, window_ns) > busy_share(other, window_ns);
}

static struct survey_member *worst_member(const struct survey *survey, uint64_t window_ns)
{
    struct survey_member *worst = NULL;
    for (unsigned i = 0; i < survey->recordings->count; i++) {
        struct survey_member *member = &survey->members[i];
        if (member->pid != 0 && (worst == NULL || is_worse(member, worst, window_ns)))
            worst = member;
    }
    return worst != NULL ? worst : &survey->members[0];
}

static void measure_stall(struct diagnosis *diagnosis, const struct survey *survey,
                          const struct survey_member *member, const struct trace_record *stall,
                          struct verdict_measurements *found)
{
    double length_ms = ms(trip_elapsed_ns(stall->began_ns, stall->ended_ns));
    found->stalls++;
    found->requests_waited += stall->waited;
    if (ms(stall->longest_wait_ns) > found->longest_wait_ms)
        found->longest_wait_ms = ms(stall->longest_wait_ns);
    if (length_ms <= found->longest_stall_ms)
        return;
    found->longest_stall_ms = length_ms;
    found->throttled_ms =
        ms(throttle_between_ns(&member->throttle, stall->began_ns, stall->ended_ns));
    found->culprit_strategy = names_stall_strategy(survey->names, stall);
    names_stall(survey->names, stall, diagnosis->by, sizeof diagnosis->by);
    found->culprit = diagnosis->by;
}

static void measure_stalls(struct diagnosis *diagnosis, const struct survey *survey,
                           const struct survey_member *member, uint64_t since_ns,
                           struct verdict_measurements *found)
{
    uint64_t first =
        diagnosis->stall_count > DIAGNOSIS_STALLS ? diagnosis->stall_count - DIAGNOSIS_STALLS : 0;
    for (uint64_t i = first; i < diagnosis->stall_count; i++) {
        const struct survey_record *seen = &diagnosis->stalls[i % DIAGNOSIS_STALLS];
        if (seen->member == member->number && seen->record.ended_ns >= since_ns)
            measure_stall(diagnosis, survey, member, &seen->record, found);
    }
}

static bool is_blocked(const struct survey_member *member)
{
    return ms(member->blocked_ns) >= VERDICT_NOTICEABLE_MS;
}

/* What holds the loop now matters more than what held it, even if it is not known. */
static void blame(struct diagnosis *diagnosis, const struct survey *survey,
                  const struct survey_member *member, struct verdict_measurements *found)
{
    if (!is_blocked(member))
        return;
    found->throttled_ms = ms(throttle_between_ns(
        &member->throttle, survey->now_ns - member->blocked_ns, survey->now_ns));
    found->culprit = found->culprit_strategy = NULL;
    if (!member->has_culprit)
        return;
    names_subject(survey->names, &member->culprit.subject, diagnosis->by, sizeof diagnosis->by);
    found->culprit = diagnosis->by;
    found->culprit_strategy = names_work(survey->names, member->culprit.subject.work);
}

static void measure_loop(struct diagnosis *diagnosis, const struct survey *survey,
                         const struct diagnosis_past *past, struct verdict_measurements *found)
{
    uint64_t window_ns = survey->now_ns - past->at_ns;
    struct survey_member *member = worst_member(survey, window_ns);
    const struct histogram_snapshot *lag = window_read(&member->judged_lag);
    found->loop_busy = busy_share(member, window_ns);
    found->lag_p99_ms = lag != NULL ? ms(histogram_quantile(lag, 0.99)) : 0.0;
    found->blocked_ms = ms(member->blocked_ns);
    if (window_ns > 0)
        found->throttled_share =
            (double)throttle_between_ns(&member->throttle, past->at_ns, survey->now_ns) /
            (double)window_ns;
    measure_stalls(diagnosis, survey, member, past->at_ns, found);
    blame(diagnosis, survey, member, found);
    for (unsigned i = 0; i < survey->recordings->count; i++)
        found->members_blocked += is_blocked(&survey->members[i]);
    for (unsigned i = 0; i < survey->recordings->count; i++)
        found->members_unrecorded += survey->members[i].pid != 0 && !survey->members[i].recorded;
}

/* ------------------------------------------------------------------ the works */

static double p99_ms(struct window *window)
{
    const struct histogram_snapshot *recent = window_read(window);
    return recent != NULL ? ms(histogram_quantile(recent, 0.99)) : 0.0;
}

static double greater(double a, double b)
{
    return a > b ? a : b;
}

static void add_work(struct verdict_work *found, struct survey_work *work)
{
    found->waiting += (unsigned)work->waiting;
    found->running += (unsigned)work->running;
    found->refused += work->outcomes[TRIP_REFUSED];
    found->lost += work->outcomes[TRIP_LOST];
    found->oldest_wait_ms = greater(found->oldest_wait_ms, ms(work->oldest_wait_ns));
    found->wait_p99_ms = greater(found->wait_p99_ms, p99_ms(&work->wait));
    found->run_p99_ms = greater(found->run_p99_ms, p99_ms(&work->run));
}

static struct verdict_work measure_work(const struct survey *survey,
                                        const struct diagnosis_past *past, size_t index)
{
    const struct names *names = survey->names;
    struct verdict_work found = {
        .name = names->works[index],
        .heavy = index < names->strategy_count,
        .in_pool = names->in_pool[index],
        .lanes = names->lanes[index] * survey->present,
    };
    for (unsigned i = 0; i < survey->recordings->count; i++)
        add_work(&found, &survey->members[i].works[index]);
    found.refused -= past->refused[index];
    found.lost -= past->lost[index];
    return found;
}

/* ------------------------------------------------------------------ the answers */

static const char *route_name(const struct names *names, size_t route)
{
    return route < names_route_count(names) ? names->routes[route] : "other paths";
}

static void measure_answers(const struct diagnosis *diagnosis, const struct names *names,
                            struct verdict_measurements *found)
{
    const struct diagnosis_past *now = newest(diagnosis), *past = oldest(diagnosis);
    for (size_t i = 0; i < RECORDING_ROUTES; i++) {
        uint64_t errors = now->errors[i] - past->errors[i];
        if (errors <= found->failing_errors)
            continue;
        found->failing_route = route_name(names, i);
        found->failing_errors = errors;
        found->failing_answers = now->answers[i] - past->answers[i];
    }
}

/* ------------------------------------------------------------------ the verdict */

/* Words are about "the last 5 s", although 50 looks take 4.9. */
static double rounded(double window_ms)
{
    return window_ms < 1000 ? window_ms : 1000 * round(window_ms / 1000);
}

void diagnosis_make(struct diagnosis *diagnosis, const struct survey *survey,
                    struct verdict *verdict)
{
    struct verdict_work works[RECORDING_WORKS];
    if (diagnosis->looks % DIAGNOSIS_LOOKS == 0)
        diagnosis->cores = cores_available();
    keep_totals(diagnosis, survey);
    keep_stalls(diagnosis, survey);
    const struct diagnosis_past *past = oldest(diagnosis);
    uint64_t window_ns = survey->now_ns - past->at_ns, requests = 0;
    struct verdict_measurements found = {
        .window_ms = rounded(ms(window_ns)),
        .works = works,
        .works_count = names_work_count(survey->names),
        .cores = diagnosis->cores,
        .members = survey->present,
    };
    for (size_t i = 0; i < found.works_count; i++) {
        works[i] = measure_work(survey, past, i);
        found.heavy_running += works[i].heavy ? works[i].running : 0;
    }
    for (unsigned i = 0; i < survey->recordings->count; i++)
        requests += survey->members[i].requests;
    if (window_ns > 0)
        found.requests_per_second = (double)(requests - past->requests) * 1e9 / (double)window_ns;
    measure_loop(diagnosis, survey, past, &found);
    measure_answers(diagnosis, survey->names, &found);
    verdict_of(&found, verdict);
}
