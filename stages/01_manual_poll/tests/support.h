/* What the tests of a stage share: memory that is counted and poisoned, a future whose every step can be watched, and
 * the last words of a program that misuses the runtime.
 *
 * A test program that includes this is linked with -Wl,--wrap=malloc,--wrap=free, so that the runtime's own blocks are
 * watched as well. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "future.h"
#include "trace.h"

#include <stdbool.h>

/* ---- memory: every malloc and free of the test and of the runtime ---- */

/* What was freed is filled with poison and kept, so that a second free and a late write are found. The test that does
 * either fails. */
int memory_alive(void);         /* blocks that were not freed */
void memory_fail_at(int count); /* malloc number count from now on returns NULL, once; 0: none */

/* For cmocka_unit_test_setup_teardown: a test that leaves a block behind, or wrote into a freed one, fails. It also
 * empties the journal and takes the hook away. */
int test_begin(void **state);
int test_end(void **state);
#define TEST(function) cmocka_unit_test_setup_teardown(function, test_begin, test_end)

/* ---- a journal: what happened, one letter each ---- */

void journal_clear(void);
void journal_add(char letter);
int journal_count(char letter);

/* Compares the letters; blanks in what is expected only group them for the reader. */
#define assert_journal(expected) assert_journal_at(expected, __FILE__, __LINE__)
void assert_journal_at(const char *expected, const char *file, int line);

/* ---- a future to watch ---- */

/* Says PENDING so many times, then READY. It holds memory in each of its states: before the first poll an input, in
 * between a local, at the end an output. */
struct probe {
    struct future base;
    char name;    /* input: what it writes into the journal, at each poll */
    int pendings; /* input */
    void *input;
    void *local;
    int polls;
    const struct waker *waker; /* that came with the last poll */
    int *output;               /* once ready: points to the number of polls. The probe's, unless it is set to NULL */
    enum { PROBE_START, PROBE_WAITING } state;
};

struct probe probe(char name, int pendings);

/* Polls with a waker that does nothing. */
#define poll_by_hand(f) poll_by_hand_at(&(f)->base, SITE(#f))
enum poll poll_by_hand_at(struct future *f, const struct site *at);

/* ---- misuse ---- */

/* Runs the function in a process of its own, and expects it to abort with one line that names the file and the line of
 * the call marked with HERE, and says what the function announced with `says`. */
#define assert_misuse(function) assert_misuse_in(function, __FILE__)
void assert_misuse_in(void (*function)(void), const char *file);

/* In that function: `HERE, future_poll(...);` */
#define HERE misuse_here(__LINE__)
void misuse_here(int line);
void misuse_says(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- demos ---- */

/* Runs the demo of that name, and then the same once more while recording. Both must exit with that status before the
 * deadline, and print that text somewhere. Where lifeline was built too, it must find nothing in the recording. */
void assert_demo(const char *name, const char *argument, int status, const char *text);

#endif
