/* dashboard.c – see dashboard.h. The assembler puts the files into the program (.incbin), so they
 * pass no generator, and the page that is read here is the page that is served. The compiler runs
 * in the top folder of the project. */
#include "server/observe/dashboard.h"

#include <string.h>

#define DASHBOARD_EMBED(symbol, name, type)                                          \
    __asm__(".pushsection .rodata\n"                                                 \
            ".global dashboard_" #symbol "\n"                                        \
            "dashboard_" #symbol ": .incbin \"server/observe/dashboard/" name "\"\n" \
            ".global dashboard_" #symbol "_end\n"                                    \
            "dashboard_" #symbol "_end: .byte 0\n"                                   \
            ".popsection\n");                                                        \
    extern const char dashboard_##symbol[], dashboard_##symbol##_end[];

DASHBOARD_FILES(DASHBOARD_EMBED)

static const struct {
    const char *name, *content_type, *bytes, *end;
} files[] = {
#define DASHBOARD_ROW(symbol, name, type) \
    {name, type, dashboard_##symbol, dashboard_##symbol##_end},
    DASHBOARD_FILES(DASHBOARD_ROW)
#undef DASHBOARD_ROW
};

bool dashboard_find(const char *path, struct dashboard_file *file)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path;
    if (strncmp(name, "/app/", 5) == 0)
        name += 5;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(files[i].name, name) != 0)
            continue;
        *file = (struct dashboard_file){files[i].content_type, files[i].bytes,
                                        (size_t)(files[i].end - files[i].bytes)};
        return true;
    }
    return false;
}
