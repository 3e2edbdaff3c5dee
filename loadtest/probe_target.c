/* probe_target.c – see probe_target.h. The name is resolved once, before the loop starts: nothing
 * is waiting for it yet, and a run has one server. */
#include "loadtest/probe_target.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

int targets_resolve(struct target *targets, size_t *count, const char *host, const char *port)
{
    uv_getaddrinfo_t found = {0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int error = uv_getaddrinfo(uv_default_loop(), &found, NULL, host, port, &hints);
    *count = 0;
    if (error != 0)
        return error;
    for (struct addrinfo *at = found.addrinfo; at && *count < TARGETS_MAX; at = at->ai_next) {
        struct target *target = &targets[(*count)++];
        *target = (struct target){.error = 0};
        memcpy(&target->address, at->ai_addr, at->ai_addrlen);
    }
    uv_freeaddrinfo(found.addrinfo);
    return 0;
}

/* With the figure that somebody would have to change. */
static void explain_error(int error, char *text, size_t size)
{
    struct rlimit files;
    if (error == UV_EMFILE && getrlimit(RLIMIT_NOFILE, &files) == 0)
        snprintf(text, size, "too many open files (the limit, ulimit -n, is %llu)",
                 (unsigned long long)files.rlim_cur);
    else if (error == UV_ECANCELED)
        snprintf(text, size, "interrupted before all connections were open");
    else
        snprintf(text, size, "%s", uv_strerror(error));
}

void targets_explain(const struct target *targets, size_t count, const char *host, char *text,
                     size_t size)
{
    size_t length = 0;
    *text = '\0';
    for (size_t i = 0; i < count && length < size; i++) {
        char name[INET6_ADDRSTRLEN] = "", why[96];
        if (targets[i].error == 0)
            continue;
        uv_ip_name((const struct sockaddr *)&targets[i].address, name, sizeof name);
        explain_error(targets[i].error, why, sizeof why);
        bool named = count > 1 || strcmp(name, host) != 0;
        length += (size_t)snprintf(text + length, size - length, "%s%s%s%s", length ? ", " : "",
                                   named ? name : "", named ? ": " : "", why);
    }
}
