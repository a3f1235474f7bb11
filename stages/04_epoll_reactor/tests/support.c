#define _GNU_SOURCE
#include "support.h"

#include "sys.h"
#include "wait.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The atomics here are relaxed where they can be: what the support adds to the order of things would hide a race of the
 * runtime from the thread sanitizer. */

enum { DEADLINE_SECONDS = 60, POINTS = 4, KINDS = 256 };

/* --- what stands behind the wraps --- */

/* Declared weak, so that a test which needs only the frame is linked without support.link. */
#define WRAPPED(type, name, parameters)                                                                                \
    type __real_##name parameters __attribute__((weak));                                                               \
    type __wrap_##name parameters

WRAPPED(int, socket, (int family, int type, int protocol));
WRAPPED(int, bind, (int fd, const struct sockaddr *address, socklen_t size));
WRAPPED(int, listen, (int fd, int backlog));
WRAPPED(int, getsockname, (int fd, struct sockaddr *address, socklen_t *size));
WRAPPED(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *size));
WRAPPED(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size));
WRAPPED(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags));
WRAPPED(int, connect, (int fd, const struct sockaddr *address, socklen_t size));
WRAPPED(ssize_t, recv, (int fd, void *buffer, size_t room, int flags));
WRAPPED(ssize_t, send, (int fd, const void *bytes, size_t count, int flags));
WRAPPED(int, shutdown, (int fd, int how));
WRAPPED(int, close, (int fd));
WRAPPED(int, epoll_create1, (int flags));
WRAPPED(int, epoll_ctl, (int epoll_fd, int operation, int fd, struct epoll_event *event));
WRAPPED(int, epoll_wait, (int epoll_fd, struct epoll_event *events, int room, int timeout));
WRAPPED(int, epoll_pwait2,
        (int epoll_fd, struct epoll_event *events, int room, const struct timespec *limit, const sigset_t *mask));
WRAPPED(int, eventfd, (unsigned count, int flags));
WRAPPED(ssize_t, write, (int fd, const void *bytes, size_t count));
WRAPPED(void *, malloc, (size_t size));
WRAPPED(void *, realloc, (void *memory, size_t size));
WRAPPED(void, free, (void *memory));
WRAPPED(int, pthread_mutex_lock, (pthread_mutex_t * lock));
WRAPPED(int, pthread_mutex_unlock, (pthread_mutex_t * lock));
WRAPPED(uint64_t, trace_now, (void));

/* --- moments --- */

static struct {
    enum trace_kind kind;
    uint32_t a;
    action *act;
    void *arg;
    atomic_bool armed;
} points[POINTS];

static struct {
    unsigned n;
    action *act;
    void *arg;
    bool done;
} nth;

static _Thread_local bool counts_steps; /* this thread called at_nth */
static _Thread_local unsigned steps, locks_held;
static _Thread_local bool in_a_call; /* the runtime is about to make a system call, or has just made it */

static atomic_uint seen_kinds[KINDS];

static void step(void)
{
    if (!counts_steps || locks_held > 0 || ++steps != nth.n)
        return;
    counts_steps = false; /* what act does is not counted */
    nth.act(nth.arg);
    nth.done = true;
}

static bool point_is_here(int i, enum trace_kind kind, uint32_t a)
{
    /* The first look is relaxed so that threads which find nothing are not put in any order by it. */
    return atomic_load_explicit(&points[i].armed, memory_order_relaxed) && points[i].kind == kind &&
           (points[i].a == 0 || points[i].a == a) && atomic_exchange(&points[i].armed, false);
}

static void hook(void *unused, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    bool here[POINTS];

    (void)unused, (void)task, (void)b;
    in_a_call = false;
    atomic_fetch_add_explicit(&seen_kinds[kind], 1, memory_order_relaxed);
    for (int i = 0; i < POINTS; i++)
        here[i] = point_is_here(i, kind, a);
    for (int i = 0; i < POINTS; i++)
        if (here[i])
            points[i].act(points[i].arg);
    step();
    in_a_call = kind == TRACE_SYSCALL_BEGIN;
}

void at_point(enum trace_kind kind, uint32_t a, action *act, void *arg)
{
    int i = 0;
    while (atomic_load(&points[i].armed))
        assert_in_range(++i, 0, POINTS - 1);
    points[i].kind = kind;
    points[i].a = a;
    points[i].act = act;
    points[i].arg = arg;
    atomic_store(&points[i].armed, true);
}

void at_nth(unsigned n, action *act, void *arg)
{
    nth.n = n;
    nth.act = act;
    nth.arg = arg;
    nth.done = false;
    steps = 0;
    counts_steps = true;
}

bool at_nth_reached(void)
{
    counts_steps = false;
    return nth.done;
}

unsigned seen(enum trace_kind kind)
{
    return atomic_load_explicit(&seen_kinds[kind], memory_order_relaxed);
}

struct errand {
    action *act;
    void *arg;
};

static void *errand_run(void *errand)
{
    struct errand *self = errand;
    self->act(self->arg);
    return NULL;
}

void elsewhere(action *act, void *arg)
{
    struct errand errand = {act, arg};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, errand_run, &errand), 0);
    pthread_join(thread, NULL);
}

static atomic_int at_locks;

bool somebody_waits_for_a_lock(void)
{
    return atomic_load_explicit(&at_locks, memory_order_relaxed) > 0;
}

static _Thread_local bool gated;
static atomic_bool somebody_at_gate, gate_is_open;

void gate_next_lock(void)
{
    atomic_store(&somebody_at_gate, false);
    atomic_store(&gate_is_open, false);
    gated = true;
}

void gate_wait(void)
{
    while (!atomic_load(&somebody_at_gate))
        sched_yield();
}

void gate_open(void *unused)
{
    (void)unused;
    atomic_store(&gate_is_open, true);
}

static void gate_pass(void)
{
    if (!gated)
        return;
    gated = false;
    atomic_store(&somebody_at_gate, true);
    while (!atomic_load(&gate_is_open))
        sched_yield();
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    int error = 0;

    step();
    gate_pass();
    if (pthread_mutex_trylock(lock) != 0) {
        atomic_fetch_add_explicit(&at_locks, 1, memory_order_relaxed);
        error = __real_pthread_mutex_lock(lock);
        atomic_fetch_sub_explicit(&at_locks, 1, memory_order_relaxed);
    }
    locks_held++;
    return error;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    int error = __real_pthread_mutex_unlock(lock);
    locks_held--;
    step();
    return error;
}

/* --- calls --- */

static const struct {
    const char *name;
    int error; /* a usual one */
} calls[CALLS] = {
    [CALL_SOCKET] = {"socket", EMFILE},
    [CALL_BIND] = {"bind", EADDRINUSE},
    [CALL_LISTEN] = {"listen", EADDRINUSE},
    [CALL_GETSOCKNAME] = {"getsockname", ENOBUFS},
    [CALL_GETSOCKOPT] = {"getsockopt", ENOBUFS},
    [CALL_SETSOCKOPT] = {"setsockopt", ENOBUFS},
    [CALL_ACCEPT] = {"accept4", EMFILE},
    [CALL_CONNECT] = {"connect", ECONNREFUSED},
    [CALL_RECV] = {"recv", ECONNRESET},
    [CALL_SEND] = {"send", EPIPE},
    [CALL_SHUTDOWN] = {"shutdown", ENOTCONN},
    [CALL_CLOSE] = {"close", EIO},
    [CALL_EPOLL_CREATE] = {"epoll_create1", EMFILE},
    [CALL_EPOLL_CTL] = {"epoll_ctl", ENOSPC},
    [CALL_EPOLL_WAIT] = {"epoll_wait", EINTR},
    [CALL_EPOLL_PWAIT2] = {"epoll_pwait2", EINTR},
    [CALL_EVENTFD] = {"eventfd", EMFILE},
    [CALL_WRITE] = {"write", 0},
    [CALL_MALLOC] = {"malloc", ENOMEM},
    [CALL_REALLOC] = {"realloc", ENOMEM},
};

static atomic_uint made[CALLS];

static struct {
    unsigned skip, times;
    int error;
} plans[CALLS];

static unsigned until_failure; /* calls of any kind; 0: none is to fail */
static enum call failed = CALLS;
static size_t most_bytes;
static uint32_t only_events;
static atomic_int wait_ms;
static _Atomic int64_t wait_ns;

unsigned calls_made(enum call call)
{
    return atomic_load_explicit(&made[call], memory_order_relaxed);
}

void call_fails(enum call call, unsigned skip, unsigned times, int error)
{
    plans[call].skip = skip;
    plans[call].times = times;
    plans[call].error = error;
}

void nth_call_fails(unsigned n)
{
    until_failure = n;
    failed = CALLS;
}

enum call call_failed(void)
{
    until_failure = 0;
    return failed;
}

const char *call_name(enum call call)
{
    return calls[call].name;
}

void calls_move_at_most(size_t bytes)
{
    most_bytes = bytes;
}

void calls_report_only(uint32_t events)
{
    only_events = events;
}

int last_wait_ms(void)
{
    return atomic_load_explicit(&wait_ms, memory_order_relaxed);
}

int64_t last_wait_ns(void)
{
    return atomic_load_explicit(&wait_ns, memory_order_relaxed);
}

static bool plan_refuses(enum call call)
{
    if (plans[call].times == 0)
        return false;
    if (plans[call].skip > 0) {
        plans[call].skip--;
        return false;
    }
    plans[call].times--;
    errno = plans[call].error;
    return true;
}

static bool turn_has_come(enum call call)
{
    if (until_failure == 0 || calls[call].error == 0 || --until_failure > 0)
        return false;
    failed = call;
    errno = calls[call].error;
    return true;
}

/* Counts the call, if the runtime makes it; true with errno set if it is to fail. */
static bool refused(enum call call, bool by_the_runtime)
{
    if (!by_the_runtime)
        return false;
    atomic_fetch_add_explicit(&made[call], 1, memory_order_relaxed);
    return plan_refuses(call) || turn_has_come(call);
}

#define WRAP(type, name, call, parameters, arguments)                                                                  \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return refused(call, in_a_call) ? -1 : __real_##name arguments;                                                \
    }

WRAP(int, socket, CALL_SOCKET, (int family, int type, int protocol), (family, type, protocol))
WRAP(int, bind, CALL_BIND, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
WRAP(int, listen, CALL_LISTEN, (int fd, int backlog), (fd, backlog))
WRAP(int, getsockname, CALL_GETSOCKNAME, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
WRAP(int, getsockopt, CALL_GETSOCKOPT, (int fd, int level, int option, void *value, socklen_t *size),
     (fd, level, option, value, size))
WRAP(int, setsockopt, CALL_SETSOCKOPT, (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size))
WRAP(int, accept4, CALL_ACCEPT, (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags))
WRAP(int, shutdown, CALL_SHUTDOWN, (int fd, int how), (fd, how))
WRAP(int, epoll_create1, CALL_EPOLL_CREATE, (int flags), (flags))
WRAP(int, epoll_ctl, CALL_EPOLL_CTL, (int epoll_fd, int operation, int fd, struct epoll_event *event),
     (epoll_fd, operation, fd, event))
WRAP(int, eventfd, CALL_EVENTFD, (unsigned count, int flags), (count, flags))
WRAP(ssize_t, write, CALL_WRITE, (int fd, const void *bytes, size_t count), (fd, bytes, count))

static size_t bytes_allowed(size_t count)
{
    return in_a_call && most_bytes && most_bytes < count ? most_bytes : count;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t room, int flags)
{
    return refused(CALL_RECV, in_a_call) ? -1 : __real_recv(fd, buffer, bytes_allowed(room), flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
    return refused(CALL_SEND, in_a_call) ? -1 : __real_send(fd, bytes, bytes_allowed(count), flags);
}

static int connect_blocking(int fd, const struct sockaddr *address, socklen_t size)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    int result = __real_connect(fd, address, size);
    fcntl(fd, F_SETFL, flags);
    return result;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    bool fails = refused(CALL_CONNECT, in_a_call);
    int error = errno;

    if (fails && error == 0)
        return connect_blocking(fd, address, size);
    if (fails && error != EINTR)
        return -1;
    int result = __real_connect(fd, address, size);
    errno = fails ? EINTR : errno;
    return fails ? -1 : result;
}

int __wrap_close(int fd)
{
    bool fails = refused(CALL_CLOSE, in_a_call);
    int error = errno;
    int result = __real_close(fd);

    errno = fails ? error : errno;
    return fails ? -1 : result;
}

/* --- waiting, and the clock --- */

static _Atomic uint64_t held_clock;
static uint64_t early;

void clock_hold(uint64_t ns)
{
    atomic_store(&held_clock, ns);
}

void clock_waits_end_early(uint64_t ns)
{
    early = ns;
}

static bool clock_is_held(void)
{
    return atomic_load_explicit(&held_clock, memory_order_relaxed);
}

uint64_t __wrap_trace_now(void)
{
    uint64_t held = atomic_load_explicit(&held_clock, memory_order_relaxed);
    return held ? held : __real_trace_now();
}

static int events_filtered(struct epoll_event *events, int count)
{
    int kept = 0;

    if (only_events == 0)
        return count;
    for (int i = 0; i < count; i++) {
        events[i].events &= only_events;
        if (events[i].events)
            events[kept++] = events[i];
    }
    return kept;
}

/* A wait while the clock stands: an event, or the clock moves on. */
static int wait_at_once(int epoll_fd, struct epoll_event *events, int room, uint64_t limit)
{
    int count = __real_epoll_wait(epoll_fd, events, room, 0);
    if (count == 0)
        clock_hold(held_clock + (limit > early ? limit - early : 1));
    return count;
}

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout)
{
    atomic_store_explicit(&wait_ms, timeout, memory_order_relaxed);
    if (refused(CALL_EPOLL_WAIT, in_a_call))
        return -1;
    int count = clock_is_held() && timeout > 0 ? wait_at_once(epoll_fd, events, room, (uint64_t)timeout * 1000000)
                                               : __real_epoll_wait(epoll_fd, events, room, timeout);
    return events_filtered(events, count);
}

int __wrap_epoll_pwait2(int epoll_fd, struct epoll_event *events, int room, const struct timespec *limit,
                        const sigset_t *mask)
{
    int64_t ns = limit->tv_sec * 1000000000 + limit->tv_nsec;

    atomic_store_explicit(&wait_ns, ns, memory_order_relaxed);
    if (refused(CALL_EPOLL_PWAIT2, in_a_call))
        return -1;
    int count = clock_is_held() ? wait_at_once(epoll_fd, events, room, (uint64_t)ns)
                                : __real_epoll_pwait2(epoll_fd, events, room, limit, mask);
    return events_filtered(events, count);
}

/* --- memory --- */

static atomic_int alive;

enum { RUBBISH = 0xdb };

int blocks_alive(void)
{
    return atomic_load(&alive);
}

void *__wrap_malloc(size_t size)
{
    if (refused(CALL_MALLOC, true))
        return NULL;
    void *memory = __real_malloc(size);
    if (memory) {
        memset(memory, RUBBISH, size);
        atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    }
    return memory;
}

void __wrap_free(void *memory)
{
    if (!memory)
        return;
    memset(memory, RUBBISH, malloc_usable_size(memory));
    atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
    __real_free(memory);
}

/* Always moves, so that whoever keeps a pointer into the old block is found out. */
void *__wrap_realloc(void *memory, size_t size)
{
    if (refused(CALL_REALLOC, true))
        return NULL;
    size_t before = memory ? malloc_usable_size(memory) : 0;
    void *moved = __real_malloc(size);
    if (!moved)
        return NULL;
    atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    if (memory)
        memcpy(moved, memory, before < size ? before : size);
    __wrap_free(memory);
    return moved;
}

/* --- the frame --- */

static int descriptors_before, alive_before;

int descriptors_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -1; /* the folder's own */

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void calls_reset(void)
{
    memset(plans, 0, sizeof plans);
    nth_call_fails(0);
    calls_move_at_most(0);
    calls_report_only(0);
    clock_hold(0);
    clock_waits_end_early(0);
}

int test_begin(void **state)
{
    (void)state;
    if (executor_current()) {
        print_error("a test failed inside a task, which is still half-way: the rest is not run\n");
        exit(1);
    }
    alarm(DEADLINE_SECONDS);
    for (int i = 0; i < KINDS; i++)
        atomic_store(&seen_kinds[i], 0);
    for (int i = 0; i < CALLS; i++)
        atomic_store(&made[i], 0);
    calls_reset();
    descriptors_before = descriptors_open();
    alive_before = blocks_alive();
    trace_set_hook(hook, NULL);
    return 0;
}

/* A fixture that fails is reported by cmocka with the name of its test. */
int test_end(void **state)
{
    (void)state;
    trace_set_hook(NULL, NULL);
    alarm(0);
    calls_reset();
    for (int i = 0; i < POINTS; i++)
        atomic_store(&points[i].armed, false);
    int blocks = blocks_alive() - alive_before;
    int descriptors = descriptors_open() - descriptors_before;
    if (blocks != 0 || descriptors != 0)
        print_error("%d blocks of memory and %d descriptors are left\n", blocks, descriptors);
    return blocks == 0 && descriptors == 0 ? 0 : -1;
}

/* --- by hand --- */

static enum poll errand_step(struct script *self, struct context *cx)
{
    struct errand *errand = self->arg;

    (void)cx;
    errand->act(errand->arg);
    return POLL_READY;
}

void inside(action *body, void *arg)
{
    struct executor ex;
    struct tally tally = {0};
    struct errand errand = {body, arg};
    struct script task = script(&tally, errand_step, &errand);

    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &task), 0);
    future_drop(&task.base);
    executor_destroy(&ex);
}

void turn(int64_t timeout)
{
    reactor_turn(reactor_current(SITE("")), timeout);
}

static void probe_wake_by_ref(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    self->wakes++;
    if (self->on_wake)
        self->on_wake(self->arg);
}

static void probe_drop(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    self->held--;
}

static void probe_wake(void *data, const struct site *at)
{
    probe_drop(data, at);
    probe_wake_by_ref(data, at);
}

static struct waker probe_clone(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    self->held++;
    return probe_waker(self);
}

struct waker probe_waker(struct probe *probe)
{
    static const struct waker_vtable vtable = {probe_clone, probe_wake, probe_wake_by_ref, probe_drop};
    return (struct waker){&vtable, probe};
}

enum poll poll_with_at(struct future *f, struct probe *probe, const struct site *at)
{
    struct waker waker = probe_waker(probe);
    struct context cx = {&waker};
    return future_poll_at(f, &cx, at);
}

/* --- tasks --- */

static enum poll script_poll(struct future *f, struct context *cx)
{
    struct script *self = (struct script *)f;
    self->tally->polls++;
    return self->step(self, cx);
}

static void script_drop(struct future *f)
{
    struct script *self = (struct script *)f;
    self->tally->drops++;
}

FUTURE_TYPE(script, script_poll, script_drop);

struct script script(struct tally *tally, enum poll (*step_function)(struct script *self, struct context *cx),
                     void *arg)
{
    struct script self = {.tally = tally, .step = step_function, .arg = arg};
    future_init(&self.base, &script_type);
    return self;
}

void bell_init(struct bell *bell)
{
    *bell = (struct bell){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void bell_ring(void *arg)
{
    struct bell *bell = arg;

    pthread_mutex_lock(&bell->lock);
    bell->rung = true;
    wait_wake(&bell->waiting, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
}

enum poll bell_step(struct script *self, struct context *cx)
{
    struct bell *bell = self->arg;

    pthread_mutex_lock(&bell->lock);
    bool rung = bell->rung;
    if (!rung)
        wait_start(&bell->waiting, cx, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
    return rung ? POLL_READY : POLL_PENDING;
}

enum poll spin_step(struct script *self, struct context *cx)
{
    (void)self;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

/* --- sockets --- */

struct wire wire_local(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    int on = fcntl(fds[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(on, 0);
    return (struct wire){socket_from_fd(fds[0]), fds[1]};
}

struct wire wire_tcp(void)
{
    struct socket listener;

    assert_int_equal(listener_open(&listener, 0, 1), 0);
    int port = listener_port(&listener);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof address), 0);
    wait_readable(listener.source.fd);
    int fd = accept4(listener.source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    socket_close(&listener);
    return (struct wire){socket_from_fd(fd), peer};
}

void wire_close(struct wire *wire)
{
    socket_close(&wire->socket);
    if (wire->peer >= 0)
        close(wire->peer);
    wire->peer = -1;
}

void wire_fill(struct wire *wire)
{
    static const char block[65536];
    while (send(wire->socket.source.fd, block, sizeof block, MSG_NOSIGNAL) > 0)
        ;
}

void peer_send(const struct wire *wire, const char *text)
{
    assert_int_equal(send(wire->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void peer_reset(struct wire *wire)
{
    struct linger at_once = {1, 0};

    setsockopt(wire->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(wire->peer);
    wire->peer = -1;
}

void wait_readable(int fd)
{
    struct pollfd pollfd = {fd, POLLIN, 0};
    while (poll(&pollfd, 1, -1) != 1)
        ;
}

/* --- misuse --- */

int *misuse_line;

_Noreturn static void misuse_child(action *act, int errors)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(errors, STDERR_FILENO);
    alarm(DEADLINE_SECONDS);
    act(NULL);
    _exit(0);
}

static void read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;

    while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
}

/* Runs act in a child; what it said on standard error, and how it ended. */
static int run_in_child(action *act, char *said, size_t size)
{
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        misuse_child(act, ends[1]);
    close(ends[1]);
    read_all(ends[0], said, size);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check_abort(int status, const char *said, const char *expected)
{
    if (fnmatch(expected, said, 0) != 0)
        fail_msg("expected: %sbut it said: %s", expected, said);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

void expect_abort(action *act, const char *expected)
{
    char said[2048];
    int status = run_in_child(act, said, sizeof said);

    check_abort(status, said, expected);
}

void expect_misuse(action *act, const char *file, const char *message)
{
    char said[2048], expected[512];

    misuse_line = mmap(NULL, sizeof *misuse_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(misuse_line, MAP_FAILED);
    int status = run_in_child(act, said, sizeof said);
    snprintf(expected, sizeof expected, "%s:%d: misuse: %s\n", file, *misuse_line, message);
    munmap(misuse_line, sizeof *misuse_line);
    check_abort(status, said, expected);
}
