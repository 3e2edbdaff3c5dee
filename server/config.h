/* config.h – the document of the observer's /config: what is set, by what, and what there is to
 * choose from. */
#ifndef OFFLOOP_CONFIG_H
#define OFFLOOP_CONFIG_H

#include <stdint.h>

#include "server/options.h"

/* Returns the text, to be freed with cJSON_free; NULL when memory is short. `patient` is the URL of
 * the server, epoch_ns the monotonic time that times in JSON count from. */
char *config_json(const struct options *options, const char *patient, uint64_t epoch_ns);

#endif
