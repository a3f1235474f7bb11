/* What all demos share: they answer --help, and they know how long things took. */
#ifndef DEMO_H
#define DEMO_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ends the program if it was asked for help (exit 0) or given something that it does not know (exit 2). about: what the
 * demo shows. Returns the one number that may be given, or standard where there is none; standard 0: none may. */
static inline long demo_begin(int argc, char **argv, const char *about, long standard)
{
    char *end = "";
    long number = argc > 1 ? strtol(argv[1], &end, 10) : standard;

    setvbuf(stdout, NULL, _IOLBF, 0); /* line by line, even into a pipe: what was printed has happened */
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s\n\nRun it:     %s%s\nRecord it:  TRACE=run.trace %s, then: lifeline draw run.trace -T text\n", about,
               argv[0], standard ? " [NUMBER]" : "", argv[0]);
        exit(0);
    }
    if (argc > 2 || *end || number < 0 || (argc == 2 && !standard)) {
        fprintf(stderr, "%s: does not know '%s'; try --help\n", argv[0], argv[argc - 1]);
        exit(2);
    }
    return number;
}

static inline double demo_milliseconds(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

#endif
