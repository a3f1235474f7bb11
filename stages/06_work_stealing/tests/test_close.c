/* LINK: @tests/support.link */
/* The end of a runtime, at any moment and whatever goes on meanwhile: every task is dropped once, and who
 * spawns too late is told. */
#include "support.h"

#include "timer.h"
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct runtime rt;

static struct script ready_task(struct tally *tally)
{
    return script(tally, ready_step, NULL);
}

/* --- while nothing goes on --- */

static void test_workers_that_sleep(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++) {
        assert_int_equal(runtime_init(&rt, workers), 0);
        wait_until(workers_asleep(&rt) == workers);
        runtime_destroy(&rt);
    }
}

/* Perhaps before its threads have begun to run. */
static void test_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(runtime_init(&rt, 3), 0);
        runtime_destroy(&rt);
    }
}

static void destroy_runtime(void *unused)
{
    (void)unused;
    runtime_destroy(&rt);
}

static void test_on_another_thread(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    elsewhere(destroy_runtime, NULL);
}

/* --- with tasks in every state --- */

enum { SLEEPERS = 100 };

static void test_tasks_that_wait(void **state)
{
    struct tally forever = {0};
    struct bell bell;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    bell_init(&bell);
    struct join_handle handle = bell_spawn(&rt, &bell);
    for (int i = 0; i < SLEEPERS; i++) {
        struct script task = script(&forever, forever_step, NULL);
        struct sleep sleep = sleep_for(MILLISECONDS(3600000));
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
        assert_int_equal(task_spawn(&rt, &sleep, NULL), 0);
    }
    wait_until(forever.polls == SLEEPERS && workers_asleep(&rt) == 2);
    runtime_destroy(&rt);
    assert_int_equal(forever.drops, SLEEPERS);
    assert_int_equal(bell.tally.drops, 1);
    assert_int_equal(bell.tally.polls, 1);
    bell_ring(&bell); /* a waker outlives its runtime, and does nothing any more */
    struct probe probe = {0};
    assert_int_equal(poll_with(&handle, &probe), POLL_READY);
    assert_null(join_handle_output(&handle));
    future_drop(&handle.base);
}

/* They lie in the injection queue, all workers are busy: they are never polled. */
static void test_tasks_that_no_worker_has(void **state)
{
    struct strings busy[2];
    struct tally tally = {0};
    struct join_handle handle;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    puppet_spawn(&rt, &busy[0], NULL);
    puppet_spawn(&rt, &busy[1], NULL);
    for (int i = 0; i < 100; i++) {
        struct script task = ready_task(&tally);
        assert_int_equal(task_spawn(&rt, &task, i ? NULL : &handle), 0);
    }
    at_point(TRACE_UNPARK, 0, puppet_end, &busy[0]); /* the first nudge: it is closed */
    at_point(TRACE_UNPARK, 0, puppet_end, &busy[1]);
    runtime_destroy(&rt);
    assert_int_equal(tally.polls, 0);
    assert_int_equal(tally.drops, 100);
    struct probe probe = {0};
    assert_int_equal(poll_with(&handle, &probe), POLL_READY);
    assert_null(join_handle_output(&handle));
    future_drop(&handle.base);
}

/* Polled for ever, on each worker: it is not waited for. */
static void test_tasks_that_always_run(void **state)
{
    struct tally spins = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < 10; i++) {
        struct script task = script(&spins, spin_step, NULL);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    }
    wait_until(spins.polls > 1000);
    runtime_destroy(&rt);
    assert_int_equal(spins.drops, 10);
}

/* --- a drop spawns --- */

struct spawns_at_drop {
    struct future base;
    struct tally *child;
    atomic_int *refused, *polled;
};

static enum poll spawns_at_drop_poll(struct future *f, struct context *cx)
{
    struct spawns_at_drop *self = (struct spawns_at_drop *)f;

    (void)cx;
    atomic_fetch_add(self->polled, 1);
    return POLL_PENDING;
}

static void spawns_at_drop_drop(struct future *f)
{
    struct spawns_at_drop *self = (struct spawns_at_drop *)f;
    struct script child = ready_task(self->child);
    int error = task_spawn(&rt, &child, NULL);

    sure(error == 0 || error == -ESHUTDOWN);
    if (error) {
        atomic_fetch_add(self->refused, 1);
        future_drop(&child.base);
    }
}

FUTURE_TYPE(spawns_at_drop, spawns_at_drop_poll, spawns_at_drop_drop);

static void test_a_drop_spawns(void **state)
{
    atomic_int refused = 0, polled = 0;
    struct tally child = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < 50; i++) {
        struct spawns_at_drop task = {.child = &child, .refused = &refused, .polled = &polled};
        future_init(&task.base, &spawns_at_drop_type);
        assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    }
    wait_until(polled == 50);
    runtime_destroy(&rt);
    assert_int_equal(child.drops, 50);
    assert_int_equal(refused, 50); /* each worker had seen the end before it dropped anything */
}

/* --- spawning against closing --- */

struct attempt {
    struct tally tally;
    struct join_handle handle;
    int error;
};

/* What is spawned is dropped once; what is refused is still ours. */
static void spawn_attempt(void *attempt)
{
    struct attempt *self = attempt;
    struct script task = ready_task(&self->tally);

    self->error = task_spawn(&rt, &task, &self->handle);
    sure(self->error == 0 || self->error == -ESHUTDOWN);
    if (self->error) {
        sure(task.base.phase == FUTURE_FRESH && self->tally.drops == 0);
        future_drop(&task.base);
    }
}

static void check_attempt(struct attempt *attempt)
{
    struct probe probe = {0};

    if (!attempt->error) {
        assert_int_equal(poll_with(&attempt->handle, &probe), POLL_READY);
        future_drop(&attempt->handle.base);
    }
    assert_int_equal(attempt->tally.drops, 1);
}

static void spawn_attempt_elsewhere(void *attempt)
{
    elsewhere(spawn_attempt, attempt);
}

/* At every step of the thread that destroys, another one spawns. */
static void test_a_spawn_at_every_step_of_the_end(void **state)
{
    unsigned spawned = 0, refused = 0;

    (void)state;
    for (unsigned n = 1;; n++) {
        struct attempt attempt = {.error = 0};
        assert_int_equal(runtime_init(&rt, 2), 0);
        at_nth(n, spawn_attempt_elsewhere, &attempt);
        runtime_destroy(&rt);
        if (!at_nth_reached())
            break;
        check_attempt(&attempt);
        spawned += !attempt.error;
        refused += attempt.error != 0;
    }
    at_nth_forget();
    assert_in_range(spawned, 1, 10);
    assert_in_range(refused, 5, 100);
}

static void destroy_elsewhere(void *unused)
{
    elsewhere(destroy_runtime, unused);
}

/* At every step of the thread that spawns, the runtime comes to its end, as a whole. */
static void test_the_end_at_every_step_of_a_spawn(void **state)
{
    unsigned spawned = 0, refused = 0;

    (void)state;
    for (unsigned n = 1;; n++) {
        struct attempt attempt = {.error = 0};
        assert_int_equal(runtime_init(&rt, 2), 0);
        at_nth(n, destroy_elsewhere, NULL);
        spawn_attempt(&attempt);
        if (!at_nth_reached()) {
            at_nth_forget();
            runtime_destroy(&rt);
            check_attempt(&attempt);
            break;
        }
        check_attempt(&attempt);
        spawned += !attempt.error;
        refused += attempt.error != 0;
    }
    assert_in_range(spawned, 1, 100);
    assert_in_range(refused, 1, 100);
}

static void test_a_spawn_after_the_end(void **state)
{
    struct attempt attempt = {.error = 0};
    struct tally tally = {0};
    struct script task = ready_task(&tally);

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    runtime_destroy(&rt);
    spawn_attempt(&attempt);
    assert_int_equal(attempt.error, -ESHUTDOWN);
    attempt = (struct attempt){.error = 0};
    elsewhere(spawn_attempt, &attempt);
    assert_int_equal(attempt.error, -ESHUTDOWN);
    assert_int_equal(runtime_block_on(&rt, &task), -ESHUTDOWN);
    assert_int_equal(task.base.phase, FUTURE_FRESH);
    future_drop(&task.base);
}

/* Several threads spawn until they are refused. */
static void *spawn_until_refused(void *total)
{
    struct attempt attempt = {.error = 0};
    long count = 0;

    for (; !attempt.error; count++) {
        struct script task = ready_task(&attempt.tally);
        attempt.error = task_spawn(&rt, &task, NULL);
        if (attempt.error)
            future_drop(&task.base);
    }
    sure(attempt.error == -ESHUTDOWN);
    /* what was spawned is dropped by the time the workers have ended; whoever waits for them looks */
    ((struct tally *)total)->polls = (int)count;
    wait_until(attempt.tally.drops == count);
    return NULL;
}

static void test_threads_spawn_until_the_end(void **state)
{
    struct tally totals[3];
    pthread_t threads[3];

    (void)state;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(runtime_init(&rt, 2), 0);
        unsigned before = seen(TRACE_TASK_FREE);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, spawn_until_refused, &totals[i]), 0);
        wait_until(seen(TRACE_TASK_FREE) - before > 100);
        runtime_destroy(&rt);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
}

/* --- wakes against closing --- */

/* The end begins at every step of a worker that has something to do and then sleeps. */
static struct {
    pthread_t thread;
    struct tally tally;
} closing;

static void *destroy_main(void *unused)
{
    (void)unused;
    runtime_destroy(&rt);
    return NULL;
}

static bool is_closed(void)
{
    return injection_is_closed(&rt.injection);
}

static void begin_the_end(void *unused)
{
    (void)unused;
    sure(pthread_create(&closing.thread, NULL, destroy_main, NULL) == 0);
    wait_until(is_closed());
}

static enum poll set_moment(struct script *self, struct context *cx)
{
    (void)cx;
    at_nth(*(unsigned *)self->arg, begin_the_end, NULL);
    return POLL_READY;
}

static void test_the_end_at_every_step_of_a_worker(void **state)
{
    unsigned n = 1;

    (void)state;
    for (bool reached = true; reached; n++) {
        struct tally tally = {0}, waits = {0};
        struct script setter = script(&tally, set_moment, &n), waiter = script(&waits, forever_step, NULL);
        assert_int_equal(runtime_init(&rt, 1), 0);
        assert_int_equal(task_spawn(&rt, &waiter, NULL), 0);
        wait_until(waits.polls == 1 && workers_asleep(&rt) == 1);
        assert_int_equal(task_spawn(&rt, &setter, NULL), 0);
        wait_until(tally.drops == 1 && (at_nth_reached() || workers_asleep(&rt) == 1));
        reached = at_nth_reached();
        at_nth_forget();
        if (reached)
            pthread_join(closing.thread, NULL);
        else
            runtime_destroy(&rt);
        assert_int_equal(waits.drops, 1);
    }
    assert_in_range(n, 5, 100);
}

/* A wake has set the task's mark, and not yet put it in the queue: it must be waited for. */
static struct waker in_flight;

static enum poll leave_waker(struct script *self, struct context *cx)
{
    (void)self;
    if (!in_flight.vtable)
        in_flight = waker_clone(cx->waker);
    return POLL_PENDING;
}

static void *wake_slowly(void *unused)
{
    (void)unused;
    gate_next_lock();
    waker_wake(in_flight);
    return NULL;
}

static void test_a_wake_is_in_flight(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, leave_waker, NULL);
    pthread_t waker, destroyer;

    (void)state;
    in_flight = (struct waker){0};
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(workers_asleep(&rt) == 1 && tally.polls == 1);
    assert_int_equal(pthread_create(&waker, NULL, wake_slowly, NULL), 0);
    gate_wait();
    assert_int_equal(pthread_create(&destroyer, NULL, destroy_main, NULL), 0);
    wait_until(is_closed());
    assert_int_equal(tally.drops, 0);
    gate_open(NULL);
    pthread_join(waker, NULL);
    pthread_join(destroyer, NULL);
    memset(&rt, 0xdb, sizeof rt);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
}

/* The waker has queued the task and is about to nudge. The worker may not end before it has. */
static struct {
    pthread_t thread;
    atomic_bool at_nudge, destroyed;
} nudging;

static enum poll leave_waker_once(struct script *self, struct context *cx)
{
    if (self->tally->polls > 1)
        return POLL_READY;
    in_flight = waker_clone(cx->waker);
    return POLL_PENDING;
}

static void *wake_in_flight(void *unused)
{
    (void)unused;
    waker_wake(in_flight);
    return NULL;
}

static void stand_before_the_nudge(void *unused)
{
    (void)unused;
    atomic_store(&nudging.at_nudge, true);
    wait_until(atomic_load(&nudging.destroyed) || somebody_waits_for_a_lock());
}

static void test_somebody_nudges(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, leave_waker_once, NULL);
    struct sleep sleep = sleep_for(MILLISECONDS(5));
    pthread_t destroyer;

    (void)state;
    atomic_store(&nudging.at_nudge, false);
    atomic_store(&nudging.destroyed, false);
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &sleep, NULL), 0); /* ends the wait without a nudge */
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(workers_asleep(&rt) == 1 && tally.polls == 1);
    at_point(TRACE_UNPARK, 0, stand_before_the_nudge, NULL);
    assert_int_equal(pthread_create(&nudging.thread, NULL, wake_in_flight, NULL), 0);
    wait_until(atomic_load(&nudging.at_nudge));
    assert_int_equal(pthread_create(&destroyer, NULL, destroy_main, NULL), 0);
    pthread_join(destroyer, NULL);
    atomic_store(&nudging.destroyed, true);
    pthread_join(nudging.thread, NULL);
    assert_int_equal(tally.drops, 1);
}

/* Two threads wake tasks all the time, on both workers. */
enum { BELLS = 20 };

static struct bell bells[BELLS];
static atomic_bool stop;

static void *ring_for_a_while(void *unused)
{
    (void)unused;
    for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++)
        bell_ring(&bells[i % BELLS]);
    return NULL;
}

static enum poll bell_for_ever(struct script *self, struct context *cx)
{
    struct bell *bell = self->arg;

    pthread_mutex_lock(&bell->lock);
    wait_start(&bell->waiting, cx, TRACE_SOURCE_OTHER, 0, SITE(""));
    pthread_mutex_unlock(&bell->lock);
    return POLL_PENDING;
}

static void test_threads_go_on_waking(void **state)
{
    pthread_t threads[2];

    (void)state;
    for (int round = 0; round < 30; round++) {
        atomic_store(&stop, false);
        assert_int_equal(runtime_init(&rt, 2), 0);
        for (int i = 0; i < BELLS; i++) {
            bell_init(&bells[i]);
            struct script task = script(&bells[i].tally, bell_for_ever, &bells[i]);
            assert_int_equal(task_spawn(&rt, &task, NULL), 0);
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ring_for_a_while, NULL), 0);
        wait_until(bells[round % BELLS].tally.polls > round % 5);
        runtime_destroy(&rt);
        memset(&rt, 0xdb, sizeof rt);
        atomic_store(&stop, true);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < BELLS; i++) {
            assert_int_equal(bells[i].tally.drops, 1);
            wait_cancel(&bells[i].waiting, TRACE_SOURCE_OTHER, 0, SITE(""));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_workers_that_sleep),
        TEST(test_at_once),
        TEST(test_on_another_thread),
        TEST(test_tasks_that_wait),
        TEST(test_tasks_that_no_worker_has),
        TEST(test_tasks_that_always_run),
        TEST(test_a_drop_spawns),
        TEST(test_a_spawn_at_every_step_of_the_end),
        TEST(test_the_end_at_every_step_of_a_spawn),
        TEST(test_a_spawn_after_the_end),
        TEST(test_threads_spawn_until_the_end),
        TEST(test_the_end_at_every_step_of_a_worker),
        TEST(test_a_wake_is_in_flight),
        TEST(test_somebody_nudges),
        TEST(test_threads_go_on_waking),
    };
    return cmocka_run_group_tests_name("close", tests, NULL, NULL);
}
