/* config.h – the document of the observer's /config: what is set, by what, and what there is to
 * choose from. */
#ifndef OFFLOOP_CONFIG_H
#define OFFLOOP_CONFIG_H

#include "server/options.h"

/* Returns the text, to be freed with cJSON_free; NULL when memory is short. `patient` is the URL of
 * the server, epoch_unix_ms what the wall clock said at the moment that times in JSON count from.
 */
char *config_json(const struct options *options, const char *patient, double epoch_unix_ms);

#endif
