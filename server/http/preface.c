/* preface.c – see preface.h. Empty SETTINGS, which must come first, and GOAWAY (RFC 9113, sections
 * 3.4, 6.5 and 6.8): no stream was processed, HTTP_1_1_REQUIRED, and a text for whoever debugs. */
#include "server/http/preface.h"

#include <string.h>

enum { FRAME_HEAD_BYTES = 9, SETTINGS = 4, GOAWAY = 7, GOAWAY_BYTES = 8, HTTP_1_1_REQUIRED = 0xd };

/* Length, type, no flags, stream 0 (section 4.1). The length fits in a byte here. */
static char *put_frame_head(char *at, size_t length, char type)
{
    memset(at, 0, FRAME_HEAD_BYTES);
    at[2] = (char)length;
    at[3] = type;
    return at + FRAME_HEAD_BYTES;
}

size_t http_preface_answer(char at[HTTP_PREFACE_ANSWER_BYTES], const char *text)
{
    const size_t room = HTTP_PREFACE_ANSWER_BYTES - 2 * FRAME_HEAD_BYTES - GOAWAY_BYTES;
    size_t length = strnlen(text, room);
    char *end = put_frame_head(at, 0, SETTINGS);
    end = put_frame_head(end, GOAWAY_BYTES + length, GOAWAY);
    memset(end, 0, GOAWAY_BYTES);
    end[GOAWAY_BYTES - 1] = HTTP_1_1_REQUIRED;
    memcpy(end + GOAWAY_BYTES, text, length);
    return (size_t)(end + GOAWAY_BYTES + length - at);
}
