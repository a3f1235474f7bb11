/* What the tests of this stage share: a moment can be forced, memory is watched, the clock can be held, calls can fail.
 *
 * Every test that uses it has the line `LINK: @tests/support.link`, which puts the functions of support.c in the place
 * of malloc, pthread_mutex_lock and others. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "executor.h"
#include "join_handle.h"
#include "trace.h"
#include "wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the four above it. */
#include <cmocka.h>

/* A test with a deadline, which fails if memory was leaked, freed twice or written after its free. What is freed is
 * filled with rubbish and kept until the test ends. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_begin, test_end)
int test_begin(void **state);
int test_end(void **state);

/* --- moments --- */

typedef void action(void *arg);

/* Does act, once, on the thread that next reaches a trace point of this kind for this task (0: any), before the event
 * counts as seen. Several may be waiting. */
void at_point(enum trace_kind kind, uint32_t task, action *act, void *arg);

/* Does act at the n-th trace point (from 1) that the calling thread reaches from now on. at_nth_reached: did it come
 * so far? What act itself does is not counted. */
void at_nth(unsigned n, action *act, void *arg);
bool at_nth_reached(void);

/* Forgets those that have not come. */
void moments_forget(void);

/* How many events of this kind there were in this test, on all threads. */
unsigned seen(enum trace_kind kind);

/* Does act on another thread, and returns when it is done or stands at a lock that somebody holds. So it can be called
 * where the calling thread holds a lock. elsewhere_join waits until all such threads are done. */
void elsewhere(action *act, void *arg);
void elsewhere_join(void);

/* For at_point and at_nth: does the action on another thread. */
struct other {
    action *act;
    void *arg;
};
void act_elsewhere(void *other);

/* The next thread that other threads' code starts with elsewhere stops before the lock, until lock_gate_open. */
void lock_gate_close(void);
void lock_gate_open(void *unused);

/* --- things that go wrong --- */

void malloc_fails_once(void);
void pthread_create_fails_once(int error);
void pthread_mutex_init_fails_once(int error);
void pthread_cond_init_fails_once(int error);

/* So many of the next waits on a condition end at once, for no reason. spurious_left: how many are still to come. */
void spurious_waits(unsigned count);
unsigned spurious_left(void);

/* How many waits with a deadline there were in this test: a thread that waits for the held clock looks again and again. */
unsigned timed_waits(void);

/* From now on the runtime's clock stands at this time. 0: it runs again. */
void clock_hold(uint64_t ns);

/* Runs act in a child and expects it to abort with one line: the place that HERE marks, then the message, in which *
 * stands for anything. */
void expect_misuse(action *act, const char *file, const char *message);
extern int *misuse_line;
#define HERE (*misuse_line = __LINE__)

/* --- something to wait for --- */

/* It is rung once, from any thread. */
struct bell {
    pthread_mutex_t lock;
    struct waker waiting;
    bool rung;
};

#define BELL                                                                                                           \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                                              \
    }

void bell_ring(void *bell);

/* --- a future that keeps count --- */

struct tally {
    int polls;
    int drops;
};

/* Ready when `bell` has been rung (NULL: never). At each poll it does act first, if it has one. It holds memory from its
 * first poll to its drop. */
struct probe {
    struct future base;
    struct tally *tally;
    struct bell *bell;
    void (*act)(struct probe *self, struct context *cx);
    void *arg;
    char *held;
};

struct probe probe(struct tally *tally, struct bell *bell);

/* Spawns a probe; act may be NULL, and so may handle. */
void probe_spawn(struct executor *ex, struct tally *tally, struct bell *bell,
                 void (*act)(struct probe *, struct context *), struct join_handle *handle);

/* Runs tasks, whoever wakes them, until the executor goes to sleep because none is ready. */
void run_until_asleep(struct executor *ex);

#endif
