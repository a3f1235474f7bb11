/* What the tests of this stage share: a moment on any thread can be forced,
 * workers can be led by the hand, the runtime's system calls are counted and
 * can fail, and what a test leaves open or allocated is found.
 *
 * A test that uses more than the frame says `LINK: @tests/support.link`: the
 * linker then puts the functions of support.c in the place of epoll_wait,
 * malloc, pthread_mutex_lock and so on. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "join_handle.h"
#include "runtime.h"
#include "task.h"
#include "trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
/* cmocka wants those above it. */
#include <cmocka.h>

/* --- the frame --- */

/* A test that ends within its deadline (else SIGALRM ends the program), and
 * fails if it leaves a block of memory or a descriptor. Freed memory is filled
 * with rubbish. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_begin, test_end)
int test_begin(void **state);
int test_end(void **state);

int descriptors_open(void);
int blocks_alive(void); /* of memory */

/* Like assert_true, on any thread: cmocka's own may be used only where the test
 * began. */
#define sure(expression) ((expression) ? (void)0 : fail_anywhere(#expression, __FILE__, __LINE__))
_Noreturn void fail_anywhere(const char *expression, const char *file, int line);

/* Gives way until the condition holds; the deadline of the test ends it. */
#define wait_until(condition)                                                                                          \
    do                                                                                                                 \
        give_way();                                                                                                    \
    while (!(condition))
void give_way(void);

/* --- moments --- */

typedef void action(void *arg);

/* Does act, once, when any thread next comes to a trace point of this kind
 * whose `a` is this (0: any). Several may wait, each for a time of its own. */
void at_point(enum trace_kind kind, uint32_t a, action *act, void *arg);

/* Does act at the n-th step (from 1) of the calling thread from now on. A step
 * is a trace point, a lock that is about to be taken or one that was just given
 * up; act never runs under a lock. at_nth_reached: did it come so far?
 * at_nth_forget: it is too late now. */
void at_nth(unsigned n, action *act, void *arg);
bool at_nth_reached(void);
void at_nth_forget(void);

/* How many events of this kind there were in this test, on all threads. */
unsigned seen(enum trace_kind kind);

/* Does act on another thread, and returns when it is done. */
void elsewhere(action *act, void *arg);

/* The calling thread stops before the next lock that it takes, until gate_open.
 * gate_wait, on another thread, returns when it stands there. */
void gate_next_lock(void);
void gate_wait(void);
void gate_open(void *unused);

bool somebody_waits_for_a_lock(void);

/* --- system calls, memory, threads --- */

enum call {
    CALL_EPOLL_CREATE,
    CALL_EPOLL_CTL,
    CALL_EPOLL_WAIT,
    CALL_EVENTFD,
    CALL_WRITE,
    CALL_CLOSE,
    CALL_MALLOC,
    CALL_CALLOC,
    CALL_REALLOC,
    CALL_ALIGNED_ALLOC,
    CALL_MMAP,
    CALL_THREAD,
    CALLS
};

/* How often the runtime made the call in this test. (A wait with a limit counts
 * as EPOLL_WAIT as well.) */
unsigned calls_made(enum call call);

/* The calling thread's n-th call of any kind from now on (from 1; 0: none)
 * fails, with an errno that is usual for it. A write to the eventfd does not.
 * call_failed: which it was, CALLS if it has not come. */
void nth_call_fails(unsigned n);
enum call call_failed(void);
const char *call_name(enum call call);

/* So many waits for a condition return although nobody has signalled. */
void conditions_wake_for_nothing(unsigned times);
unsigned threads_wait_for_conditions(void);

/* --- workers --- */

/* How many workers sleep in the kernel (or have no step left before it) and
 * were not called. For one runtime at a time. */
unsigned workers_asleep(struct runtime *rt);

/* Does act in a task, on whichever worker takes it. */
void inside(struct runtime *rt, action *act, void *arg);

/* A task that keeps its worker busy and does there what it is told, until it is
 * told to end. Each worker has room for one; so as many as there are workers
 * lie on different workers. */
struct puppet {
    struct future base;
    struct strings {
        _Atomic(action *) act;
        void *arg;
        atomic_bool ends;
        atomic_uint worker; /* 0: it is not polled yet */
        atomic_uint drops;
        atomic_uint dropped_on; /* which worker; 0: elsewhere */
    } * strings;
};

struct puppet puppet(struct strings *strings);

/* handle may be NULL. Returns when it is polled. */
void puppet_spawn(struct runtime *rt, struct strings *strings, struct join_handle *handle);
/* A puppet on this worker, of a runtime that has two with nothing to do. One at
 * a time. */
struct strings *puppet_spawn_on(struct runtime *rt, unsigned worker);

void puppet_do(struct strings *strings, action *act, void *arg); /* returns when it is done */
void puppet_end(void *strings);                                  /* returns at once */

/* --- by hand --- */

/* A waker that keeps count. */
struct probe {
    atomic_int wakes;
    atomic_int held; /* wakers of it that are about */
};

#define poll_with(f, probe) poll_with_at(&(f)->base, probe, SITE(#f))
enum poll poll_with_at(struct future *f, struct probe *probe, const struct site *at);

/* --- tasks --- */

struct tally {
    atomic_int polls;
    atomic_int drops;
};

/* A task that does what `step` says at each poll. */
struct script {
    struct future base;
    struct tally *tally;
    enum poll (*step)(struct script *self, struct context *cx);
    void *arg;
};

struct script script(struct tally *tally, enum poll (*step)(struct script *self, struct context *cx), void *arg);
enum poll ready_step(struct script *self, struct context *cx);
enum poll forever_step(struct script *self, struct context *cx); /* leaves no waker, and never ends */
enum poll spin_step(struct script *self, struct context *cx);    /* always wakes itself, and never ends */

/* A task that is ready when it has been rung, from any thread. */
struct bell {
    struct tally tally;
    pthread_mutex_t lock;
    struct waker waiting;
    bool rung;
    atomic_uint worker; /* of the latest poll */
};

void bell_init(struct bell *bell);
void bell_ring(void *bell);
struct join_handle bell_spawn(struct runtime *rt, struct bell *bell); /* an initialised one */

/* --- misuse --- */

/* Runs act in a child and expects it to abort with one line: the place that
 * HERE marks, then the message, in which * stands for anything. */
void expect_misuse(action *act, const char *file, const char *message);
extern int *misuse_line;
#define HERE (*misuse_line = __LINE__)

/* The same, where the line is the runtime's own: what it says, as a pattern. */
void expect_abort(action *act, const char *expected);

#endif
