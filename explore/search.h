/* The search over all runs of a model, for the program in main.c and for tests. */
#ifndef SEARCH_H
#define SEARCH_H

#include <limits.h>
#include <stdbool.h>

struct limits {
    unsigned preemptions; /* how often a run may take the processor from a thread that could go on */
    unsigned spurious;    /* how often a wait or a weak compare-exchange may fail for no reason */
    unsigned old_values;  /* how often a load may return another value than the newest */
    unsigned long runs;   /* the search gives up after so many */
};

/* No limit on preemptions: every interleaving, but only one of each set that differs in the order of independent steps. */
enum { PREEMPTIONS_ALL = INT_MAX };

struct verdict {
    unsigned long runs;
    bool complete;        /* false: gave up at the limit of runs */
    bool failed;          /* in the last run */
    char reason[1024];    /* why: "data race: ...", "deadlock: ...", ... */
    char schedule[16384]; /* replays the failing run */
};

/* Runs the model until something breaks or everything was tried. */
void search_all(void (*run)(void), const struct limits *limits, struct verdict *verdict);

/* Runs it once, as `schedule` says, and prints every step if it is to tell. The decisions behind its end are the first ones. */
void search_replay(void (*run)(void), const char *schedule, const struct limits *limits, bool tell,
                   struct verdict *verdict);

#endif
