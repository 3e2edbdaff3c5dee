/* log.c – see log.h. A line that memory is too short for is lost; the program goes on.
 *
 * The writer is kept per process, because standard error is: two servers in one process write their
 * lines to one place, and in one order. */
#include "server/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process/writer.h"
#include "server/http/json.h"

enum { SENTENCE_BYTES = 512, READER_PATIENCE_MS = 500 };

static void add_time(cJSON *line)
{
    char text[40];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + length, sizeof text - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
    cJSON_AddStringToObject(line, "time", text);
}

static char *json_line(enum log_level level, const char *event, const char *message,
                       const cJSON *fields)
{
    static const char *const levels[] = {"info", "warning", "error"};
    cJSON *line = cJSON_CreateObject();
    add_time(line);
    cJSON_AddStringToObject(line, "level", levels[level]);
    cJSON_AddStringToObject(line, "event", event);
    cJSON_AddStringToObject(line, "message", message);
    const cJSON *field = fields != NULL ? fields->child : NULL;
    for (; field != NULL; field = field->next)
        json_put(line, field->string, cJSON_Duplicate(field, true));
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    return text;
}

/* Returns its length with its end, or 0 if there is no memory for it. What is too long for a line
 * in one piece goes without its fields. */
static size_t print_json(char *room, enum log_level level, const char *event, const char *message,
                         const cJSON *fields)
{
    char *text = json_line(level, event, message, fields);
    size_t length = text != NULL ? strlen(text) + 1 : 0;
    bool fits = length <= WRITER_LINE_BYTES;
    if (length > 0 && fits) {
        memcpy(room, text, length - 1);
        room[length - 1] = '\n';
    }
    cJSON_free(text);
    return fits ? length : print_json(room, level, event, message, NULL);
}

static size_t print(char *room, enum log_level level, const char *event, const char *sentence,
                    const cJSON *fields)
{
    if (isatty(STDERR_FILENO))
        return (size_t)snprintf(room, WRITER_LINE_BYTES, "offloop: %s\n", sentence);
    return print_json(room, level, event, sentence, fields);
}

static size_t describe_loss(unsigned count, char *line)
{
    char sentence[SENTENCE_BYTES];
    cJSON *fields = cJSON_CreateObject();
    cJSON_AddNumberToObject(fields, "lost", count);
    snprintf(sentence, sizeof sentence, "%u line%s missing here: nobody read them in time", count,
             count == 1 ? " is" : "s are");
    size_t length = print(line, LOG_WARNING, "lines_lost", sentence, fields);
    cJSON_Delete(fields);
    return length;
}

static struct writer *standard_error(void)
{
    static struct writer writer = WRITER(STDERR_FILENO, describe_loss);
    return &writer;
}

void log_event(enum log_level level, const char *event, cJSON *fields, const char *message, ...)
{
    char sentence[SENTENCE_BYTES], line[WRITER_LINE_BYTES];
    va_list arguments;
    va_start(arguments, message);
    vsnprintf(sentence, sizeof sentence, message, arguments);
    va_end(arguments);
    size_t length = print(line, level, event, sentence, fields);
    if (length > 0)
        writer_put(standard_error(), line, length);
    cJSON_Delete(fields);
}

void log_flush(void)
{
    (void)writer_flush(standard_error(), READER_PATIENCE_MS);
}
