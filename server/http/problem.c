/* problem.c – see problem.h. Memory that is short costs the document, never the status. */
#include "server/http/problem.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char *http_problem_document(int status, const char *detail, size_t *length)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "type", "about:blank");
    cJSON_AddStringToObject(document, "title", http_reason(status));
    cJSON_AddNumberToObject(document, "status", status);
    cJSON_AddStringToObject(document, "detail", detail);
    char *text = cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
    if (text == NULL)
        return NULL;
    *length = strlen(text) + 1;
    text[*length - 1] = '\n'; /* in place of the NUL: for those who use curl */
    return text;
}

void http_problem(struct http_exchange *exchange, int status, const char *fields,
                  const char *detail, ...)
{
    char sentence[1000];
    va_list arguments;
    va_start(arguments, detail);
    vsnprintf(sentence, sizeof sentence, detail, arguments);
    va_end(arguments);

    size_t length = 0;
    char *document = http_problem_document(status, sentence, &length);
    http_exchange_answer(exchange, &(struct http_response){
                                       .status = status,
                                       .content_type = document ? "application/problem+json" : NULL,
                                       .fields = fields,
                                       .body = document,
                                       .body_bytes = length,
                                   });
    cJSON_free(document);
}
