/* Where idle workers sleep: in their parkers until a reactor is used for the first time, and what needs no reactor makes
 * no call of epoll's; then in the watch. And the way from one to the other, at the worst of all moments. */
#include "support_async.h"

#include "async_mutex.h"
#include "join_handle.h"
#include "mpsc.h"
#include "runtime.h"
#include "task.h"
#include "timer.h"
#include "yield.h"

#include <sched.h>

static struct runtime rt;

/* Like assert_true, on any thread: cmocka's own may be used only where the test began. */
#define sure(expression) ((expression) ? (void)0 : fail_anywhere(#expression, __LINE__))

_Noreturn static void fail_anywhere(const char *expression, int line)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, line, expression);
    abort();
}

static void wait_for_flag(const atomic_bool *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

/* --- the word --- */

static uint64_t word(void)
{
    return atomic_load(&rt.watch.word);
}

static void wait_for_word(uint64_t expected)
{
    while (word() != expected)
        sched_yield();
}

static void wait_until_parked(void)
{
    wait_for_word((UINT64_C(1) << rt.worker_count) - 1);
}

/* --- trace points: calls are counted, and one moment on a worker can be chosen --- */

static atomic_uint epoll_waits, eventfd_writes;

static struct {
    atomic_bool armed;
    enum trace_kind kind;
    uint32_t a;
    void (*act)(void);
} moment;

static void count_call(uint32_t call)
{
    if (call == TRACE_CALL_EPOLL_WAIT)
        atomic_fetch_add(&epoll_waits, 1);
    if (call == TRACE_CALL_WRITE)
        atomic_fetch_add(&eventfd_writes, 1);
}

static void at_point(void *unused, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    (void)unused, (void)task, (void)b;
    if (kind == TRACE_SYSCALL_BEGIN)
        count_call(a);
    if (atomic_load(&moment.armed) && kind == moment.kind && a == moment.a && runtime_worker() &&
        atomic_exchange(&moment.armed, false))
        moment.act();
}

/* Does act, once, when a worker next comes to such a point. */
static void arm(enum trace_kind kind, uint32_t a, void (*act)(void))
{
    moment.kind = kind;
    moment.a = a;
    moment.act = act;
    atomic_store(&moment.armed, true);
}

static void start(unsigned workers)
{
    atomic_store(&epoll_waits, 0);
    atomic_store(&eventfd_writes, 0);
    trace_set_hook(at_point, NULL);
    assert_int_equal(runtime_init(&rt, workers), 0);
    wait_until_parked();
}

static void stop(void)
{
    runtime_destroy(&rt);
    assert_false(atomic_load(&moment.armed));
}

static void *act_on_thread(void *act)
{
    (*(void (**)(void))act)();
    return NULL;
}

/* On a thread that is no worker. */
static void elsewhere(void (*act)(void))
{
    pthread_t thread;

    sure(pthread_create(&thread, NULL, act_on_thread, &act) == 0);
    pthread_join(thread, NULL);
}

/* --- tasks --- */

static atomic_bool done;

struct deed {
    struct future base;
    void (*act)(void);
};

static enum poll deed_poll(struct future *f, struct context *cx)
{
    (void)cx;
    ((struct deed *)f)->act();
    return POLL_READY;
}

FUTURE_TYPE(deed, deed_poll, NULL);

/* A task that does act. */
static void spawn(void (*act)(void))
{
    struct deed deed = {.act = act};

    future_init(&deed.base, &deed_type);
    sure(task_spawn(&rt, &deed, NULL) == 0);
}

static void be_done(void)
{
    atomic_store(&done, true);
}

static void do_nothing(void)
{
}

static void spawn_be_done(void)
{
    spawn(be_done);
}

/* A task of one worker that is busy until it may go; it may use its reactor meanwhile. */

static atomic_bool is_busy, may_use, has_used, may_go;
static struct counter readiness;
static struct source source;
static int ends[2]; /* of a pipe */

static void use_reactor(void)
{
    struct waker waker = counter_waker(&readiness);
    struct context cx = {&waker};
    int error;

    source_would_block(&source, SOURCE_READ);
    sure(source_poll_ready(&source, SOURCE_READ, NULL, &cx, &error, SITE("")) == POLL_PENDING);
    sure(word() == WATCH_IN_USE);
}

static void be_busy(void)
{
    atomic_store(&is_busy, true);
    while (!atomic_load(&may_go)) {
        if (atomic_exchange(&may_use, false)) {
            use_reactor();
            atomic_store(&has_used, true);
        }
        sched_yield();
    }
}

static void let_it_use_its_reactor(void)
{
    atomic_store(&may_use, true);
    wait_for_flag(&has_used);
}

/* With one worker busy, and the others parked. */
static void start_busy(unsigned workers)
{
    readiness = (struct counter){0};
    may_use = has_used = may_go = is_busy = done = false;
    assert_int_equal(pipe(ends), 0);
    source_init(&source, ends[0]);
    start(workers);
    spawn(be_busy);
    wait_for_flag(&is_busy);
    while (__builtin_popcountll(word()) != (int)workers - 1)
        sched_yield();
}

static void stop_busy(void)
{
    atomic_store(&may_go, true);
    assert_int_equal(source_close(&source, SITE("")), 0);
    stop();
    close(ends[1]);
}

/* The worker that uses the reactor is busy still, so it is another one that hears of it. */
static void check_readiness_is_stolen(void)
{
    int seen = 0;

    assert_int_equal(write(ends[1], "x", 1), 1);
    counter_wait(&readiness, &seen);
}

/* --- no reactor --- */

static struct async_mutex mutex;
static struct mpsc channel;

struct player {
    struct future base;
    int left;
    struct async_mutex_lock lock;
    struct yield yield;
    enum { PLAYER_NEXT, PLAYER_LOCKING, PLAYER_INSIDE } state;
};

static enum poll player_poll(struct future *f, struct context *cx)
{
    struct player *self = (struct player *)f;

    for (;;) {
        if (self->state == PLAYER_NEXT) {
            if (self->left-- == 0)
                return POLL_READY;
            self->lock = async_mutex_lock(&mutex);
            self->state = PLAYER_LOCKING;
        }
        if (self->state == PLAYER_LOCKING) {
            if (future_poll(&self->lock.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->lock.base);
            self->yield = yield_now();
            self->state = PLAYER_INSIDE;
        }
        if (future_poll(&self->yield.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->yield.base);
        async_mutex_unlock(&mutex);
        sure(mpsc_try_send(&channel, &self->left) == 0);
        self->state = PLAYER_NEXT;
    }
}

FUTURE_TYPE(player, player_poll, NULL);

enum { PLAYERS = 4, ROUNDS = 100 };

static void play(void)
{
    int number;

    for (int i = 0; i < PLAYERS; i++) {
        struct player player = {.left = ROUNDS};
        future_init(&player.base, &player_type);
        assert_int_equal(task_spawn(&rt, &player, NULL), 0);
    }
    for (int i = 0; i < PLAYERS * ROUNDS; i++) {
        struct mpsc_recv recv = mpsc_recv(&channel, &number);
        assert_int_equal(runtime_block_on(&rt, &recv), 0);
        assert_int_equal(recv.output, 0);
        future_drop(&recv.base);
    }
}

static void test_locks_and_channels_need_no_epoll(void **state)
{
    (void)state;
    async_mutex_init(&mutex);
    assert_int_equal(mpsc_init(&channel, MPSC_UNBOUNDED, sizeof(int)), 0);
    for (unsigned workers = 1; workers <= 4; workers++) {
        start(workers);
        play();
        stop();
        assert_int_equal(atomic_load(&epoll_waits), 0);
        assert_int_equal(atomic_load(&eventfd_writes), 0);
    }
    mpsc_drop_sender(&channel);
    mpsc_destroy(&channel);
    async_mutex_destroy(&mutex);
}

/* --- who is parked is woken --- */

static void test_woken_by_a_spawn(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        start(workers);
        atomic_store(&done, false);
        spawn(be_done);
        wait_for_flag(&done);
        wait_until_parked();
        stop();
    }
    assert_int_equal(atomic_load(&eventfd_writes), 0);
}

static struct waker left;
static atomic_bool is_left;

static enum poll sleeper_poll(struct future *f, struct context *cx)
{
    if (f->phase != FUTURE_FRESH)
        return POLL_READY;
    left = waker_clone(cx->waker);
    atomic_store(&is_left, true);
    return POLL_PENDING;
}

struct sleeper {
    struct future base;
};

FUTURE_TYPE(sleeper, sleeper_poll, NULL);

static void test_woken_by_a_wake_from_outside(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct sleeper sleeper;
        struct join_handle handle;

        start(workers);
        atomic_store(&is_left, false);
        future_init(&sleeper.base, &sleeper_type);
        assert_int_equal(task_spawn(&rt, &sleeper, &handle), 0);
        wait_for_flag(&is_left);
        wait_until_parked();
        waker_wake(left);
        assert_int_equal(runtime_block_on(&rt, &handle), 0);
        future_drop(&handle.base);
        stop();
    }
    assert_int_equal(atomic_load(&eventfd_writes), 0);
}

static void test_as_many_as_have_a_bit_are_woken_by_the_end(void **state)
{
    (void)state;
    start(1000);
    assert_int_equal(rt.worker_count, WATCH_WORKERS_MAX);
    stop();
    assert_int_equal(atomic_load(&eventfd_writes), 0);
}

/* --- nudged on the way to sleep --- */

static uint64_t word_then;

static void nudge_it(void)
{
    elsewhere(spawn_be_done);
    word_then = word();
}

static void nudged_at(enum trace_kind kind, uint32_t a, uint64_t expected)
{
    start(1);
    atomic_store(&done, false);
    arm(kind, a, nudge_it);
    spawn(do_nothing);
    wait_for_flag(&done);
    assert_true(word_then == expected);
    wait_until_parked();
    stop();
}

static void test_nudged_before_it_parks(void **state)
{
    (void)state;
    nudged_at(TRACE_PARK_BEGIN, 0, WATCH_TOKEN);
}

static void test_nudged_before_it_sleeps(void **state)
{
    (void)state;
    nudged_at(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT, 0);
}

/* --- the first use --- */

static void test_first_use_while_another_is_parked(void **state)
{
    (void)state;
    start_busy(3);
    let_it_use_its_reactor();
    check_readiness_is_stolen();
    stop_busy();
}

static void first_use_at(enum trace_kind kind, uint32_t a)
{
    start_busy(2);
    arm(kind, a, let_it_use_its_reactor);
    spawn(do_nothing);
    wait_for_flag(&has_used);
    check_readiness_is_stolen();
    stop_busy();
}

static void test_first_use_before_another_parks(void **state)
{
    (void)state;
    first_use_at(TRACE_PARK_BEGIN, 0);
}

static void test_first_use_before_another_sleeps(void **state)
{
    (void)state;
    first_use_at(TRACE_SYSCALL_BEGIN, TRACE_CALL_FUTEX_WAIT);
}

static void nudge_it_and_use(void)
{
    nudge_it();
    let_it_use_its_reactor();
}

static void test_first_use_passes_the_token_on(void **state)
{
    (void)state;
    start_busy(2);
    arm(TRACE_PARK_BEGIN, 0, nudge_it_and_use);
    spawn(do_nothing);
    wait_for_flag(&has_used);
    assert_true(word_then == WATCH_TOKEN);
    assert_int_equal(atomic_load(&eventfd_writes), 1);
    wait_for_flag(&done);
    check_readiness_is_stolen();
    stop_busy();
}

static void use_a_timer(void)
{
    struct sleep sleep = sleep_for(MILLISECONDS(100000));

    sure(poll_by(&sleep, &readiness) == POLL_PENDING);
    sure(word() == WATCH_IN_USE);
    future_drop(&sleep.base);
}

static void test_a_timer_is_a_use_and_it_stays_so(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        start(workers);
        spawn(use_a_timer);
        wait_for_word(WATCH_IN_USE);
        atomic_store(&done, false);
        spawn(be_done);
        wait_for_flag(&done);
        assert_true(word() == WATCH_IN_USE);
        stop();
        assert_true(atomic_load(&eventfd_writes) > 0);
    }
}

/* --- all at once --- */

enum { STRESS_ROUNDS = 60, SPAWNERS = 3, SPAWNS = 20 };

static atomic_int deeds_done;

static void do_one(void)
{
    atomic_fetch_add(&deeds_done, 1);
}

static void do_one_with_a_timer(void)
{
    use_a_timer();
    do_one();
}

static void *spawn_many(void *first_use)
{
    for (int i = 0; i < SPAWNS; i++)
        spawn(i == *(int *)first_use ? do_one_with_a_timer : do_one);
    return NULL;
}

static void test_nudges_around_the_first_use(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_nudges_around_the_first_use");

    for (int round = 0; round < STRESS_ROUNDS; round++) {
        int first_use[SPAWNERS];

        for (int i = 0; i < SPAWNERS; i++)
            first_use[i] = (int)(chance(&seed) % (2 * SPAWNS)); /* half of them use none */
        atomic_store(&deeds_done, 0);
        start(1 + (unsigned)(chance(&seed) % 4));
        threads_run(SPAWNERS, spawn_many, first_use, sizeof *first_use);
        while (atomic_load(&deeds_done) < SPAWNERS * SPAWNS)
            sched_yield();
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_locks_and_channels_need_no_epoll),
        TEST(test_woken_by_a_spawn),
        TEST(test_woken_by_a_wake_from_outside),
        TEST(test_as_many_as_have_a_bit_are_woken_by_the_end),
        TEST(test_nudged_before_it_parks),
        TEST(test_nudged_before_it_sleeps),
        TEST(test_first_use_while_another_is_parked),
        TEST(test_first_use_before_another_parks),
        TEST(test_first_use_before_another_sleeps),
        TEST(test_first_use_passes_the_token_on),
        TEST(test_a_timer_is_a_use_and_it_stays_so),
        TEST(test_nudges_around_the_first_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
