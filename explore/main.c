/* The program around a model: searches, or replays one schedule. */
#include "explore.h"
#include "search.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: %s [--bound N|all] [--old N] [--spurious N] [--runs N] [--replay SCHEDULE]\n"
    "  --bound N           try all runs in which at most N times a thread that could go on has to stop (default 2);\n"
    "                      all: every run, but only one of each set that differs in the order of independent steps\n"
    "  --old N             so many loads of a run may return an old value where C11 allows it (default 2)\n"
    "  --spurious N        so many waits of a run may end for no reason (default 0)\n"
    "  --runs N            give up after so many (default 2000000)\n"
    "  --replay SCHEDULE   make one run again and tell its steps; with TRACE=FILE it is recorded\n"
    "exit: 0 nothing is broken, 1 something is, 2 bad usage, 3 gave up\n"
    "for example: %s --bound 3\n";

struct options {
    struct limits limits;
    const char *replay;
};

_Noreturn static void bad(const char *program, const char *what)
{
    fprintf(stderr, "%s: %s\n", program, what);
    fprintf(stderr, usage, program, program);
    exit(2);
}

static unsigned long number(const char *program, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || *text == '-')
        bad(program, "not a number");
    return value;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {{"bound", 1, NULL, 'b'},
                                          {"spurious", 1, NULL, 's'},
                                          {"old", 1, NULL, 'o'},
                                          {"runs", 1, NULL, 'r'},
                                          {"replay", 1, NULL, 'p'},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    struct options o = {.limits = {.preemptions = 2, .old_values = 2, .runs = 2000000}};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
        switch (c) {
        case 'b':
            o.limits.preemptions = strcmp(optarg, "all") == 0 ? PREEMPTIONS_ALL : (unsigned)number(argv[0], optarg);
            break;
        case 'o':
            o.limits.old_values = (unsigned)number(argv[0], optarg);
            break;
        case 's':
            o.limits.spurious = (unsigned)number(argv[0], optarg);
            break;
        case 'r':
            o.limits.runs = number(argv[0], optarg);
            break;
        case 'p':
            o.replay = optarg;
            break;
        case 'h':
            printf(usage, argv[0], argv[0]);
            exit(0);
        default:
            bad(argv[0], "bad option");
        }
    if (optind < argc)
        bad(argv[0], "too many arguments");
    return o;
}

/* _exit: a run that failed did not end in order, and its recording shall not say so. */
int main(int argc, char **argv)
{
    struct options o = read_options(argc, argv);
    struct verdict verdict;

    if (o.replay)
        search_replay(model_run, o.replay, &o.limits, true, &verdict);
    else
        search_all(model_run, &o.limits, &verdict);
    if (verdict.failed)
        printf("failed in run %lu: %s\nschedule: %s\n", verdict.runs, verdict.reason, verdict.schedule);
    else if (o.replay)
        printf("this run breaks nothing\n");
    else
        printf("%lu runs, nothing is broken%s\n", verdict.runs, verdict.complete ? "" : ", but that was not all");
    fflush(stdout);
    _exit(verdict.failed ? 1 : verdict.complete || o.replay ? 0 : 3);
}
