/* log.c – see log.h. A line that memory is too short for is lost; the program goes on. */
#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "server/http/json.h"

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

static void print_json(enum log_level level, const char *event, const char *message, cJSON *fields)
{
    static const char *const levels[] = {"info", "warning", "error"};
    cJSON *line = cJSON_CreateObject();
    add_time(line);
    cJSON_AddStringToObject(line, "level", levels[level]);
    cJSON_AddStringToObject(line, "event", event);
    cJSON_AddStringToObject(line, "message", message);
    cJSON *field = fields != NULL ? fields->child : NULL;
    while (field != NULL) {
        cJSON *next = field->next;
        json_put(line, field->string, cJSON_DetachItemViaPointer(fields, field));
        field = next;
    }
    char *text = cJSON_PrintUnformatted(line);
    if (text != NULL)
        fprintf(stderr, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(line);
}

void log_event(enum log_level level, const char *event, cJSON *fields, const char *message, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, message);
    vsnprintf(sentence, sizeof sentence, message, arguments);
    va_end(arguments);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "offloop: %s\n", sentence);
    else
        print_json(level, event, sentence, fields);
    cJSON_Delete(fields);
}
