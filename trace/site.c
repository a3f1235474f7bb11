/* misuse(): the last words of a program that broke a rule of the runtime. */
#include "site.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void misuse(const struct site *at, const char *format, ...)
{
    char line[1024]; /* put together here, so that one write(2) says it whole, whatever other threads print */
    va_list args;

    int used = snprintf(line, sizeof line, "%s:%u: misuse: ", at ? at->file : "?", at ? at->line : 0);
    if (used < 0 || (size_t)used >= sizeof line)
        used = 0;
    va_start(args, format);
    int more = vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    va_end(args);

    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof line - 1)
        length = sizeof line - 1;
    line[length] = '\n';
    (void)!write(STDERR_FILENO, line, length + 1);
    abort();
}
