/* transcript.c – see transcript.h. Shorthands are expanded into the lines that they stand for, so
 * there is one way to match. */
#include "tests/support/transcript.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ bytes */

void bytes_add(struct bytes *bytes, const void *piece, size_t length)
{
    if (bytes->length + length > bytes->capacity) {
        bytes->capacity = 2 * (bytes->length + length);
        bytes->at = realloc(bytes->at, bytes->capacity);
        assert(bytes->at != NULL);
    }
    if (length > 0)
        memcpy(bytes->at + bytes->length, piece, length);
    bytes->length += length;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

/* ------------------------------------------------------------------ reading */

struct reader {
    const char *path;
    unsigned line;
    struct transcript **transcripts;
    size_t *count;
    bool answered; /* the current turn has an expectation: input begins a new one */
    bool ended;
};

static _Noreturn void fail_reading(const struct reader *reader, const char *message)
{
    fprintf(stderr, "%s:%u: %s\n", reader->path, reader->line, message);
    exit(2);
}

static struct transcript *current(const struct reader *reader)
{
    if (*reader->count == 0 || reader->ended)
        fail_reading(reader, "this line is in no transcript");
    return &(*reader->transcripts)[*reader->count - 1];
}

static struct turn *current_turn(const struct reader *reader)
{
    struct transcript *transcript = current(reader);
    if (transcript->turn_count == 0)
        fail_reading(reader, "the client speaks first");
    return &transcript->turns[transcript->turn_count - 1];
}

static void *grown(void *array, size_t count, size_t size)
{
    char *larger = realloc(array, (count + 1) * size);
    assert(larger != NULL);
    memset(larger + count * size, 0, size);
    return larger;
}

/* One escape: \r \n \t \0 \s (a space) \\ \{ \xHH. Returns what follows it. */
static const char *read_escape(const struct reader *reader, const char *at, char *byte)
{
    static const char names[] = "rnt0s\\{", values[] = "\r\n\t\0 \\{";
    const char *name = *at != '\0' ? strchr(names, *at) : NULL;
    unsigned code;
    if (name != NULL) {
        *byte = values[name - names];
        return at + 1;
    }
    if (sscanf(at, "x%2x", &code) != 1 || !isxdigit((unsigned char)at[2]))
        fail_reading(reader, "an unknown escape");
    *byte = (char)code;
    return at + 3;
}

/* Text up to `end` with its escapes and its runs {text*count} taken out. */
static void read_text(const struct reader *reader, struct bytes *bytes, const char *at,
                      const char *end)
{
    while (at < end) {
        char byte = *at++;
        if (byte == '{') {
            const char *star = memchr(at, '*', (size_t)(end - at));
            const char *close = star != NULL ? memchr(star, '}', (size_t)(end - star)) : NULL;
            if (close == NULL)
                fail_reading(reader, "a run is written {text*count}");
            for (unsigned long i = strtoul(star + 1, NULL, 10); i > 0; i--)
                read_text(reader, bytes, at, star);
            at = close + 1;
            continue;
        }
        if (byte == '\\')
            at = read_escape(reader, at, &byte);
        bytes_add(bytes, &byte, 1);
    }
}

/* ------------------------------------------------------------------ what the client says */

static struct turn *turn_for_input(struct reader *reader)
{
    struct transcript *transcript = current(reader);
    if (transcript->turn_count == 0 || reader->answered) {
        transcript->turns =
            grown(transcript->turns, transcript->turn_count, sizeof *transcript->turns);
        transcript->turn_count++;
        reader->answered = false;
    }
    return current_turn(reader);
}

static void read_input(struct reader *reader, const char *text, const char *behind)
{
    struct turn *turn = turn_for_input(reader);
    read_text(reader, &turn->input, text, text + strlen(text));
    bytes_add(&turn->input, behind, strlen(behind));
}

static void read_input_line(struct reader *reader, const char *text)
{
    read_input(reader, text, "\r\n");
}

static void read_input_part(struct reader *reader, const char *text)
{
    read_input(reader, text, "");
}

static void read_mark(struct reader *reader, const char *text)
{
    struct turn *turn = turn_for_input(reader);
    (void)text;
    turn->has_mark = true;
    turn->mark = turn->input.length;
}

static void read_input_end(struct reader *reader, const char *text)
{
    (void)text;
    turn_for_input(reader)->ends_input = true;
}

/* ------------------------------------------------------------------ what the server answers */

static struct expectation *expect(struct reader *reader, enum expectation_kind kind)
{
    struct turn *turn = current_turn(reader);
    size_t count = turn->expectation_count++;
    turn->expectations = grown(turn->expectations, count, sizeof *turn->expectations);
    turn->expectations[count].kind = kind;
    reader->answered = true;
    return &turn->expectations[count];
}

/* Where literal text goes on, or begins. */
static struct bytes *literal(struct reader *reader)
{
    struct turn *turn = current_turn(reader);
    size_t count = turn->expectation_count;
    struct expectation *last = count > 0 ? &turn->expectations[count - 1] : NULL;
    if (last != NULL && last->kind == EXPECT_LITERAL && !last->only_if_cut)
        return &last->text;
    return &expect(reader, EXPECT_LITERAL)->text;
}

static void expect_literal(struct reader *reader, const char *text)
{
    bytes_add(literal(reader), text, strlen(text));
}

/* Text with {date}, {length} and {problem}, {problem: words of its detail}. */
static void read_output(struct reader *reader, const char *text)
{
    const char *rest = text;
    while (*rest != '\0') {
        if (strncmp(rest, "{date}", 6) == 0) {
            expect(reader, EXPECT_DATE);
            rest += 6;
        } else if (strncmp(rest, "{length}", 8) == 0) {
            expect(reader, EXPECT_LENGTH);
            rest += 8;
        } else if (strncmp(rest, "{problem", 8) == 0) {
            struct bytes *words = &expect(reader, EXPECT_PROBLEM)->text;
            const char *from = rest + 8 + strspn(rest + 8, ": ");
            const char *to = from + strcspn(from, "}");
            bytes_add(words, from, (size_t)(to - from));
            rest = to + 1;
        } else {
            const char *to = rest + 1;
            while (*to != '\0' && strncmp(to, "{date}", 6) != 0 &&
                   strncmp(to, "{length}", 8) != 0 && strncmp(to, "{problem", 8) != 0)
                to++;
            read_text(reader, literal(reader), rest, to);
            rest = to;
        }
    }
}

static void read_output_line(struct reader *reader, const char *text)
{
    read_output(reader, text);
    expect_literal(reader, "\r\n");
}

static void read_continue(struct reader *reader, const char *text)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)text;
    struct expectation *only = expect(reader, EXPECT_LITERAL);
    only->only_if_cut = true;
    bytes_add(&only->text, interim, sizeof interim - 1);
}

static void expect_answer(struct reader *reader, const char *text, const char *connection)
{
    char length[40];
    struct bytes content = {0};
    read_text(reader, &content, text, text + strlen(text));
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", content.length);
    read_output(reader, "HTTP/1.1 200 OK\\r\\nDate: {date}\\r\\n");
    expect_literal(reader, "Content-Type: text/plain\r\n");
    expect_literal(reader, length);
    expect_literal(reader, connection);
    expect_literal(reader, "\r\n");
    bytes_add(literal(reader), content.at, content.length);
    bytes_free(&content);
}

static void read_answer(struct reader *reader, const char *text)
{
    expect_answer(reader, text, "");
}

static void read_answer_close(struct reader *reader, const char *text)
{
    expect_answer(reader, text, "Connection: close\r\n");
}

static void read_answer_keep_alive(struct reader *reader, const char *text)
{
    expect_answer(reader, text, "Connection: keep-alive\r\n");
}

/* "400 Bad Request" or "400 Bad Request | words of its detail". */
static void read_refusal(struct reader *reader, const char *text)
{
    int status = (int)strcspn(text, "|");
    const char *words = text[status] == '|' ? text + status + 2 : "";
    char line[400];
    while (status > 0 && text[status - 1] == ' ')
        status--;
    snprintf(line, sizeof line,
             "HTTP/1.1 %.*s\\r\\nDate: {date}\\r\\nContent-Type: application/problem+json\\r\\n"
             "Content-Length: {length}\\r\\nConnection: close\\r\\n\\r\\n{problem: %s}",
             status, text, words);
    read_output(reader, line);
}

/* Such a refusal as the answer to HEAD: no content, but the length that GET would get. */
static void read_head_refusal(struct reader *reader, const char *text)
{
    char line[400];
    snprintf(line, sizeof line,
             "HTTP/1.1 %s\\r\\nDate: {date}\\r\\nContent-Type: application/problem+json\\r\\n"
             "Content-Length: {length}\\r\\nConnection: close\\r\\n\\r\\n",
             text);
    read_output(reader, line);
}

/* ------------------------------------------------------------------ the other lines */

static void read_title(struct reader *reader, const char *text)
{
    char name[400];
    const char *file = strrchr(reader->path, '/');
    if (*reader->count > 0 && !reader->ended)
        fail_reading(reader, "the transcript above has no 'then' line");
    *reader->transcripts =
        grown(*reader->transcripts, *reader->count, sizeof **reader->transcripts);
    ++*reader->count;
    reader->answered = reader->ended = false;
    snprintf(name, sizeof name, "%s:%u: %s", file != NULL ? file + 1 : reader->path, reader->line,
             text);
    current(reader)->name = strdup(name);
    current(reader)->max_header_bytes = 16 * 1024;
    current(reader)->max_body_bytes = 1024 * 1024;
}

static void read_limit(struct reader *reader, const char *text)
{
    struct transcript *transcript = current(reader);
    if (sscanf(text, "max-header-size %zu", &transcript->max_header_bytes) != 1 &&
        sscanf(text, "max-body-size %zu", &transcript->max_body_bytes) != 1)
        fail_reading(reader, "an unknown limit");
}

static void read_end(struct reader *reader, const char *text)
{
    static const char *const ends[] = {"closes", "stays open", "waits"};
    struct transcript *transcript = current(reader);
    size_t end = 0;
    while (end < 3 && strcmp(text, ends[end]) != 0)
        end++;
    if (end == 3)
        fail_reading(reader, "then 'closes', 'stays open' or 'waits'");
    transcript->end = (enum transcript_end)end;
    reader->ended = true;
}

static void read_comment(struct reader *reader, const char *text)
{
    (void)reader;
    (void)text;
}

static void read_line(struct reader *reader, const char *line)
{
    static const struct {
        const char *word;
        void (*read)(struct reader *reader, const char *text);
    } rows[] = {
        {"#", read_comment},
        {"==", read_title},
        {"with", read_limit},
        {">", read_input_line},
        {">|", read_input_part},
        {">mark", read_mark},
        {">end", read_input_end},
        {"<", read_output_line},
        {"<|", read_output},
        {"<continue-if-cut", read_continue},
        {"<answer", read_answer},
        {"<answer-close", read_answer_close},
        {"<answer-keep-alive", read_answer_keep_alive},
        {"<refusal", read_refusal},
        {"<refusal-head", read_head_refusal},
        {"then", read_end},
    };
    size_t length = strcspn(line, " ");
    if (*line == '\0')
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strlen(rows[i].word) == length && strncmp(rows[i].word, line, length) == 0) {
            rows[i].read(reader, line + length + (line[length] == ' ' ? 1 : 0));
            return;
        }
    }
    fail_reading(reader, "a line of no known kind");
}

void transcripts_read(const char *path, struct transcript **transcripts, size_t *count)
{
    struct reader reader = {
        .path = path, .transcripts = transcripts, .count = count, .ended = true};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    if (file == NULL)
        fail_reading(&reader, "cannot be read");
    while ((length = getline(&line, &size, file)) > 0) {
        reader.line++;
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        read_line(&reader, line);
    }
    if (!reader.ended)
        fail_reading(&reader, "the last transcript has no 'then' line");
    free(line);
    fclose(file);
}

static void turn_free(struct turn *turn)
{
    for (size_t i = 0; i < turn->expectation_count; i++)
        bytes_free(&turn->expectations[i].text);
    free(turn->expectations);
    bytes_free(&turn->input);
}

void transcripts_free(struct transcript *transcripts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t t = 0; t < transcripts[i].turn_count; t++)
            turn_free(&transcripts[i].turns[t]);
        free(transcripts[i].turns);
        free(transcripts[i].name);
    }
    free(transcripts);
}

/* ------------------------------------------------------------------ matching */

static enum match match_literal(const struct bytes *text, const char *answer, size_t length,
                                size_t *used)
{
    size_t shorter = length < text->length ? length : text->length;
    *used = text->length;
    if (shorter > 0 && memcmp(text->at, answer, shorter) != 0)
        return MATCH_NOT;
    return shorter == text->length ? MATCH_WHOLE : MATCH_PART;
}

static enum match match_date(const char *answer, size_t length, size_t *used)
{
    static const char shape[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    *used = sizeof shape - 1;
    if (length < *used)
        return MATCH_PART;
    for (size_t i = 0; i < *used; i++) {
        unsigned char c = (unsigned char)answer[i];
        bool fits = shape[i] == '0'               ? isdigit(c)
                    : i < 3 || (i >= 8 && i < 11) ? isalpha(c)
                                                  : c == (unsigned char)shape[i];
        if (!fits)
            return MATCH_NOT;
    }
    return MATCH_WHOLE;
}

static enum match match_length(const char *answer, size_t length, size_t *used)
{
    *used = 0;
    while (*used < length && isdigit((unsigned char)answer[*used]))
        ++*used;
    if (*used == length)
        return MATCH_PART;
    return *used > 0 ? MATCH_WHOLE : MATCH_NOT;
}

/* The last place in text[0, length) behind these words. */
static const char *find_last(const char *text, size_t length, const char *words)
{
    size_t size = strlen(words);
    for (size_t i = length < size ? 0 : length - size + 1; i-- > 0;) {
        if (memcmp(text + i, words, size) == 0)
            return text + i + size;
    }
    return NULL;
}

/* The document must be as long as Content-Length says, and repeat the status line's code and
 * reason.
 */
static enum match match_problem(const struct bytes *words, const struct bytes *answer, size_t at,
                                size_t *used)
{
    char begins[200];
    const char *document = answer->at + at;
    const char *length_text = find_last(answer->at, at, "Content-Length: ");
    const char *status_text = find_last(answer->at, at, "HTTP/1.1 ");
    if (length_text == NULL || status_text == NULL)
        return MATCH_NOT;
    *used = strtoul(length_text, NULL, 10);
    if (answer->length - at < *used)
        return MATCH_PART;
    const char *reason = status_text + 4;
    int begins_length = snprintf(begins, sizeof begins,
                                 "{\"type\":\"about:blank\",\"title\":\"%.*s\",\"status\":%.3s,"
                                 "\"detail\":\"",
                                 (int)strcspn(reason, "\r"), reason, status_text);
    if (*used < (size_t)begins_length + 4 || memcmp(document, begins, (size_t)begins_length) != 0 ||
        memcmp(document + *used - 3, "\"}\n", 3) != 0)
        return MATCH_NOT;
    bool says = words->length == 0 || memmem(document, *used, words->at, words->length) != NULL;
    return says ? MATCH_WHOLE : MATCH_NOT;
}

enum match expectation_match(const struct expectation *expectation, const struct bytes *answer,
                             size_t *at)
{
    const char *rest = answer->at + *at;
    size_t length = answer->length - *at;
    size_t used = 0;
    enum match match = MATCH_NOT;
    switch (expectation->kind) {
    case EXPECT_LITERAL:
        match = match_literal(&expectation->text, rest, length, &used);
        break;
    case EXPECT_DATE:
        match = match_date(rest, length, &used);
        break;
    case EXPECT_LENGTH:
        match = match_length(rest, length, &used);
        break;
    case EXPECT_PROBLEM:
        match = match_problem(&expectation->text, answer, *at, &used);
        break;
    }
    if (match == MATCH_WHOLE)
        *at += used;
    return match;
}
