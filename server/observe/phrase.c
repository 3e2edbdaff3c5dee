/* phrase.c – see phrase.h. */
#include "server/observe/phrase.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

struct phrase phrase_number(double number)
{
    struct phrase phrase;
    if (number < 9.95) /* what is rounded to ten needs no digit behind the point */
        snprintf(phrase.text, sizeof phrase.text, "%.2g", round(number * 100) / 100);
    else
        snprintf(phrase.text, sizeof phrase.text, "%.0f", number);
    return phrase;
}

struct phrase phrase_ms(double ms)
{
    const bool seconds = ms >= 999.5;
    struct phrase phrase, number = phrase_number(seconds ? ms / 1000 : ms);
    snprintf(phrase.text, sizeof phrase.text, "%.50s %s", number.text, seconds ? "s" : "ms");
    return phrase;
}

struct phrase phrase_count(uint64_t count, const char *one, const char *many)
{
    struct phrase phrase;
    snprintf(phrase.text, sizeof phrase.text, "%" PRIu64 " %s", count, count == 1 ? one : many);
    return phrase;
}

struct phrase phrase_share(double share)
{
    struct phrase phrase = {"under 1 %"};
    if (share <= 0 || share >= 0.01)
        snprintf(phrase.text, sizeof phrase.text, "%.0f %%", share > 0 ? share * 100 : 0.0);
    return phrase;
}

struct phrase phrase_times(double ratio)
{
    struct phrase phrase = {"twice"}, number = phrase_number(ratio);
    if (ratio < 1.95 || ratio >= 2.05)
        snprintf(phrase.text, sizeof phrase.text, "%.50s times", number.text);
    return phrase;
}
