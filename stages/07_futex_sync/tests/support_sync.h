/* What the tests of the thread-blocking half share: threads that can be seen to sleep, moments that are forced, a futex
 * call that is counted and can return for no reason, and one body run over two implementations.
 *
 * A test that uses the futex part says `LINK: -Wl,--wrap=syscall` in its first lines. */
#ifndef SUPPORT_SYNC_H
#define SUPPORT_SYNC_H

#include "trace.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants some of those above it. */
#include <cmocka.h>

/* --- the frame --- */

/* A test that ends within its deadline, else SIGALRM ends the program. `of` is what *state points to: the
 * implementation that the test is run over, or NULL. */
#define SYNC_TEST(test, of) SYNC_TEST_BEGUN_BY(sync_begin, test, of)
#define SYNC_TEST_BEGUN_BY(begin, test, of)                                                                            \
    {                                                                                                                  \
#test "(" #of ")", test, begin, sync_end, of                                                                   \
    }

/* Run over both: a test file names its implementations `ours` and `posix`. */
#define BOTH(test) SYNC_TEST(test, &ours), SYNC_TEST_BEGUN_BY(sync_begin_posix, test, &posix)

int sync_begin(void **state);
int sync_begin_posix(void **state);
int sync_end(void **state);

/* The seed of this run: SEED in the environment, or a new one. It is printed. */
unsigned sync_seed(void);

/* --- threads --- */

typedef void errand(void *arg);

/* Runs work(arg) on a thread of its own. Its `returned` is set when work has returned. */
struct worker {
    pthread_t thread;
    errand *work;
    void *arg;
    int id;       /* at the OS; 0: it has not begun */
    int in_futex; /* it is in a futex_wait of ours */
    int returned;
};

void worker_start(struct worker *w, errand *work, void *arg);
void worker_join(struct worker *w);
bool worker_has_returned(struct worker *w);

/* Returns when the thread sleeps in the kernel; of ours, when it sleeps in the futex call. Fails the test if its work returns instead. */
void worker_wait_asleep(struct worker *w);

/* Returns when `*number` is this. */
void wait_for(const _Atomic int *number, int value);

uint64_t soon(void);  /* a moment 20 ms from now */
uint64_t later(void); /* one that no test lives to see */

/* --- moments --- */

/* Does work, once, when any thread next comes to the n-th trace point of this kind (from 1) whose `a` is this (0: any).
 * moment_came: did it? */
void at_moment(enum trace_kind kind, uint32_t a, unsigned n, errand *work, void *arg);
bool moment_came(void);

/* --- the futex call --- */

unsigned futex_waits(void); /* calls in this test so far */
unsigned futex_wakes(void);

/* The next so many waits return with this error at once (0: as if they had been woken), without a look at the word. */
void futex_waits_return(unsigned times, int error);

/* --- misuse --- */

/* Runs work in a child, and expects it to abort with a line that ends like this. */
void expect_abort_saying(errand *work, const char *ending);

#endif
