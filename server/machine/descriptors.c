/* descriptors.c – see descriptors.h. */
#include "server/machine/descriptors.h"

#include <dirent.h>
#include <limits.h>
#include <stddef.h>
#include <sys/resource.h>

static unsigned count_open(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - (count > 0); /* the folder's own */
}

unsigned descriptors_left(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return UINT_MAX;
    unsigned most = files.rlim_cur < UINT_MAX ? (unsigned)files.rlim_cur : UINT_MAX;
    unsigned open = count_open();
    return most > open ? most - open : 0;
}
