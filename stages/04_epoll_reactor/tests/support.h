/* What the tests of this stage share: a moment can be forced, the clock can be held, every system call of the runtime is
 * counted and can fail, and what a test leaves open or allocated is found.
 *
 * A test that uses more than the frame says `LINK: @tests/support.link`: the linker then puts the functions of support.c
 * in the place of recv, malloc, trace_now and so on. Calls that the test itself makes are neither counted nor refused. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "executor.h"
#include "join_handle.h"
#include "net.h"
#include "reactor.h"
#include "trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the four above it. */
#include <cmocka.h>

/* --- the frame --- */

/* A test that ends within its deadline (else SIGALRM ends the program), and fails if it leaves a block of memory or a
 * descriptor. Freed memory is filled with rubbish, and a block that grows always moves. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_begin, test_end)
int test_begin(void **state);
int test_end(void **state);

int descriptors_open(void);
int blocks_alive(void); /* of memory */

/* --- moments --- */

typedef void action(void *arg);

/* Does act, once, when any thread next comes to a trace point of this kind whose `a` is this (0: any). Several may wait;
 * one that act itself sets up is for the next time. */
void at_point(enum trace_kind kind, uint32_t a, action *act, void *arg);

/* Does act at the n-th step (from 1) of the calling thread from now on. A step is a trace point, a lock that is about to
 * be taken or one that was just given up; act never runs under a lock. at_nth_reached: did it come so far? */
void at_nth(unsigned n, action *act, void *arg);
bool at_nth_reached(void);

/* How many events of this kind there were in this test, on all threads. */
unsigned seen(enum trace_kind kind);

/* Does act on another thread, and returns when it is done. */
void elsewhere(action *act, void *arg);

/* The calling thread stops before the next lock that it takes, until gate_open. gate_wait, on another thread, returns
 * when it stands there. */
void gate_next_lock(void);
void gate_wait(void);
void gate_open(void *unused);

bool somebody_waits_for_a_lock(void);

/* --- system calls and memory --- */

enum call {
    CALL_SOCKET,
    CALL_BIND,
    CALL_LISTEN,
    CALL_GETSOCKNAME,
    CALL_GETSOCKOPT,
    CALL_SETSOCKOPT,
    CALL_ACCEPT,
    CALL_CONNECT,
    CALL_RECV,
    CALL_SEND,
    CALL_SHUTDOWN,
    CALL_CLOSE,
    CALL_EPOLL_CREATE,
    CALL_EPOLL_CTL,
    CALL_EPOLL_WAIT,
    CALL_EPOLL_PWAIT2,
    CALL_EVENTFD,
    CALL_WRITE,
    CALL_MALLOC,
    CALL_REALLOC,
    CALLS
};

/* How often the runtime made the call in this test. */
unsigned calls_made(enum call call);

/* Of the runtime's next calls, so many fail with this errno (times: forever is ~0u), after the first `skip`. As in
 * Linux, an interrupted connect goes on behind the scenes, and a close that fails has closed. A connect that fails with 0
 * waits instead until it has succeeded. */
void call_fails(enum call call, unsigned skip, unsigned times, int error);

/* The runtime's n-th call of any kind from now on (from 1; 0: none) fails, with an errno that is usual for it. Memory
 * counts as well; a write to the eventfd does not. call_failed: which it was, CALLS if it has not come. */
void nth_call_fails(unsigned n);
enum call call_failed(void);
const char *call_name(enum call call);

/* recv and send move at most so many bytes a call (0: as they like); epoll reports only these bits (0: all). */
void calls_move_at_most(size_t bytes);
void calls_report_only(uint32_t events);

/* What the runtime last gave the kernel as a limit: of epoll_wait in ms, of epoll_pwait2 in ns. */
int last_wait_ms(void);
int64_t last_wait_ns(void);

/* --- the clock --- */

/* From now on the runtime's clock stands at this time (0: it runs again). While it stands, a wait with a limit does not
 * wait: it moves the clock on by its limit, or by so many ns less (but at least by 1). */
void clock_hold(uint64_t ns);
void clock_waits_end_early(uint64_t ns);

/* --- by hand, inside an executor --- */

/* Calls body in the poll of a task of a new executor: there futures can be polled and the reactor be turned by hand. */
void inside(action *body, void *arg);
void turn(int64_t timeout);

/* A waker that keeps count. */
struct probe {
    int wakes;
    int held; /* wakers of it that are about */
    action *on_wake;
    void *arg;
};

struct waker probe_waker(struct probe *probe);
#define poll_with(f, probe) poll_with_at(&(f)->base, probe, SITE(#f))
enum poll poll_with_at(struct future *f, struct probe *probe, const struct site *at);

/* --- tasks --- */

struct tally {
    int polls;
    int drops;
};

/* A task that does what `step` says at each poll. */
struct script {
    struct future base;
    struct tally *tally;
    enum poll (*step)(struct script *self, struct context *cx);
    void *arg;
};

struct script script(struct tally *tally, enum poll (*step)(struct script *self, struct context *cx), void *arg);

/* A task that is ready when it has been rung, from any thread. */
struct bell {
    struct tally tally;
    pthread_mutex_t lock;
    struct waker waiting;
    bool rung;
};

void bell_init(struct bell *bell);
void bell_ring(void *bell);
enum poll bell_step(struct script *self, struct context *cx); /* arg: the bell */

/* Does a task that never waits to be woken, and never ends. */
enum poll spin_step(struct script *self, struct context *cx);

/* --- sockets --- */

/* Ours, which never blocks and is the runtime's, and the peer's, which blocks and is the test's. */
struct wire {
    struct socket socket;
    int peer;
};

struct wire wire_local(void); /* a Unix socket: what is sent is there at once */
struct wire wire_tcp(void);
void wire_close(struct wire *wire); /* either end may be closed already */
void wire_fill(struct wire *wire);  /* sends until it would block */
void peer_send(const struct wire *wire, const char *text);
void peer_reset(struct wire *wire);
void wait_readable(int fd); /* or hung up */

/* --- misuse --- */

/* Runs act in a child and expects it to abort with one line: the place that HERE marks, then the message, in which *
 * stands for anything. */
void expect_misuse(action *act, const char *file, const char *message);
extern int *misuse_line;
#define HERE (*misuse_line = __LINE__)

/* The same, where the line is the runtime's own: what it says, as a pattern. */
void expect_abort(action *act, const char *expected);

#endif
