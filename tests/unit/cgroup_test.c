/* cgroup_test.c – samples of the files that the kernel writes, as containers and services see them,
 * and then those of this machine. */
#include "server/machine/cgroup.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "server/machine/cores.h"
#include "tests/support/temporary.h"

#define V2_MOUNT "31 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT                                                                 \
    "30 22 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"                 \
    "32 30 0:28 / /sys/fs/cgroup/cpuset rw shared:9 - cgroup cgroup rw,cpuset\n" \
    "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"

/* A machine in a folder. */
struct machine {
    char folder[128];
    char proc[160];
    struct cgroup cgroup;
};

static void write_file(const struct machine *machine, const char *path, const char *text)
{
    char full[1024];
    snprintf(full, sizeof full, "%s%s", machine->folder, path);
    for (char *slash = full + strlen(machine->folder) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void machine_open(struct machine *machine, const char *mountinfo, const char *groups)
{
    temporary_folder(machine->folder, sizeof machine->folder);
    snprintf(machine->proc, sizeof machine->proc, "%s/proc/self", machine->folder);
    write_file(machine, "/proc/self/mountinfo", mountinfo);
    write_file(machine, "/proc/self/cgroup", groups);
}

static double quota_of(struct machine *machine)
{
    cgroup_find(&machine->cgroup, machine->proc, machine->folder);
    return cgroup_quota(&machine->cgroup);
}

static void machine_close(const struct machine *machine)
{
    temporary_folder_remove(machine->folder);
}

/* ------------------------------------------------------------------ v2 */

static void test_a_container_with_its_own_namespace(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, V2_MOUNT, "0::/\n");
    write_file(&machine, "/sys/fs/cgroup/cpu.max", "150000 100000\n");
    assert_true(quota_of(&machine) == 1.5);
    write_file(&machine, "/sys/fs/cgroup/cpu.max", "max 100000\n");
    assert_true(quota_of(&machine) == 0);
    machine_close(&machine);
}

static void test_the_narrowest_on_the_path_counts(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, V2_MOUNT, "0::/system.slice/offloop.service/inner\n");
    write_file(&machine, "/sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
    write_file(&machine, "/sys/fs/cgroup/system.slice/offloop.service/cpu.max", "50000 25000\n");
    write_file(&machine, "/sys/fs/cgroup/system.slice/offloop.service/inner/cpu.max",
               "max 100000\n");
    assert_true(quota_of(&machine) == 2.0);
    write_file(&machine, "/sys/fs/cgroup/system.slice/cpu.max", "20000 100000\n");
    assert_true(quota_of(&machine) == 0.2);
    /* Not on the path. */
    write_file(&machine, "/sys/fs/cgroup/other.slice/cpu.max", "1000 100000\n");
    write_file(&machine, "/sys/fs/cpu.max", "1000 100000\n");
    assert_true(quota_of(&machine) == 0.2);
    machine_close(&machine);
}

/* Without a cgroup namespace the paths begin at the host's root, and so does what is mounted. */
static void test_what_is_mounted_is_a_part_of_the_hierarchy(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, "9 8 0:27 /docker/0123 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                 "0::/docker/0123/app\n");
    write_file(&machine, "/sys/fs/cgroup/cpu.max", "400000 100000\n");
    write_file(&machine, "/sys/fs/cgroup/app/cpu.max", "100000 100000\n");
    assert_true(quota_of(&machine) == 1.0);
    machine_close(&machine);
}

static void test_a_group_outside_of_what_is_mounted(void **state)
{
    static const char *const groups[] = {"0::/../outside\n", "0::/docker/0124\n",
                                         "0::/docker/01234\n", "0::/gone\n"};
    (void)state;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct machine machine;
        machine_open(&machine, "9 8 0:27 /docker/0123 /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
                     groups[i]);
        write_file(&machine, "/sys/fs/cgroup/cpu.max", "200000 100000\n");
        write_file(&machine, "/sys/fs/outside/cpu.max", "100000 100000\n");
        assert_true(quota_of(&machine) == 2.0);
        machine_close(&machine);
    }
}

static void test_a_mount_point_with_blanks(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, "9 8 0:27 / /my\\040groups\\134 ro - cgroup2 cgroup rw\n", "0::/a b\n");
    write_file(&machine, "/my groups\\/a b/cpu.max", "200000 100000\n");
    assert_true(quota_of(&machine) == 2.0);
    machine_close(&machine);
}

static void test_throttling_of_the_whole_path(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, V2_MOUNT, "0::/a/b\n");
    write_file(&machine, "/sys/fs/cgroup/cpu.stat", "usage_usec 12345\nuser_usec 4\n");
    write_file(&machine, "/sys/fs/cgroup/a/cpu.stat",
               "usage_usec 9\nnr_periods 100\nnr_throttled 40\nthrottled_usec 2500000\n"
               "nr_bursts 7\nburst_usec 8\n");
    write_file(&machine, "/sys/fs/cgroup/a/b/cpu.stat",
               "nr_periods 10\nnr_throttled 1\nthrottled_usec 3\n");
    (void)quota_of(&machine);
    struct cgroup_throttling found = cgroup_throttling(&machine.cgroup);
    assert_int_equal(found.periods, 110);
    assert_int_equal(found.throttled_periods, 41);
    assert_int_equal(found.throttled_us, 2500003);
    machine_close(&machine);
}

/* ------------------------------------------------------------------ v1 */

static void test_v1(void **state)
{
    struct machine machine;
    (void)state;
    machine_open(&machine, V1_MOUNT V2_MOUNT,
                 "12:cpuset:/\n4:cpuacct,cpu:/user/me\n1:name=systemd:/x\n0::/y\n");
    write_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_quota_us", "250000\n");
    write_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_period_us", "100000\n");
    write_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/user/me/cpu.cfs_quota_us", "-1\n");
    write_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/user/me/cpu.cfs_period_us", "100000\n");
    write_file(&machine, "/sys/fs/cgroup/cpu,cpuacct/user/cpu.stat",
               "nr_periods 5\nnr_throttled 3\nthrottled_time 7000000\n");
    assert_true(quota_of(&machine) == 2.5);
    struct cgroup_throttling found = cgroup_throttling(&machine.cgroup);
    assert_int_equal(found.periods, 5);
    assert_int_equal(found.throttled_periods, 3);
    assert_int_equal(found.throttled_us, 7000);
    machine_close(&machine);
}

/* ------------------------------------------------------------------ nothing, and nonsense */

static void test_no_cgroups_at_all(void **state)
{
    static const struct {
        const char *mountinfo, *groups;
    } samples[] = {
        {"", ""},
        {V2_MOUNT, ""},
        {V2_MOUNT, "0\n::\n\n"},
        {"", "0::/\n"},
        {"nonsense\n - cgroup2\n", "0::/\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct machine machine;
        machine_open(&machine, samples[i].mountinfo, samples[i].groups);
        assert_true(quota_of(&machine) == 0);
        assert_string_equal(machine.cgroup.path, "");
        assert_int_equal(cgroup_throttling(&machine.cgroup).periods, 0);
        machine_close(&machine);
    }
    struct cgroup cgroup;
    cgroup_find(&cgroup, "/nonexistent", "");
    assert_true(cgroup_quota(&cgroup) == 0);
}

static void test_files_that_say_nothing(void **state)
{
    static const char *const limits[] = {"",      "\n",     "0 100000\n", "-5 100000\n",
                                         "5 0\n", "5 -1\n", "7\n",        "a b\n"};
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct machine machine;
        machine_open(&machine, V2_MOUNT, "0::/\n");
        write_file(&machine, "/sys/fs/cgroup/cpu.max", limits[i]);
        assert_true(quota_of(&machine) == 0);
        machine_close(&machine);
    }
}

/* ------------------------------------------------------------------ cores */

static void test_part_of_a_core_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(cores_within(4, 0), 4);
    assert_int_equal(cores_within(4, 4.0), 4);
    assert_int_equal(cores_within(4, 5.5), 4);
    assert_int_equal(cores_within(4, 3.9), 3);
    assert_int_equal(cores_within(4, 1.5), 1);
    assert_int_equal(cores_within(4, 1.0), 1);
    assert_int_equal(cores_within(4, 0.2), 1);
    assert_int_equal(cores_within(1, 0.01), 1);
}

static void test_affinity_counts(void **state)
{
    cpu_set_t before, one;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_in_range(cores_available(), 1, (unsigned)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cores_available(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* Whatever this machine has, it is plausible. */
static void test_this_machine(void **state)
{
    struct cgroup cgroup;
    struct stat folder;
    (void)state;
    cgroup_find(&cgroup, "/proc/self", "");
    if (cgroup.path[0] == '\0')
        skip();
    assert_int_equal(stat(cgroup.path, &folder), 0);
    assert_true(S_ISDIR(folder.st_mode));
    double quota = cgroup_quota(&cgroup);
    assert_true(isfinite(quota) && quota >= 0);
    struct cgroup_throttling found = cgroup_throttling(&cgroup);
    assert_true(found.throttled_periods <= found.periods);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container_with_its_own_namespace),
        cmocka_unit_test(test_the_narrowest_on_the_path_counts),
        cmocka_unit_test(test_what_is_mounted_is_a_part_of_the_hierarchy),
        cmocka_unit_test(test_a_group_outside_of_what_is_mounted),
        cmocka_unit_test(test_a_mount_point_with_blanks),
        cmocka_unit_test(test_throttling_of_the_whole_path),
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_no_cgroups_at_all),
        cmocka_unit_test(test_files_that_say_nothing),
        cmocka_unit_test(test_part_of_a_core_does_not_count),
        cmocka_unit_test(test_affinity_counts),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
