/* What the tests of the demos share: they run programs, and read the recordings that these make. */
#ifndef SUPPORT_PROGRAM_H
#define SUPPORT_PROGRAM_H

#include "events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
/* cmocka wants some of those above it. */
#include <cmocka.h>

/* --- places --- */

/* For cmocka_run_group_tests: a folder for the files of this test program, and its removal with all that is in it.
 * What takes longer than a minute is ended by SIGALRM. */
int scratch_make(void **state);
int scratch_remove(void **state);

/* The path of a file in that folder, of a demo of this stage, or of lifeline, which need not be there. Valid until
 * the next dozen of such calls. */
const char *scratch(const char *name);
const char *demo(const char *name);
const char *lifeline(void);

/* --- programs --- */

struct program {
    pid_t pid;
    int output;       /* the end of a pipe that we read */
    char text[16384]; /* what it has printed so far, to standard output or error */
    size_t length;
};

/* trace: where it records, NULL: it does not. descriptors: how many it may open at most, 0: as many as we. */
void program_start(struct program *program, const char *const argv[], const char *trace, rlim_t descriptors);

/* Reads on until it has printed this. */
void program_wait_for_text(struct program *program, const char *text);

/* Waits until it ends, and reads all that it prints. Its exit status; 128 + the signal that ended it. */
int program_end(struct program *program);

/* All three in one. */
int program_run(struct program *program, const char *const argv[], const char *trace);

/* --- recordings of one thread, also while they are being made --- */

struct record { /* as in docs/recording.md */
    uint64_t ticks, b;
    uint32_t task, a;
    uint16_t site, thread, kind, worker;
};

struct recording {
    const unsigned char *bytes;
    size_t size;
    size_t chunk, next; /* where the reader stands */
};

void recording_open(struct recording *recording, const char *path);
void recording_close(struct recording *recording);
uint32_t recording_pid(const struct recording *recording);

/* The next event; NULL: there is none yet. */
const struct record *recording_next(struct recording *recording);

/* Fails the test if lifeline is there and finds a broken contract. */
void recording_check(const char *path);

#endif
