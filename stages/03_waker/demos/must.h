/* How a demo answers a failure: it says what failed and ends. */
#ifndef MUST_H
#define MUST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* error: 0 or -errno, as the runtime returns it. */
static inline void must(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(1);
}

#endif
