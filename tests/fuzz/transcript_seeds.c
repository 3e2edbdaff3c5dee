/* transcript_seeds.c – turns transcripts into inputs for connection_fuzz and segmentation_fuzz.
 *
 *     transcript_seeds commands|plain FOLDER FILE...
 *
 * Writes one file for each transcript. With `commands` the turns, the marks and the end of the
 * input become commands of connection_fuzz; `plain` is all the input in one run. Limits that differ
 * from the defaults become the next choice that both targets have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/transcript.h"

enum { ESCAPE = 0xfe, TURN = 0, END = 2, ANSWER = 6, LITERAL = 15, INPUT_MAX = 32 * 1024 };

static void put(FILE *file, const char *bytes, size_t length, bool commands)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (commands && byte == ESCAPE) {
            fputc(ESCAPE, file);
            fputc(LITERAL, file);
        }
        fputc(byte, file);
    }
}

static void put_command(FILE *file, int command, int argument)
{
    fputc(ESCAPE, file);
    fputc(command, file);
    fputc(argument, file);
}

static void put_turn(FILE *file, const struct turn *turn, bool commands)
{
    size_t first = turn->has_mark ? turn->mark : turn->input.length;
    put(file, turn->input.at, first, commands);
    if (commands)
        put_command(file, TURN, 1);
    put(file, turn->input.at + first, turn->input.length - first, commands);
    if (commands) {
        put_command(file, ANSWER, 0);
        if (turn->ends_input)
            put_command(file, END, 0);
    }
}

static int choice_of(const struct transcript *transcript)
{
    int header = transcript->max_header_bytes < 1024    ? 1
                 : transcript->max_header_bytes < 16384 ? 2
                                                        : 0;
    int body = transcript->max_body_bytes < 5000 ? 1 : transcript->max_body_bytes < 1 << 20 ? 2 : 0;
    return header | body << 2;
}

static bool is_short(const struct transcript *transcript)
{
    size_t length = 0;
    for (size_t i = 0; i < transcript->turn_count; i++)
        length += transcript->turns[i].input.length;
    return length < INPUT_MAX / 2;
}

static void write_seed(const char *path, const struct transcript *transcript, bool commands)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    fputc(choice_of(transcript), file);
    fputc(0, file);
    for (size_t i = 0; i < transcript->turn_count; i++)
        put_turn(file, &transcript->turns[i], commands);
    fclose(file);
}

/* "host.txt:12: no Host" gives "host.txt-12". */
static void seed_path(char *path, size_t size, const char *folder, const char *name)
{
    int file = (int)strcspn(name, ":");
    int line = (int)strcspn(name + file + 1, ":");
    snprintf(path, size, "%s/%.*s-%.*s", folder, file, name, line, name + file + 1);
}

int main(int argc, char **argv)
{
    struct transcript *transcripts = NULL;
    size_t count = 0;
    char path[1000];
    if (argc < 4) {
        fputs("usage: transcript_seeds commands|plain FOLDER FILE...\n", stderr);
        return 2;
    }
    for (int i = 3; i < argc; i++)
        transcripts_read(argv[i], &transcripts, &count);
    for (size_t i = 0; i < count; i++) {
        seed_path(path, sizeof path, argv[2], transcripts[i].name);
        if (is_short(&transcripts[i]))
            write_seed(path, &transcripts[i], strcmp(argv[1], "commands") == 0);
    }
    transcripts_free(transcripts, count);
    return 0;
}
