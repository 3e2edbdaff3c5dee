/* accept.c – what a client would rather have (RFC 9110, section 12.5.1); its function stands in
 * request.h.
 *
 * Of all media ranges that fit an offer the most exact one says its weight, wherever it stands, on
 * whichever line. A parameter that the offer does not have is passed over: clients name charsets
 * and profiles of types that have none. Nothing here allocates or keeps state. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "server/http/request.h"
#include "server/http/syntax.h"

enum { WEIGHT_MAX = 1000 };

/* How exactly a range names an offer. */
enum exactness { NOT_NAMED, ANYTHING, FAMILY, TYPE, TYPE_WITH_PARAMETERS };

struct opinion {
    enum exactness exactness;
    unsigned weight; /* in thousandths */
};

struct parameter {
    const char *name, *value;
    size_t name_length, value_length;
};

/* Takes the next of *( OWS ";" OWS name "=" value ), a quoted value without its quotes; returns
 * false if there is none before `end`. */
static bool next_parameter(const char **cursor, const char *end, struct parameter *parameter)
{
    const char *at = http_skip_blanks(*cursor);
    if (at >= end || *at != ';')
        return false;
    parameter->name = http_skip_blanks(at + 1);
    at = http_skip_token(parameter->name);
    parameter->name_length = (size_t)(at - parameter->name);
    at += *at == '=';
    bool quoted = *at == '"';
    parameter->value = at + quoted;
    *cursor = quoted ? http_skip_quoted(at) : http_skip_token(at);
    parameter->value_length = (size_t)(*cursor - parameter->value);
    if (quoted && parameter->value_length > 0)
        parameter->value_length -= (*cursor)[-1] == '"';
    return true;
}

/* Its value in the offer, "type/subtype; name=value": the same (1), another (-1), there is none
 * (0). */
static int compare_parameter(const char *offer, const struct parameter *wanted)
{
    struct parameter had;
    const char *end = offer + strlen(offer);
    const char *cursor = offer + strcspn(offer, "; \t");
    while (next_parameter(&cursor, end, &had)) {
        if (had.name_length != wanted->name_length ||
            strncasecmp(had.name, wanted->name, had.name_length) != 0)
            continue;
        return had.value_length == wanted->value_length &&
                       strncasecmp(had.value, wanted->value, had.value_length) == 0
                   ? 1
                   : -1;
    }
    return 0;
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) (section 12.4.2). What is no number
 * counts as 0. */
static unsigned weight_of(const struct parameter *q)
{
    const char *at = q->value, *end = at + q->value_length;
    unsigned weight = 0;
    if (at < end && *at == '1')
        return WEIGHT_MAX;
    at += at < end && *at == '0';
    at += at < end && *at == '.';
    for (unsigned worth = WEIGHT_MAX / 10; worth > 0 && at < end && isdigit((unsigned char)*at);
         worth /= 10)
        weight += (unsigned)(*at++ - '0') * worth;
    return weight;
}

static enum exactness exactness_of(const char *range, size_t length, const char *offer)
{
    size_t family = strcspn(offer, "/") + 1;
    if (length == 3 && strncmp(range, "*/*", 3) == 0)
        return ANYTHING;
    if (length == family + 1 && range[family] == '*' && strncasecmp(range, offer, family) == 0)
        return FAMILY;
    bool same = length == strcspn(offer, "; \t") && strncasecmp(range, offer, length) == 0;
    return same ? TYPE : NOT_NAMED;
}

/* What one element of Accept says of an offer; parameters behind the weight are no part of it. */
static struct opinion judge(const char *element, const char *end, const char *offer)
{
    struct parameter parameter;
    struct opinion opinion = {.weight = WEIGHT_MAX};
    const char *cursor = element + strcspn(element, "; \t,");
    opinion.exactness = exactness_of(element, (size_t)(cursor - element), offer);
    while (opinion.exactness != NOT_NAMED && next_parameter(&cursor, end, &parameter)) {
        if (http_element_is(parameter.name, parameter.name_length, "q")) {
            opinion.weight = weight_of(&parameter);
            break;
        }
        int same = compare_parameter(offer, &parameter);
        if (same < 0)
            opinion.exactness = NOT_NAMED;
        else if (same > 0 && opinion.exactness == TYPE)
            opinion.exactness = TYPE_WITH_PARAMETERS;
    }
    return opinion.exactness != NOT_NAMED ? opinion : (struct opinion){.exactness = NOT_NAMED};
}

/* What the whole request says of it. */
static struct opinion opinion_of(const struct http_request *request, const char *offer)
{
    struct opinion best = {.exactness = NOT_NAMED};
    const char *list = http_request_field(request, "accept");
    for (; list != NULL; list = http_request_next_field(list, "accept")) {
        const char *cursor = list, *element;
        size_t length;
        while ((element = http_quoted_list_next(&cursor, &length)) != NULL) {
            struct opinion opinion = judge(element, element + length, offer);
            if (opinion.exactness > best.exactness ||
                (opinion.exactness == best.exactness && opinion.weight > best.weight))
                best = opinion;
        }
    }
    return best;
}

bool http_request_prefers(const struct http_request *request, const char *media_type,
                          const char *to)
{
    struct opinion opinion = opinion_of(request, media_type), other = opinion_of(request, to);
    if (opinion.weight != other.weight)
        return opinion.weight > other.weight;
    return opinion.weight > 0 && opinion.exactness > other.exactness;
}
