#define _GNU_SOURCE
#include "support.h"

#include "wait.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The atomics here are relaxed where they can be: what the support adds to the
 * order of things would hide a race of the runtime from the thread sanitizer.
 */

enum { DEADLINE_SECONDS = 60, POINTS = 4, KINDS = 256 };

/* --- what stands behind the wraps --- */

/* Declared weak, so that a test which needs only the frame is linked without
 * support.link. */
#define WRAPPED(type, name, parameters)                                                                                \
    type __real_##name parameters __attribute__((weak));                                                               \
    type __wrap_##name parameters

WRAPPED(int, epoll_create1, (int flags));
WRAPPED(int, epoll_ctl, (int epoll_fd, int operation, int fd, struct epoll_event *event));
WRAPPED(int, epoll_wait, (int epoll_fd, struct epoll_event *events, int room, int timeout));
WRAPPED(int, epoll_pwait2,
        (int epoll_fd, struct epoll_event *events, int room, const struct timespec *limit, const sigset_t *mask));
WRAPPED(int, eventfd, (unsigned count, int flags));
WRAPPED(ssize_t, write, (int fd, const void *bytes, size_t count));
WRAPPED(int, close, (int fd));
WRAPPED(void *, malloc, (size_t size));
WRAPPED(void *, calloc, (size_t count, size_t size));
WRAPPED(void *, realloc, (void *memory, size_t size));
WRAPPED(void *, aligned_alloc, (size_t alignment, size_t size));
WRAPPED(void *, mmap, (void *at, size_t length, int rights, int flags, int fd, off_t offset));
WRAPPED(void, free, (void *memory));
WRAPPED(int, pthread_mutex_lock, (pthread_mutex_t * lock));
WRAPPED(int, pthread_mutex_unlock, (pthread_mutex_t * lock));
WRAPPED(int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *lock));
WRAPPED(int, pthread_create, (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg));

/* --- failing anywhere --- */

void fail_anywhere(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, expression);
    _exit(1);
}

void give_way(void)
{
    nanosleep(&(struct timespec){0, 20000}, NULL);
}

/* --- moments --- */

static struct {
    atomic_uint kind; /* enum trace_kind; 0: free */
    atomic_uint a;
    action *act;
    void *arg;
} points[POINTS];

enum { POINT_BUSY = KINDS }; /* a `kind` while its fields are written or read */

static struct {
    atomic_uint n; /* 0: never */
    action *act;
    void *arg;
    atomic_bool done;
} nth;

static _Thread_local bool counts_steps; /* this thread called at_nth */
static _Thread_local unsigned steps, locks_held;
static _Thread_local bool in_a_call; /* the runtime is about to make a system
                                        call, or has just made it */

static atomic_uint seen_kinds[KINDS];

static void step(void)
{
    if (!counts_steps || locks_held > 0 || ++steps != atomic_load_explicit(&nth.n, memory_order_relaxed))
        return;
    counts_steps = false; /* what act does is not counted */
    nth.act(nth.arg);
    atomic_store(&nth.done, true);
}

static bool point_is_here(int i, enum trace_kind kind, uint32_t a)
{
    /* Relaxed, so that threads which find nothing are not put in any order by it. */
    unsigned wanted = atomic_load_explicit(&points[i].a, memory_order_relaxed), expected = kind;
    return (wanted == 0 || wanted == a) && atomic_load_explicit(&points[i].kind, memory_order_relaxed) == expected &&
           atomic_compare_exchange_strong(&points[i].kind, &expected, POINT_BUSY);
}

static void point_act(int i)
{
    action *act = points[i].act;
    void *arg = points[i].arg;

    atomic_store(&points[i].kind, 0);
    act(arg);
}

static void hook(void *unused, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    int i = 0;

    (void)unused, (void)task, (void)b;
    in_a_call = false;
    atomic_fetch_add_explicit(&seen_kinds[kind], 1, memory_order_relaxed);
    while (i < POINTS && !point_is_here(i, kind, a))
        i++;
    if (i < POINTS)
        point_act(i);
    step();
    in_a_call = kind == TRACE_SYSCALL_BEGIN;
}

void at_point(enum trace_kind kind, uint32_t a, action *act, void *arg)
{
    int i = 0;
    for (unsigned none = 0; !atomic_compare_exchange_strong(&points[i].kind, &none, POINT_BUSY); none = 0)
        sure(++i < POINTS);
    points[i].act = act;
    points[i].arg = arg;
    atomic_store(&points[i].a, a);
    atomic_store(&points[i].kind, kind);
}

void at_nth(unsigned n, action *act, void *arg)
{
    nth.act = act;
    nth.arg = arg;
    atomic_store(&nth.done, false);
    atomic_store(&nth.n, n);
    steps = 0;
    counts_steps = true;
}

void at_nth_forget(void)
{
    atomic_store(&nth.n, 0);
}

bool at_nth_reached(void)
{
    return atomic_load(&nth.done);
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

    sure(pthread_create(&thread, NULL, errand_run, &errand) == 0);
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
    atomic_store(&gate_is_open, false);
    gated = true;
}

void gate_wait(void)
{
    wait_until(atomic_exchange(&somebody_at_gate, false));
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
    wait_until(atomic_load(&gate_is_open));
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    step();
    gate_pass();
    if (pthread_mutex_trylock(lock) != 0) {
        atomic_fetch_add_explicit(&at_locks, 1, memory_order_relaxed);
        sure(__real_pthread_mutex_lock(lock) == 0); /* a lock that was destroyed says no */
        atomic_fetch_sub_explicit(&at_locks, 1, memory_order_relaxed);
    }
    locks_held++;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *lock)
{
    int error = __real_pthread_mutex_unlock(lock);
    locks_held--;
    step();
    return error;
}

static atomic_uint wakes_for_nothing;

void conditions_wake_for_nothing(unsigned times)
{
    atomic_store(&wakes_for_nothing, times);
}

static atomic_uint at_conditions;

unsigned threads_wait_for_conditions(void)
{
    return atomic_load_explicit(&at_conditions, memory_order_relaxed);
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    if (atomic_load(&wakes_for_nothing) > 0) {
        atomic_fetch_sub(&wakes_for_nothing, 1);
        return 0;
    }
    atomic_fetch_add_explicit(&at_conditions, 1, memory_order_relaxed);
    int error = __real_pthread_cond_wait(condition, lock);
    atomic_fetch_sub_explicit(&at_conditions, 1, memory_order_relaxed);
    return error;
}

/* --- calls --- */

static const struct {
    const char *name;
    int error; /* a usual one; 0: it does not fail */
} calls[CALLS] = {
    [CALL_EPOLL_CREATE] = {"epoll_create1", EMFILE},
    [CALL_EPOLL_CTL] = {"epoll_ctl", ENOSPC},
    [CALL_EPOLL_WAIT] = {"epoll_wait", EINTR},
    [CALL_EVENTFD] = {"eventfd", EMFILE},
    [CALL_WRITE] = {"write", 0},
    [CALL_CLOSE] = {"close", EIO},
    [CALL_MALLOC] = {"malloc", ENOMEM},
    [CALL_CALLOC] = {"calloc", ENOMEM},
    [CALL_REALLOC] = {"realloc", ENOMEM},
    [CALL_ALIGNED_ALLOC] = {"aligned_alloc", ENOMEM},
    [CALL_MMAP] = {"mmap", ENOMEM},
    [CALL_THREAD] = {"pthread_create", EAGAIN},
};

static atomic_uint made[CALLS];
static _Thread_local unsigned until_failure; /* calls of any kind; 0: none is to fail */
static _Thread_local enum call failed = CALLS;

unsigned calls_made(enum call call)
{
    return atomic_load_explicit(&made[call], memory_order_relaxed);
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

static bool turn_has_come(enum call call)
{
    if (until_failure == 0 || calls[call].error == 0 || --until_failure > 0)
        return false;
    failed = call;
    errno = calls[call].error;
    return true;
}

/* Counts the call, if the runtime makes it; true with errno set if it is to
 * fail. */
static bool refused(enum call call, bool by_the_runtime)
{
    if (!by_the_runtime)
        return false;
    atomic_fetch_add_explicit(&made[call], 1, memory_order_relaxed);
    return turn_has_come(call);
}

int __wrap_epoll_create1(int flags)
{
    return refused(CALL_EPOLL_CREATE, in_a_call) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return refused(CALL_EPOLL_CTL, in_a_call) ? -1 : __real_epoll_ctl(epoll_fd, operation, fd, event);
}

static atomic_uint sleeping; /* threads in the kernel, or on the way there with no step left before */

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int room, int timeout)
{
    if (refused(CALL_EPOLL_WAIT, in_a_call))
        return -1;
    atomic_fetch_add_explicit(&sleeping, timeout != 0, memory_order_relaxed);
    int count = __real_epoll_wait(epoll_fd, events, room, timeout);
    atomic_fetch_sub_explicit(&sleeping, timeout != 0, memory_order_relaxed);
    return count;
}

int __wrap_epoll_pwait2(int epoll_fd, struct epoll_event *events, int room, const struct timespec *limit,
                        const sigset_t *mask)
{
    if (refused(CALL_EPOLL_WAIT, in_a_call))
        return -1;
    atomic_fetch_add_explicit(&sleeping, 1, memory_order_relaxed);
    int count = __real_epoll_pwait2(epoll_fd, events, room, limit, mask);
    atomic_fetch_sub_explicit(&sleeping, 1, memory_order_relaxed);
    return count;
}

int __wrap_eventfd(unsigned count, int flags)
{
    return refused(CALL_EVENTFD, in_a_call) ? -1 : __real_eventfd(count, flags);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    return refused(CALL_WRITE, in_a_call) ? -1 : __real_write(fd, bytes, count);
}

/* As in Linux, a close that fails has closed. */
int __wrap_close(int fd)
{
    bool fails = refused(CALL_CLOSE, in_a_call);
    int error = errno;
    int result = __real_close(fd);

    errno = fails ? error : errno;
    return fails ? -1 : result;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
    return refused(CALL_THREAD, true) ? errno : __real_pthread_create(thread, attributes, start, arg);
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

void *__wrap_calloc(size_t count, size_t size)
{
    if (refused(CALL_CALLOC, true))
        return NULL;
    void *memory = __real_calloc(count, size);
    if (memory)
        atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    return memory;
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refused(CALL_REALLOC, true))
        return NULL;
    void *grown = __real_realloc(memory, size);
    if (grown && !memory)
        atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    return grown;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (refused(CALL_ALIGNED_ALLOC, true))
        return NULL;
    void *memory = __real_aligned_alloc(alignment, size);
    if (memory) {
        memset(memory, RUBBISH, size);
        atomic_fetch_add_explicit(&alive, 1, memory_order_relaxed);
    }
    return memory;
}

void *__wrap_mmap(void *at, size_t length, int rights, int flags, int fd, off_t offset)
{
    return refused(CALL_MMAP, true) ? MAP_FAILED : __real_mmap(at, length, rights, flags, fd, offset);
}

void __wrap_free(void *memory)
{
    if (!memory)
        return;
    memset(memory, RUBBISH, malloc_usable_size(memory));
    atomic_fetch_sub_explicit(&alive, 1, memory_order_relaxed);
    __real_free(memory);
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

int test_begin(void **state)
{
    (void)state;
    alarm(DEADLINE_SECONDS);
    for (int i = 0; i < KINDS; i++)
        atomic_store(&seen_kinds[i], 0);
    for (int i = 0; i < CALLS; i++)
        atomic_store(&made[i], 0);
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
    nth_call_fails(0);
    conditions_wake_for_nothing(0);
    at_nth_forget();
    for (int i = 0; i < POINTS; i++)
        atomic_store(&points[i].kind, 0);
    int blocks = blocks_alive() - alive_before;
    int descriptors = descriptors_open() - descriptors_before;
    if (blocks != 0 || descriptors != 0)
        print_error("%d blocks of memory and %d descriptors are left\n", blocks, descriptors);
    return blocks == 0 && descriptors == 0 ? 0 : -1;
}

/* --- workers --- */

unsigned workers_asleep(struct runtime *rt)
{
    /* acquire: what those did who sleep now is there to be seen */
    unsigned word = atomic_load_explicit(&rt->idle.word, memory_order_acquire);
    unsigned idle = word % IDLE_SEARCHING - (word & IDLE_CALLED ? 1 : 0);
    unsigned in_kernel = atomic_load_explicit(&sleeping, memory_order_relaxed);
    return in_kernel < idle ? in_kernel : idle;
}

static enum poll errand_step(struct script *self, struct context *cx)
{
    (void)cx;
    errand_run(self->arg);
    return POLL_READY;
}

void inside(struct runtime *rt, action *act, void *arg)
{
    struct tally tally = {0};
    struct errand errand = {act, arg};
    struct script task = script(&tally, errand_step, &errand);

    sure(runtime_block_on(rt, &task) == 0);
    future_drop(&task.base);
}

static enum poll puppet_poll(struct future *f, struct context *cx)
{
    struct strings *strings = ((struct puppet *)f)->strings;

    (void)cx;
    atomic_store_explicit(&strings->worker, runtime_worker(), memory_order_relaxed);
    while (!atomic_load_explicit(&strings->ends, memory_order_relaxed)) {
        action *act = atomic_load(&strings->act);
        if (!act) {
            give_way();
            continue;
        }
        act(strings->arg);
        atomic_store(&strings->act, NULL);
    }
    return POLL_READY;
}

static void puppet_drop(struct future *f)
{
    struct strings *strings = ((struct puppet *)f)->strings;

    atomic_store_explicit(&strings->dropped_on, runtime_worker(), memory_order_relaxed);
    /* release: whoever has waited for it may use the strings for another puppet */
    atomic_fetch_add_explicit(&strings->drops, 1, memory_order_release);
}

FUTURE_TYPE(puppet, puppet_poll, puppet_drop);

struct puppet puppet(struct strings *strings)
{
    struct puppet self = {.strings = strings};

    *strings = (struct strings){.arg = NULL};
    future_init(&self.base, &puppet_type);
    return self;
}

void puppet_spawn(struct runtime *rt, struct strings *strings, struct join_handle *handle)
{
    struct puppet task = puppet(strings);

    sure(task_spawn(rt, &task, handle) == 0);
    wait_until(atomic_load_explicit(&strings->worker, memory_order_relaxed) != 0);
}

struct strings *puppet_spawn_on(struct runtime *rt, unsigned worker)
{
    static struct strings both[2];

    puppet_spawn(rt, &both[0], NULL);
    puppet_spawn(rt, &both[1], NULL);
    struct strings *other = &both[both[0].worker == worker];
    puppet_end(other);
    wait_until(other->drops == 1);
    return other == &both[0] ? &both[1] : &both[0];
}

void puppet_do(struct strings *strings, action *act, void *arg)
{
    strings->arg = arg;
    atomic_store(&strings->act, act);
    wait_until(!atomic_load(&strings->act));
}

void puppet_end(void *strings)
{
    atomic_store_explicit(&((struct strings *)strings)->ends, true, memory_order_relaxed);
}

/* --- by hand --- */

static struct waker probe_waker(struct probe *probe);

static void probe_wake_by_ref(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    atomic_fetch_add_explicit(&self->wakes, 1, memory_order_relaxed);
}

static void probe_drop(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    atomic_fetch_sub_explicit(&self->held, 1, memory_order_release); /* partner: whoever waits until it is 0 */
}

static void probe_wake(void *data, const struct site *at)
{
    probe_wake_by_ref(data, at);
    probe_drop(data, at); /* the last: who waits for it may be gone with the probe */
}

static struct waker probe_clone(void *data, const struct site *at)
{
    struct probe *self = data;

    (void)at;
    atomic_fetch_add_explicit(&self->held, 1, memory_order_relaxed);
    return probe_waker(self);
}

static struct waker probe_waker(struct probe *probe)
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
    atomic_fetch_add_explicit(&self->tally->polls, 1, memory_order_relaxed);
    return self->step(self, cx);
}

static void script_drop(struct future *f)
{
    struct script *self = (struct script *)f;
    atomic_fetch_add_explicit(&self->tally->drops, 1, memory_order_relaxed);
}

FUTURE_TYPE(script, script_poll, script_drop);

struct script script(struct tally *tally, enum poll (*step_function)(struct script *self, struct context *cx),
                     void *arg)
{
    struct script self = {.tally = tally, .step = step_function, .arg = arg};
    future_init(&self.base, &script_type);
    return self;
}

enum poll ready_step(struct script *self, struct context *cx)
{
    (void)self, (void)cx;
    return POLL_READY;
}

enum poll forever_step(struct script *self, struct context *cx)
{
    (void)self, (void)cx;
    return POLL_PENDING;
}

enum poll spin_step(struct script *self, struct context *cx)
{
    (void)self;
    waker_wake_by_ref(cx->waker);
    return POLL_PENDING;
}

void bell_init(struct bell *bell)
{
    *bell = (struct bell){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void bell_ring(void *arg)
{
    struct bell *bell = arg;
    struct waker waker;

    pthread_mutex_lock(&bell->lock);
    bell->rung = true;
    waker = bell->waiting;
    bell->waiting = (struct waker){0};
    pthread_mutex_unlock(&bell->lock);
    if (waker.vtable)
        waker_wake(waker);
}

static enum poll bell_step(struct script *self, struct context *cx)
{
    struct bell *bell = self->arg;

    atomic_store_explicit(&bell->worker, runtime_worker(), memory_order_relaxed);
    pthread_mutex_lock(&bell->lock);
    bool rung = bell->rung;
    if (!rung)
        wait_start(&bell->waiting, cx, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
    return rung ? POLL_READY : POLL_PENDING;
}

struct join_handle bell_spawn(struct runtime *rt, struct bell *bell)
{
    struct join_handle handle;
    struct script task = script(&bell->tally, bell_step, bell);

    sure(task_spawn(rt, &task, &handle) == 0);
    return handle;
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
