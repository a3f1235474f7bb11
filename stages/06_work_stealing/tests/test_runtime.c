/* LINK: @tests/support.link */
/* What a runtime does for those who use it: spawning from anywhere, block_on from several threads, tasks that stay on
 * their worker; and the parker that block_on sleeps in. */
#include "support.h"

#include "parker.h"
#include "yield.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static struct runtime rt;

/* --- workers --- */

static void test_as_many_workers_as_cores(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 0), 0);
    assert_int_equal(rt.worker_count, sysconf(_SC_NPROCESSORS_ONLN));
    wait_until(workers_asleep(&rt) == rt.worker_count);
    runtime_destroy(&rt);
}

static void test_no_more_workers_than_the_most(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 1000), 0);
    assert_int_equal(rt.worker_count, RUNTIME_WORKERS_MAX);
    wait_until(workers_asleep(&rt) == RUNTIME_WORKERS_MAX); /* so each has its bit */
    struct strings busy[RUNTIME_WORKERS_MAX];
    uint64_t met = 0;
    for (int i = 0; i < RUNTIME_WORKERS_MAX; i++) {
        puppet_spawn(&rt, &busy[i], NULL);
        met |= UINT64_C(1) << (busy[i].worker - 1);
    }
    assert_int_equal(met, UINT64_MAX);
    for (int i = 0; i < RUNTIME_WORKERS_MAX; i++)
        puppet_end(&busy[i]);
    runtime_destroy(&rt);
}

static void check_inside(void *unused)
{
    (void)unused;
    sure(runtime_current() == &rt);
    sure(runtime_worker() >= 1 && runtime_worker() <= rt.worker_count);
}

static void test_who_is_a_worker(void **state)
{
    (void)state;
    assert_null(runtime_current());
    assert_int_equal(runtime_worker(), 0);
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_null(runtime_current()); /* main is none, and does not become one */
    inside(&rt, check_inside, NULL);
    assert_null(runtime_current());
    runtime_destroy(&rt);
}

/* --- spawning --- */

static void spawn_detached(void *tally)
{
    struct script task = script(tally, ready_step, NULL);
    sure(task_spawn(&rt, &task, NULL) == 0);
    sure(task.base.phase == FUTURE_MOVED);
}

static void test_from_anywhere(void **state)
{
    struct tally tally = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    spawn_detached(&tally);
    elsewhere(spawn_detached, &tally);
    inside(&rt, spawn_detached, &tally);
    wait_until(tally.drops == 3);
    assert_int_equal(tally.polls, 3);
    runtime_destroy(&rt);
}

/* --- block_on --- */

static void test_block_on_gives_the_output_back(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, ready_step, &tally);

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    assert_int_equal(task.base.phase, FUTURE_FINISHED);
    assert_ptr_equal(task.arg, &tally);
    assert_int_equal(tally.drops, 0);
    future_drop(&task.base);
    assert_int_equal(tally.drops, 1);
    runtime_destroy(&rt);
}

/* Two of them at the same time, and each task waits until the other runs, too. */
static atomic_int meeting;

static enum poll meet_step(struct script *self, struct context *cx)
{
    (void)self, (void)cx;
    atomic_fetch_add(&meeting, 1);
    wait_until(atomic_load(&meeting) == 2);
    return POLL_READY;
}

static void *block_on_meeting(void *tally)
{
    struct script task = script(tally, meet_step, NULL);
    sure(runtime_block_on(&rt, &task) == 0);
    future_drop(&task.base);
    return NULL;
}

static void test_two_threads_block_on(void **state)
{
    struct tally tally = {0};
    pthread_t thread;

    (void)state;
    atomic_store(&meeting, 0);
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, block_on_meeting, &tally), 0);
    block_on_meeting(&tally);
    pthread_join(thread, NULL);
    assert_int_equal(tally.drops, 2);
    runtime_destroy(&rt);
}

enum { THREADS = 6, TIMES = 2000 };

static void *block_on_often(void *tally)
{
    for (int i = 0; i < TIMES; i++) {
        struct yield yield = yield_now();
        struct script task = script(tally, ready_step, NULL);
        sure(runtime_block_on(&rt, &yield) == 0);
        future_drop(&yield.base);
        sure(runtime_block_on(&rt, &task) == 0);
        future_drop(&task.base);
    }
    return NULL;
}

static void test_many_threads_block_on(void **state)
{
    struct tally tally = {0};
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, block_on_often, &tally), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(tally.polls, THREADS * TIMES);
    assert_int_equal(tally.drops, THREADS * TIMES);
    runtime_destroy(&rt);
}

/* The task ends at every step of the thread that waits for it; or when that thread sleeps, if it makes fewer. */
static struct strings waited_for;

static void end_waited_for(void *unused)
{
    (void)unused;
    puppet_end(&waited_for);
    wait_until(workers_asleep(&rt) == 1); /* so it has ended, unless it was not spawned yet */
}

static void *end_when_main_sleeps(void *unused)
{
    wait_until(threads_wait_for_conditions() == 1 || waited_for.ends);
    puppet_end(&waited_for);
    return unused;
}

static void test_block_on_and_the_end_at_every_step(void **state)
{
    unsigned n = 1;

    (void)state;
    for (bool reached = true; reached; n++) {
        struct puppet task = puppet(&waited_for);
        pthread_t thread;
        assert_int_equal(runtime_init(&rt, 1), 0);
        wait_until(workers_asleep(&rt) == 1);
        assert_int_equal(pthread_create(&thread, NULL, end_when_main_sleeps, NULL), 0);
        at_nth(n, end_waited_for, NULL);
        assert_int_equal(runtime_block_on(&rt, &task), 0);
        reached = at_nth_reached();
        at_nth_forget();
        pthread_join(thread, NULL);
        future_drop(&task.base);
        assert_int_equal(waited_for.drops, 1);
        runtime_destroy(&rt);
    }
    assert_in_range(n, 10, 100);
}

/* --- what comes before a wake is seen by the poll after it, although the task was queued already --- */

static struct {
    struct waker wakers[2];
    atomic_int polls;
    int written, seen;
} late;

static enum poll look_step(struct script *self, struct context *cx)
{
    (void)self;
    if (atomic_fetch_add_explicit(&late.polls, 1, memory_order_relaxed) == 0) {
        late.wakers[0] = waker_clone(cx->waker);
        late.wakers[1] = waker_clone(cx->waker);
        return POLL_PENDING;
    }
    late.seen = late.written;
    return POLL_READY;
}

static void wake_first(void *unused)
{
    (void)unused;
    waker_wake(late.wakers[0]);
}

static void write_and_wake(void *unused)
{
    (void)unused;
    late.written = 42;
    waker_wake(late.wakers[1]);
}

/* No more than the task's state word puts the two in order; the thread sanitizer sees whether it does. */
static void test_a_wake_publishes(void **state)
{
    struct strings busy;
    struct tally tally = {0};
    struct script task = script(&tally, look_step, NULL);

    (void)state;
    memset(&late, 0, sizeof late);
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(late.polls == 1 && workers_asleep(&rt) == 1);
    puppet_spawn(&rt, &busy, NULL);
    elsewhere(wake_first, NULL);     /* queues it */
    elsewhere(write_and_wake, NULL); /* finds it queued */
    puppet_end(&busy);
    wait_until(tally.drops == 1);
    assert_int_equal(late.polls, 2);
    runtime_destroy(&rt);
    assert_int_equal(late.seen, 42);
}

/* --- the parker --- */

static struct parker parker;

static void test_a_token_that_came_first(void **state)
{
    (void)state;
    parker_init(&parker);
    parker_unpark(&parker);
    parker_unpark(&parker); /* two are one */
    parker_park(&parker);
    assert_false(parker.token);
    parker_destroy(&parker);
}

static void *unpark_later(void *unused)
{
    wait_until(threads_wait_for_conditions() == 1);
    parker_unpark(&parker);
    return unused;
}

static void test_a_token_that_comes_later(void **state)
{
    pthread_t thread;

    (void)state;
    parker_init(&parker);
    assert_int_equal(pthread_create(&thread, NULL, unpark_later, NULL), 0);
    parker_park(&parker);
    assert_false(parker.token);
    pthread_join(thread, NULL);
    parker_destroy(&parker);
}

/* The wait ends although nobody has unparked: that is no token. */
static void test_woken_for_nothing(void **state)
{
    pthread_t thread;

    (void)state;
    parker_init(&parker);
    conditions_wake_for_nothing(3);
    assert_int_equal(pthread_create(&thread, NULL, unpark_later, NULL), 0);
    parker_park(&parker); /* comes back too soon: then it is destroyed while the other unparks, or waits for ever */
    assert_false(parker.token);
    assert_int_equal(seen(TRACE_UNPARK), 1);
    pthread_join(thread, NULL);
    parker_destroy(&parker);
}

/* --- two runtimes --- */

static struct runtime other;

static void spawn_into_the_other(void *tally)
{
    struct script task = script(tally, ready_step, NULL);
    sure(runtime_current() == &rt);
    sure(task_spawn(&other, &task, NULL) == 0);
}

static void test_two_runtimes(void **state)
{
    struct tally tally = {0};
    struct bell bell;

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(runtime_init(&other, 1), 0);
    inside(&rt, spawn_into_the_other, &tally);
    wait_until(tally.drops == 1);
    bell_init(&bell);
    struct join_handle handle = bell_spawn(&other, &bell); /* a task of one waits for a task of the other */
    wait_until(bell.tally.polls == 1);
    bell_ring(&bell);
    assert_int_equal(runtime_block_on(&rt, &handle), 0);
    assert_non_null(join_handle_output(&handle));
    runtime_destroy(&other);
    future_drop(&handle.base);
    runtime_destroy(&rt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_as_many_workers_as_cores),
        TEST(test_no_more_workers_than_the_most),
        TEST(test_who_is_a_worker),
        TEST(test_from_anywhere),
        TEST(test_block_on_gives_the_output_back),
        TEST(test_two_threads_block_on),
        TEST(test_many_threads_block_on),
        TEST(test_block_on_and_the_end_at_every_step),
        TEST(test_a_wake_publishes),
        TEST(test_a_token_that_came_first),
        TEST(test_a_token_that_comes_later),
        TEST(test_woken_for_nothing),
        TEST(test_two_runtimes),
    };
    return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
