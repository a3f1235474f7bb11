#include "support.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The atomics here are relaxed where they can be, and nothing takes a lock on the way: what the support adds to the order
 * of things would hide a race of the runtime from the thread sanitizer. */

enum { DEADLINE_SECONDS = 60, POINTS = 4, HELPERS = 2048, KINDS = 256 };

void *__real_malloc(size_t size);
void __real_free(void *p);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until);
uint64_t __real_trace_now(void);

void *__wrap_malloc(size_t size);
void __wrap_free(void *p);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until);
uint64_t __wrap_trace_now(void);

/* --- memory --- */

enum { BLOCK_LIVE = 0x11fe, BLOCK_FREED = 0xdead, RUBBISH = 0xdb };

struct block {
    size_t size;
    unsigned state;
    struct block *next; /* in the list of those that were freed */
    _Alignas(max_align_t) unsigned char bytes[];
};

static atomic_int blocks_live;
static struct block *_Atomic blocks_freed;
static atomic_bool malloc_fails;

void malloc_fails_once(void)
{
    atomic_store(&malloc_fails, true);
}

void *__wrap_malloc(size_t size)
{
    if (atomic_load_explicit(&malloc_fails, memory_order_relaxed) && atomic_exchange(&malloc_fails, false))
        return NULL;
    struct block *block = __real_malloc(sizeof *block + size);
    block->size = size;
    block->state = BLOCK_LIVE;
    memset(block->bytes, RUBBISH, size);
    atomic_fetch_add_explicit(&blocks_live, 1, memory_order_relaxed);
    return block->bytes;
}

void __wrap_free(void *p)
{
    if (!p)
        return;
    struct block *block = (struct block *)((unsigned char *)p - offsetof(struct block, bytes));
    if (block->state != BLOCK_LIVE) {
        fprintf(stderr, "memory is freed twice\n");
        abort();
    }
    block->state = BLOCK_FREED;
    memset(block->bytes, RUBBISH, block->size);
    block->next = atomic_load_explicit(&blocks_freed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&blocks_freed, &block->next, block, memory_order_release,
                                                  memory_order_relaxed))
        ;
    atomic_fetch_sub_explicit(&blocks_live, 1, memory_order_relaxed);
}

static bool block_is_untouched(const struct block *block)
{
    for (size_t i = 0; i < block->size; i++)
        if (block->bytes[i] != RUBBISH)
            return false;
    return true;
}

/* Returns how many of the freed blocks were written to afterwards, and gives them all back. */
static int blocks_check(void)
{
    int touched = 0;
    struct block *block = atomic_exchange_explicit(&blocks_freed, NULL, memory_order_acquire);

    while (block) {
        struct block *next = block->next;
        touched += !block_is_untouched(block);
        __real_free(block);
        block = next;
    }
    return touched;
}

/* --- moments --- */

static struct {
    atomic_uint kind;
    atomic_uint task; /* 0: any */
    action *act;
    void *arg;
    atomic_bool armed;
} points[POINTS];

static struct {
    unsigned n;
    action *act;
    void *arg;
    atomic_bool armed;
} nth;

static _Thread_local bool counts_points; /* this thread called at_nth */
static _Thread_local unsigned points_passed;
static _Thread_local bool acting;

static atomic_uint seen_kinds[KINDS];

static bool take_armed(atomic_bool *armed)
{
    /* The first look is relaxed, and so are those in point_is_here: a thread that finds nothing is put in no order. */
    return atomic_load_explicit(armed, memory_order_relaxed) && atomic_exchange(armed, false);
}

static void nth_reach(void)
{
    if (!counts_points || acting || ++points_passed != nth.n || !take_armed(&nth.armed))
        return;
    acting = true;
    nth.act(nth.arg);
    acting = false;
}

static bool point_is_here(int i, enum trace_kind kind, uint32_t task)
{
    unsigned wanted = atomic_load_explicit(&points[i].task, memory_order_relaxed);
    return atomic_load_explicit(&points[i].kind, memory_order_relaxed) == kind && (wanted == 0 || wanted == task);
}

static void hook(void *unused, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    (void)unused, (void)a, (void)b;
    for (int i = 0; i < POINTS; i++)
        if (point_is_here(i, kind, task) && take_armed(&points[i].armed))
            points[i].act(points[i].arg);
    nth_reach();
    atomic_fetch_add_explicit(&seen_kinds[kind], 1, memory_order_relaxed);
}

void at_point(enum trace_kind kind, uint32_t task, action *act, void *arg)
{
    int i = 0;
    while (atomic_load(&points[i].armed))
        assert_in_range(++i, 0, POINTS - 1);
    atomic_store_explicit(&points[i].kind, kind, memory_order_relaxed);
    atomic_store_explicit(&points[i].task, task, memory_order_relaxed);
    points[i].act = act;
    points[i].arg = arg;
    atomic_store(&points[i].armed, true);
}

void at_nth(unsigned n, action *act, void *arg)
{
    nth.n = n;
    nth.act = act;
    nth.arg = arg;
    points_passed = 0;
    counts_points = true;
    atomic_store(&nth.armed, true);
}

bool at_nth_reached(void)
{
    counts_points = false;
    return !atomic_exchange(&nth.armed, false);
}

void moments_forget(void)
{
    for (int i = 0; i < POINTS; i++)
        atomic_store(&points[i].armed, false);
    atomic_store(&nth.armed, false);
    counts_points = false;
}

unsigned seen(enum trace_kind kind)
{
    return atomic_load_explicit(&seen_kinds[kind], memory_order_relaxed);
}

/* --- other threads --- */

enum progress { AT_WORK, AT_A_LOCK, OVER };

struct helper {
    pthread_t thread;
    action *act;
    void *arg;
    bool joined;
    atomic_int progress;
};

static pthread_mutex_t helpers_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two */
static struct helper helpers[HELPERS];
static int helper_count;
static _Thread_local struct helper *me;

static atomic_bool gate_closed;

static void progress_set(struct helper *helper, enum progress progress)
{
    atomic_store_explicit(&helper->progress, progress, memory_order_relaxed);
}

static void *helper_run(void *arg)
{
    me = arg;
    me->act(me->arg);
    progress_set(me, OVER);
    return NULL;
}

static struct helper *helper_start(action *act, void *arg)
{
    __real_pthread_mutex_lock(&helpers_lock);
    struct helper *helper = &helpers[helper_count++];
    assert_in_range(helper_count, 1, HELPERS);
    helper->act = act;
    helper->arg = arg;
    helper->joined = false;
    progress_set(helper, AT_WORK);
    assert_int_equal(__real_pthread_create(&helper->thread, NULL, helper_run, helper), 0);
    pthread_mutex_unlock(&helpers_lock);
    return helper;
}

/* The caller holds the lock. */
static void helper_join(struct helper *helper)
{
    if (!helper->joined)
        pthread_join(helper->thread, NULL);
    helper->joined = true;
}

void elsewhere(action *act, void *arg)
{
    struct helper *helper = helper_start(act, arg);
    int progress;

    while ((progress = atomic_load_explicit(&helper->progress, memory_order_relaxed)) == AT_WORK)
        sched_yield();
    if (progress != OVER)
        return;
    __real_pthread_mutex_lock(&helpers_lock);
    helper_join(helper);
    pthread_mutex_unlock(&helpers_lock);
}

void elsewhere_join(void)
{
    __real_pthread_mutex_lock(&helpers_lock);
    for (int i = 0; i < helper_count; i++)
        helper_join(&helpers[i]);
    helper_count = 0;
    pthread_mutex_unlock(&helpers_lock);
}

void act_elsewhere(void *arg)
{
    struct other *other = arg;
    elsewhere(other->act, other->arg);
}

void lock_gate_close(void)
{
    atomic_store(&gate_closed, true);
}

void lock_gate_open(void *unused)
{
    (void)unused;
    atomic_store(&gate_closed, false);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (!me)
        return __real_pthread_mutex_lock(lock);
    if (!atomic_load_explicit(&gate_closed, memory_order_relaxed) && pthread_mutex_trylock(lock) == 0)
        return 0;
    progress_set(me, AT_A_LOCK);
    while (atomic_load_explicit(&gate_closed, memory_order_relaxed))
        sched_yield();
    return __real_pthread_mutex_lock(lock);
}

/* --- things that go wrong --- */

static atomic_int create_error;
static atomic_int mutex_init_error, cond_init_error;
static atomic_uint timed_wait_count;
static atomic_uint spurious;
static _Atomic uint64_t held_clock;

void pthread_create_fails_once(int error)
{
    atomic_store(&create_error, error);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    int error = atomic_exchange_explicit(&create_error, 0, memory_order_relaxed);
    return error ? error : __real_pthread_create(thread, attr, run, arg);
}

void pthread_mutex_init_fails_once(int error)
{
    atomic_store(&mutex_init_error, error);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *attr)
{
    int error = atomic_exchange_explicit(&mutex_init_error, 0, memory_order_relaxed);
    return error ? error : __real_pthread_mutex_init(lock, attr);
}

void pthread_cond_init_fails_once(int error)
{
    atomic_store(&cond_init_error, error);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    int error = atomic_exchange_explicit(&cond_init_error, 0, memory_order_relaxed);
    return error ? error : __real_pthread_cond_init(cond, attr);
}

void spurious_waits(unsigned count)
{
    atomic_store(&spurious, count);
}

unsigned spurious_left(void)
{
    return atomic_load(&spurious);
}

unsigned timed_waits(void)
{
    return atomic_load_explicit(&timed_wait_count, memory_order_relaxed);
}

/* A wait gives the lock up even when it ends at once. */
static bool wait_is_spurious(pthread_mutex_t *lock)
{
    if (atomic_load_explicit(&spurious, memory_order_relaxed) == 0)
        return false;
    atomic_fetch_sub_explicit(&spurious, 1, memory_order_relaxed);
    pthread_mutex_unlock(lock);
    sched_yield();
    __real_pthread_mutex_lock(lock);
    return true;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
    return wait_is_spurious(lock) ? 0 : __real_pthread_cond_wait(cond, lock);
}

/* While the clock is held the deadline never comes: the wait ends at once, and whoever waits looks at the clock. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
    atomic_fetch_add_explicit(&timed_wait_count, 1, memory_order_relaxed);
    if (wait_is_spurious(lock))
        return 0;
    if (atomic_load_explicit(&held_clock, memory_order_relaxed) == 0)
        return __real_pthread_cond_timedwait(cond, lock, until);
    pthread_mutex_unlock(lock);
    sched_yield();
    __real_pthread_mutex_lock(lock);
    return ETIMEDOUT;
}

void clock_hold(uint64_t ns)
{
    atomic_store(&held_clock, ns);
}

uint64_t __wrap_trace_now(void)
{
    uint64_t held = atomic_load_explicit(&held_clock, memory_order_relaxed);
    return held ? held : __real_trace_now();
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

static size_t read_all(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;

    while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    return used;
}

void expect_misuse(action *act, const char *file, const char *message)
{
    char said[2048], expected[512];
    int ends[2], status;

    misuse_line = mmap(NULL, sizeof *misuse_line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(misuse_line, MAP_FAILED);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        misuse_child(act, ends[1]);
    close(ends[1]);
    read_all(ends[0], said, sizeof said);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);

    snprintf(expected, sizeof expected, "%s:%d: misuse: %s\n", file, *misuse_line, message);
    munmap(misuse_line, sizeof *misuse_line);
    if (fnmatch(expected, said, 0) != 0)
        fail_msg("expected: %sbut it said: %s", expected, said);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* --- bell and probe --- */

void bell_ring(void *arg)
{
    struct bell *bell = arg;

    pthread_mutex_lock(&bell->lock);
    bell->rung = true;
    wait_wake(&bell->waiting, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
}

static bool bell_poll(struct bell *bell, struct context *cx)
{
    pthread_mutex_lock(&bell->lock);
    bool rung = bell->rung;
    if (!rung)
        wait_start(&bell->waiting, cx, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
    return rung;
}

static void bell_leave(struct bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    wait_cancel(&bell->waiting, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
}

static enum poll probe_poll(struct future *f, struct context *cx)
{
    struct probe *self = (struct probe *)f;

    self->tally->polls++;
    if (!self->held)
        self->held = malloc(100);
    if (self->act)
        self->act(self, cx);
    return self->bell && bell_poll(self->bell, cx) ? POLL_READY : POLL_PENDING;
}

static void probe_drop(struct future *f)
{
    struct probe *self = (struct probe *)f;

    self->tally->drops++;
    if (self->bell)
        bell_leave(self->bell);
    free(self->held);
}

FUTURE_TYPE(probe, probe_poll, probe_drop);

struct probe probe(struct tally *tally, struct bell *bell)
{
    struct probe self = {.tally = tally, .bell = bell};
    future_init(&self.base, &probe_type);
    return self;
}

void probe_spawn(struct executor *ex, struct tally *tally, struct bell *bell,
                 void (*act)(struct probe *, struct context *), struct join_handle *handle)
{
    struct probe f = probe(tally, bell);

    f.act = act;
    assert_int_equal(task_spawn(ex, &f, handle), 0);
}

/* A probe of its own is woken at that moment, and ends the run. */
void run_until_asleep(struct executor *ex)
{
    struct tally tally = {0};
    struct bell bell = BELL;
    struct probe last = probe(&tally, &bell);
    struct other ring = {bell_ring, &bell};

    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &ring);
    assert_int_equal(executor_block_on(ex, &last), 0);
    future_drop(&last.base);
    elsewhere_join();
}

/* --- the frame of every test --- */

int test_begin(void **state)
{
    (void)state;
    alarm(DEADLINE_SECONDS);
    for (int i = 0; i < KINDS; i++)
        atomic_store(&seen_kinds[i], 0);
    atomic_store(&timed_wait_count, 0);
    trace_set_hook(hook, NULL);
    return 0;
}

/* A fixture that fails is reported by cmocka with the name of its test. */
int test_end(void **state)
{
    (void)state;
    elsewhere_join();
    trace_set_hook(NULL, NULL);
    alarm(0);
    moments_forget();
    clock_hold(0);
    spurious_waits(0);
    int live = atomic_exchange(&blocks_live, 0);
    int touched = blocks_check();
    if (live != 0 || touched != 0)
        print_error("%d blocks of memory were not freed, %d were written to after their free\n", live, touched);
    return live == 0 && touched == 0 ? 0 : -1;
}
