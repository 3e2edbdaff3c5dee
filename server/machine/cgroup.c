/* cgroup.c – see cgroup.h; cgroups(7), proc(5), and the kernel's cgroup-v2.rst and sched-bwc.rst.
 *
 * /proc/PID/cgroup says which group, /proc/PID/mountinfo where its files are. Where v1 has the
 * controller "cpu", v2 has not, although it may be mounted as well. */
#include "server/machine/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What follows in a longer line (an overlay of many layers) is taken for a line, and means nothing.
 */
enum { LINE_BYTES = 2 * PATH_MAX };

/* ------------------------------------------------------------------ lines of files */

/* Calls take(line, data) for each line of folder/name until it returns true. Returns whether it
 * did. */
static bool find_line(const char *folder, const char *name, bool (*take)(char *line, void *data),
                      void *data)
{
    char path[PATH_MAX + 64], line[LINE_BYTES];
    bool taken = false;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (!taken && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        taken = take(line, data);
    }
    fclose(file);
    return taken;
}

/* Whether a word is in a list with commas. */
static bool lists(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (; list != NULL; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, length) == 0 && (list[length] == ',' || list[length] == '\0'))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ where it is */

struct search {
    bool v2;
    char group[PATH_MAX]; /* as the process is told: "/user.slice/a" */
    char root[PATH_MAX];  /* the group that is mounted */
    char point[PATH_MAX]; /* where */
};

/* Blanks and the like are written as \040. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        unsigned code;
        if (*from == '\\' && sscanf(from, "\\%3o", &code) == 1 && strlen(from) >= 4) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* 36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup2 cgroup2 rw,nsdelegate */
static bool take_mount(char *line, void *data)
{
    struct search *search = data;
    char type[32] = "", options[256] = "";
    const char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(rest, " - %31s %*s %255s", type, options) < 1)
        return false;
    if (strcmp(type, search->v2 ? "cgroup2" : "cgroup") != 0)
        return false;
    if (!search->v2 && !lists(options, "cpu"))
        return false;
    if (sscanf(line, "%*s %*s %*s %4095s %4095s", search->root, search->point) != 2)
        return false;
    unescape(search->root);
    unescape(search->point);
    return true;
}

/* 4:cpu,cpuacct:/docker/0123, or of v2 0::/user.slice */
static bool take_group(char *line, void *data)
{
    struct search *search = data;
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(++controllers, ':') : NULL;
    if (group == NULL || group[1] != '/')
        return false;
    *group++ = '\0';
    if (search->v2 ? *controllers != '\0' : !lists(controllers, "cpu"))
        return false;
    snprintf(search->group, sizeof search->group, "%s", group);
    return true;
}

/* The group as it is seen below the mount point: "" or "/a/b". Where the two do not fit together (a
 * process that was moved out of its namespace is in "/../b"), what is mounted must do. */
static const char *below_mount(const struct search *search)
{
    size_t length = strcmp(search->root, "/") == 0 ? 0 : strlen(search->root);
    const char *rest = search->group + length;
    if (strncmp(search->group, search->root, length) != 0 || strstr(search->group, "/..") != NULL)
        return "";
    return rest[0] == '/' && rest[1] != '\0' ? rest : "";
}

void cgroup_find(struct cgroup *cgroup, const char *proc, const char *root)
{
    struct search search = {.v2 = false};
    *cgroup = (struct cgroup){.mount_length = 0};
    bool found = find_line(proc, "mountinfo", take_mount, &search);
    if (!found) {
        search.v2 = true;
        found = find_line(proc, "mountinfo", take_mount, &search);
    }
    if (!found || !find_line(proc, "cgroup", take_group, &search))
        return;
    size_t most = sizeof cgroup->path;
    size_t mount_length = (size_t)snprintf(cgroup->path, most, "%s%s", root, search.point);
    if (mount_length + strlen(below_mount(&search)) >= most) {
        cgroup->path[0] = '\0';
        return;
    }
    strcpy(cgroup->path + mount_length, below_mount(&search));
    if (access(cgroup->path, X_OK) != 0)
        cgroup->path[mount_length] = '\0';
    cgroup->mount_length = mount_length;
    cgroup->v2 = search.v2;
}

/* ------------------------------------------------------------------ what it says */

/* Calls visit(folder, v2, data) for the group and those above it. */
static void climb(const struct cgroup *cgroup,
                  void (*visit)(const char *folder, bool v2, void *data), void *data)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", cgroup->path);
    for (size_t length = strlen(folder); length > 0;) {
        visit(folder, cgroup->v2, data);
        if (length <= cgroup->mount_length)
            return;
        while (length > cgroup->mount_length && folder[--length] != '/')
            continue;
        folder[length] = '\0';
    }
}

struct bandwidth {
    int64_t quota_us; /* -1: no limit */
    int64_t period_us;
};

/* max 100000, or 20000 100000 */
static bool take_max(char *line, void *data)
{
    struct bandwidth *bandwidth = data;
    return sscanf(line, "%" SCNd64 " %" SCNd64, &bandwidth->quota_us, &bandwidth->period_us) == 2;
}

static bool take_number(char *line, void *data)
{
    return sscanf(line, "%" SCNd64, (int64_t *)data) == 1;
}

static void narrow(const char *folder, bool v2, void *data)
{
    double *least = data;
    struct bandwidth bandwidth = {-1, 0};
    if (v2) {
        (void)find_line(folder, "cpu.max", take_max, &bandwidth);
    } else {
        (void)find_line(folder, "cpu.cfs_quota_us", take_number, &bandwidth.quota_us);
        (void)find_line(folder, "cpu.cfs_period_us", take_number, &bandwidth.period_us);
    }
    if (bandwidth.quota_us <= 0 || bandwidth.period_us <= 0)
        return;
    double cores = (double)bandwidth.quota_us / (double)bandwidth.period_us;
    if (*least <= 0 || cores < *least)
        *least = cores;
}

double cgroup_quota(const struct cgroup *cgroup)
{
    double least = 0;
    climb(cgroup, narrow, &least);
    return least;
}

/* v2 counts microseconds ("throttled_usec"), v1 nanoseconds ("throttled_time"). */
static bool take_stat(char *line, void *data)
{
    struct cgroup_throttling *sum = data;
    char name[32];
    uint64_t value;
    if (sscanf(line, "%31s %" SCNu64, name, &value) != 2)
        return false;
    if (strcmp(name, "nr_periods") == 0)
        sum->periods += value;
    else if (strcmp(name, "nr_throttled") == 0)
        sum->throttled_periods += value;
    else if (strcmp(name, "throttled_usec") == 0)
        sum->throttled_us += value;
    else if (strcmp(name, "throttled_time") == 0)
        sum->throttled_us += value / 1000;
    return false;
}

static void add_stat(const char *folder, bool v2, void *data)
{
    (void)v2;
    (void)find_line(folder, "cpu.stat", take_stat, data);
}

struct cgroup_throttling cgroup_throttling(const struct cgroup *cgroup)
{
    struct cgroup_throttling sum = {0};
    climb(cgroup, add_stat, &sum);
    return sum;
}
