/* log.h – lines on stderr: for a person on a terminal, one JSON object a line otherwise. */
#ifndef OFFLOOP_LOG_H
#define OFFLOOP_LOG_H

#include <cjson/cJSON.h>

enum log_level { LOG_INFO, LOG_WARNING, LOG_ERROR };

/* Takes one line, and never waits for whoever reads it (process/writer.h). From any thread. `event`
 * is a word for programs, the message (printf style) a sentence for people, and `fields` what else
 * programs want to know: an object, taken over, or NULL. */
void log_event(enum log_level level, const char *event, cJSON *fields, const char *message, ...)
    __attribute__((format(printf, 4, 5)));

/* At the end of a process: waits for the reader of the lines that are not written yet, but not for
 * one that does not read. */
void log_flush(void);

#endif
