/* bounded.h – text from strangers (a query string, a shell) against what is allowed.
 *
 * Every argument has a bound, and a wrong one gets a sentence that names it, what is allowed and
 * what was given. The sentence is made to be shown: on a terminal, in a log, in JSON. What is not a
 * plain printable character does not get into it, and a long value is shortened. Any thread. */
#ifndef OFFLOOP_KERNEL_BOUNDED_H
#define OFFLOOP_KERNEL_BOUNDED_H

#include <stddef.h>
#include <stdint.h>

/* Decimal digits only, and a value from min to max. Returns 0 and sets *value, or -EINVAL or
 * -ERANGE and writes the sentence: `n must be an integer from 1 to 10; got "abc"`. */
int bounded_integer(const char *name, uint64_t min, uint64_t max, const char *text, uint64_t *value,
                    char *error, size_t error_bytes);

/* Writes the sentence for a value that is none of the allowed ones: `via must be one of sqlite,
 * timer; got "abc"`. Returns -EINVAL. */
int bounded_choice_error(const char *name, const char *choices, const char *text, char *error,
                         size_t error_bytes);

enum { BOUNDED_SHOWN_BYTES = 44 };

/* Copies what may be shown of a stranger's text: printable ASCII, no quotes, not too much of it. */
void bounded_show(char shown[BOUNDED_SHOWN_BYTES], const char *text);

#endif
