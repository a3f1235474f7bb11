/* LINK: @tests/support.link */
/* The executor sleeps when nothing is ready, is woken whenever something is, and ends in order whatever goes on. */
#include "support.h"

#include "timer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* --- asleep --- */

/* Between the look into the queue, which found nothing, and the sleep. The wake stands at the lock, or, if nobody holds
 * it, has been and gone: then the executor must not sleep any more. */
static void test_a_wake_between_the_look_and_the_sleep(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct other ring = {bell_ring, &bell};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &ring);
    executor_run(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(seen(TRACE_PARK_BEGIN), 1);
    assert_int_equal(seen(TRACE_PARK_END), 1);
    assert_int_equal(seen(TRACE_UNPARK), 1);
    elsewhere_join();
    executor_destroy(&ex);
}

static void test_a_wake_before_the_look(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct other ring = {bell_ring, &bell};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    at_point(TRACE_TASK_POLL_END, 0, act_elsewhere, &ring);
    executor_run(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(seen(TRACE_PARK_BEGIN), 0);
    assert_int_equal(seen(TRACE_UNPARK), 0);
    elsewhere_join();
    executor_destroy(&ex);
}

static void test_a_wake_while_it_is_awake_signals_nobody(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    run_until_asleep(&ex);
    assert_int_equal(seen(TRACE_UNPARK), 1);
    elsewhere(bell_ring, &bell);
    executor_run(&ex);
    assert_int_equal(seen(TRACE_UNPARK), 1);
    executor_destroy(&ex);
}

static void *ring_when_the_false_alarms_are_over(void *bell)
{
    while (spurious_left() > 0)
        sched_yield();
    bell_ring(bell);
    return NULL;
}

static void test_a_sleep_that_ends_for_no_reason_goes_on(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    pthread_t ringer;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    spurious_waits(5);
    assert_int_equal(pthread_create(&ringer, NULL, ring_when_the_false_alarms_are_over, &bell), 0);
    executor_run(&ex);
    pthread_join(ringer, NULL);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(seen(TRACE_PARK_BEGIN), 1);
    executor_destroy(&ex);
}

static void wake_me(struct probe *self, struct context *cx)
{
    if (self->tally->polls < 4)
        waker_wake_by_ref(cx->waker);
}

/* An empty queue is not the end while tasks are alive; and with ready tasks nobody sleeps. */
static void test_it_sleeps_only_when_nothing_is_ready(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct other ring = {bell_ring, &bell};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, wake_me, NULL);
    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &ring);
    executor_run(&ex);
    assert_int_equal(tally.polls, 5);
    assert_int_equal(seen(TRACE_PARK_BEGIN), 1);
    assert_int_equal(ex.alive, 0);
    elsewhere_join();
    executor_destroy(&ex);
}

static void test_block_on_leaves_the_other_tasks_as_they_are(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(ex.alive, 1);
    bell_ring(&bell); /* nobody runs the executor now: this thread is like any other */
    executor_run(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(ex.alive, 0);
    executor_destroy(&ex);
}

/* --- the end --- */

static void test_destroy_ends_sleeping_tasks(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct sleep hour = sleep_for(MILLISECONDS(3600000));

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    assert_int_equal(task_spawn(&ex, &hour, NULL), 0);
    run_until_asleep(&ex);
    executor_destroy(&ex);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
    assert_null(bell.waiting.vtable);
}

static void test_destroy_ends_tasks_that_were_never_polled(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < 3; i++)
        probe_spawn(&ex, &tally, NULL, NULL, NULL);
    executor_destroy(&ex);
    assert_int_equal(tally.polls, 0);
    assert_int_equal(tally.drops, 3);
}

static void test_destroy_ends_a_task_that_another_thread_has_woken(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, NULL);
    run_until_asleep(&ex);
    elsewhere(bell_ring, &bell);
    elsewhere_join();
    executor_destroy(&ex);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
}

static struct waker kept;

static void keep_waker(struct probe *self, struct context *cx)
{
    (void)self;
    kept = waker_clone(cx->waker);
}

static void wake_kept(void *unused)
{
    (void)unused;
    waker_wake(kept);
}

static void abort_kept(void *unused)
{
    (void)unused;
    task_abort(kept.data, SITE(""));
    waker_drop(kept);
}

/* The other thread has set QUEUED and is on its way to the queue: destroy must wait for it, or it would come upon an
 * executor that is gone. */
static void destroy_with_one_on_its_way(action *act)
{
    struct executor ex;
    struct tally tally = {0};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, keep_waker, NULL);
    run_until_asleep(&ex);
    lock_gate_close();
    elsewhere(act, NULL);
    at_point(TRACE_PARK_BEGIN, 0, lock_gate_open, NULL);
    executor_destroy(&ex);
    memset(&ex, 0xdb, sizeof ex);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
}

static void test_destroy_waits_for_a_wake_on_its_way(void **state)
{
    (void)state;
    destroy_with_one_on_its_way(wake_kept);
}

static void test_destroy_waits_for_an_abort_on_its_way(void **state)
{
    (void)state;
    destroy_with_one_on_its_way(abort_kept);
}

/* Spawns a task when it is dropped. */
struct spawner {
    struct future base;
    struct tally *tally;
};

static enum poll spawner_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    return POLL_PENDING;
}

static void spawner_drop(struct future *f)
{
    probe_spawn(executor_current(), ((struct spawner *)f)->tally, NULL, NULL, NULL);
}

FUTURE_TYPE(spawner, spawner_poll, spawner_drop);

static void test_a_task_spawned_while_the_executor_is_destroyed_ends_unpolled(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct spawner f = {.tally = &tally};

    future_init(&f.base, &spawner_type);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &f, NULL), 0);
    executor_destroy(&ex);
    assert_int_equal(tally.polls, 0);
    assert_int_equal(tally.drops, 1);
}

/* --- init --- */

static void test_init_says_when_it_cannot(void **state)
{
    (void)state;
    struct executor ex;

    pthread_mutex_init_fails_once(ENOMEM);
    assert_int_equal(executor_init(&ex), -ENOMEM);
    pthread_cond_init_fails_once(EAGAIN);
    assert_int_equal(executor_init(&ex), -EAGAIN);
    assert_int_equal(executor_init(&ex), 0);
    executor_run(&ex); /* nothing to do */
    executor_destroy(&ex);
}

/* --- two executors --- */

struct pair {
    struct bell there, back;
    struct tally tally;
};

static void *run_second_executor(void *arg)
{
    struct pair *pair = arg;
    struct executor ex;
    struct probe f = probe(&pair->tally, &pair->there);

    if (executor_init(&ex) != 0 || executor_block_on(&ex, &f) != 0)
        abort();
    bell_ring(&pair->back);
    future_drop(&f.base);
    executor_destroy(&ex);
    return NULL;
}

static void ring_there(struct probe *self, struct context *cx)
{
    struct pair *pair = self->arg;

    (void)cx;
    if (self->tally->polls == 1)
        bell_ring(&pair->there);
}

/* A wake goes to the executor that the task belongs to, and not to the one that runs on the thread that wakes. */
static void test_executors_of_their_own_threads_wake_each_other(void **state)
{
    (void)state;
    struct pair pair = {.there = BELL, .back = BELL};
    struct executor ex;
    struct tally tally = {0};
    struct probe f = probe(&tally, &pair.back);
    pthread_t second;

    f.act = ring_there;
    f.arg = &pair;
    assert_int_equal(pthread_create(&second, NULL, run_second_executor, &pair), 0);
    while (seen(TRACE_PARK_BEGIN) == 0)
        sched_yield();
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &f), 0);
    pthread_join(second, NULL);
    future_drop(&f.base);
    executor_destroy(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_wake_between_the_look_and_the_sleep),
        TEST(test_a_wake_before_the_look),
        TEST(test_a_wake_while_it_is_awake_signals_nobody),
        TEST(test_a_sleep_that_ends_for_no_reason_goes_on),
        TEST(test_it_sleeps_only_when_nothing_is_ready),
        TEST(test_block_on_leaves_the_other_tasks_as_they_are),
        TEST(test_destroy_ends_sleeping_tasks),
        TEST(test_destroy_ends_tasks_that_were_never_polled),
        TEST(test_destroy_ends_a_task_that_another_thread_has_woken),
        TEST(test_destroy_waits_for_a_wake_on_its_way),
        TEST(test_destroy_waits_for_an_abort_on_its_way),
        TEST(test_a_task_spawned_while_the_executor_is_destroyed_ends_unpolled),
        TEST(test_init_says_when_it_cannot),
        TEST(test_executors_of_their_own_threads_wake_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
