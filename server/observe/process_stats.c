/* process_stats.c – see process_stats.h. */
#include "server/observe/process_stats.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *open_file(int pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return fopen(path, "re");
}

static uint64_t ticks_to_us(uint64_t ticks)
{
    return ticks * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* A process starts so many ticks after the machine did. */
static uint64_t start_unix_ms(uint64_t ticks)
{
    struct timespec up, now;
    clock_gettime(CLOCK_BOOTTIME, &up);
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t boot_ms = (now.tv_sec - up.tv_sec) * 1000 + (now.tv_nsec - up.tv_nsec) / 1000000;
    return (uint64_t)boot_ms + ticks_to_us(ticks) / 1000;
}

/* The name in the second field may hold anything, blanks and parentheses too: what counts begins
 * behind the last parenthesis. */
static int parse_stat(const char *line, struct process_stats *stats)
{
    uint64_t user, system;
    const char *rest = strrchr(line, ')');
    int count = rest == NULL ? 0
                             : sscanf(rest + 1,
                                      " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64
                                      " %" SCNu64 " %*s %*s %*s %*s %u %*s %" SCNu64 " %" SCNu64,
                                      &user, &system, &stats->threads, &stats->started_ticks,
                                      &stats->virtual_bytes);
    if (count != 5)
        return -EBADMSG;
    stats->user_us = ticks_to_us(user);
    stats->system_us = ticks_to_us(system);
    return 0;
}

static int read_stat(int pid, struct process_stats *stats)
{
    char line[1024];
    FILE *file = open_file(pid, "stat");
    if (file == NULL)
        return -errno;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    return read ? parse_stat(line, stats) : -EBADMSG;
}

static int read_statm(int pid, struct process_stats *stats)
{
    uint64_t pages;
    FILE *file = open_file(pid, "statm");
    if (file == NULL)
        return -errno;
    int count = fscanf(file, "%*s %" SCNu64, &pages);
    fclose(file);
    stats->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return count == 1 ? 0 : -EBADMSG;
}

/* Without the right to look there are 0. */
static unsigned count_descriptors(int pid)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    unsigned others = pid == getpid() ? 3 : 2; /* ".", "..", and the one that was just open */
    return count > others ? count - others : 0;
}

int process_stats_read(int pid, struct process_stats *stats)
{
    const struct process_stats earlier = *stats;
    *stats = (struct process_stats){.pid = pid};
    int rc = read_stat(pid, stats);
    bool known = earlier.pid == pid && earlier.started_ticks == stats->started_ticks;
    stats->started_unix_ms = known ? earlier.started_unix_ms : start_unix_ms(stats->started_ticks);
    if (rc == 0)
        rc = read_statm(pid, stats);
    if (rc == 0)
        stats->descriptors = count_descriptors(pid);
    return rc;
}
