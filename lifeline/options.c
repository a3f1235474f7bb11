#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int options_bad(const char *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "lifeline %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (see lifeline %s --help)\n", command);
    return 2;
}

int options_one_file(int argc, char **argv, const char *help, const char **path)
{
    *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(help, stdout);
            return 0;
        }
        if (argv[i][0] == '-' && argv[i][1])
            return options_bad(argv[0], "there is no option %s", argv[i]);
        if (*path)
            return options_bad(argv[0], "one recording at a time");
        *path = argv[i];
    }
    return *path ? OPTIONS_GO_ON : options_bad(argv[0], "which recording?");
}

bool options_take(int *argc, char **argv, const char *name, const char **value)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], name) != 0)
            continue;
        if (i + 1 == *argc)
            return false;
        *value = argv[i + 1];
        memmove(&argv[i], &argv[i + 2], (size_t)(*argc - i - 2) * sizeof *argv);
        *argc -= 2;
        return true;
    }
    return true;
}

bool options_number(const char *text, uint32_t *number)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    *number = (uint32_t)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && value <= UINT32_MAX;
}

int recording_open_or_say(struct recording *rec, const char *path)
{
    char error[256];
    int status = recording_open(rec, path, error, sizeof error);

    if (status)
        fprintf(stderr, "lifeline: %s: %s\n", path, error);
    return status;
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "lifeline: the output could not be written: %s\n", strerror(errno));
    return 2;
}
