/* replay_main.c – gives files to a fuzz target one by one, without a fuzzer: any compiler will do.
 *
 *     PROGRAM FILE...      ends by abort() at the first input that shows a defect */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    enum { INPUT_MAX = 1 << 20 };
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    if (file == NULL || data == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    /* In a block of just this size, so that a sanitizer sees a read beyond it. */
    uint8_t *exact = realloc(data, size > 0 ? size : 1);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++)
        status |= replay(argv[i]);
    printf("[  PASSED  ] %d inputs\n", argc - 1);
    return status;
}
