/* preface.h – what a client is told that speaks HTTP/2 from its first byte ("prior knowledge").
 *
 * It reads frames, so an answer in HTTP/1.1 would be noise to it: most report an empty or a broken
 * answer. A GOAWAY says in its own language what it should do instead. Any thread. */
#ifndef OFFLOOP_HTTP_PREFACE_H
#define OFFLOOP_HTTP_PREFACE_H

#include <stddef.h>

enum { HTTP_PREFACE_ANSWER_BYTES = 256 };

/* Writes the frames, with as much of the text as there is room for. Returns their length. */
size_t http_preface_answer(char at[HTTP_PREFACE_ANSWER_BYTES], const char *text);

#endif
