/* log.h – lines on stderr: for a person on a terminal, one JSON object a line otherwise. */
#ifndef OFFLOOP_LOG_H
#define OFFLOOP_LOG_H

#include <cjson/cJSON.h>

enum log_level { LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Writes one line in one write. `event` is a word for programs, the message (printf style) a
 * sentence for people, and `fields` what else programs want to know: an object, taken over, or
 * NULL. */
void log_event(enum log_level level, const char *event, cJSON *fields, const char *message, ...)
    __attribute__((format(printf, 4, 5)));

#endif
