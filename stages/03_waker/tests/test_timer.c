/* LINK: @tests/support.link */
/* Sleeping: never too short, whoever polls last is woken, and cancelling works at every moment. */
#include "support.h"

#include "select.h"
#include "timer.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

enum { NOON = 1000000000 }; /* ns: where the held clock stands */

/* Polls a sleep that it does not own. `leaves`: it is content with one poll. */
struct sleeper {
    struct future base;
    struct sleep *sleep;
    bool leaves;
    int *polls;
};

static enum poll sleeper_poll(struct future *f, struct context *cx)
{
    struct sleeper *self = (struct sleeper *)f;

    ++*self->polls;
    enum poll result = future_poll(&self->sleep->base, cx);
    return self->leaves ? POLL_READY : result;
}

FUTURE_TYPE(sleeper, sleeper_poll, NULL);

static void sleeper_spawn(struct executor *ex, struct sleep *sleep, bool leaves, int *polls)
{
    struct sleeper f = {.sleep = sleep, .leaves = leaves, .polls = polls};

    future_init(&f.base, &sleeper_type);
    assert_int_equal(task_spawn(ex, &f, NULL), 0);
}

/* Lets every thread that waits for the held clock look at it a few times more. */
static void let_them_look(void)
{
    for (unsigned looks = timed_waits(); timed_waits() < looks + 5;)
        sched_yield();
}

/* --- never too short --- */

static void test_it_does_not_fire_one_nanosecond_early(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    unsigned wakes = seen(TRACE_WAKE_BEGIN);
    clock_hold(NOON + 999);
    let_them_look();
    assert_int_equal(seen(TRACE_WAKE_BEGIN), wakes);
    clock_hold(NOON + 1000);
    executor_run(&ex);
    assert_int_equal(seen(TRACE_WAKE_BEGIN), wakes + 1);
    assert_int_equal(polls, 2);
    assert_int_equal(sleep.output, 0);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

static void test_a_wait_that_ends_for_no_reason_goes_on(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(MILLISECONDS(5));
    uint64_t began = trace_now();

    spurious_waits(20);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_true(trace_now() - began >= MILLISECONDS(5));
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

static void test_an_endless_sleep_does_not_end_at_once(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(UINT64_MAX);
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    let_them_look();
    run_until_asleep(&ex);
    assert_int_equal(polls, 1);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

static void test_no_time_at_all_is_over_at_once(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(0);

    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

static void test_it_counts_from_the_first_poll(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    clock_hold(2 * NOON);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    assert_int_equal(sleep.deadline, 2 * NOON + 1000);
    clock_hold(3 * (uint64_t)NOON);
    executor_run(&ex);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

/* --- who is woken --- */

static void test_the_waker_of_the_latest_poll_is_woken(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    int first = 0, second = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, true, &first);
    sleeper_spawn(&ex, &sleep, false, &second);
    run_until_asleep(&ex);
    assert_int_equal(second, 1);
    clock_hold(NOON + 1000);
    executor_run(&ex);
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

struct hand {
    struct sleep *sleep;
    enum poll result;
};

static void poll_by_hand(void *arg)
{
    struct hand *hand = arg;
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    hand->result = future_poll(&hand->sleep->base, &cx);
}

/* The poll stands before the lock while the helper thread fires: it must not believe what it saw before. */
static void test_a_poll_that_comes_while_it_fires_is_ready(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    struct hand hand = {&sleep, POLL_PENDING};
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    unsigned wakes = seen(TRACE_WAKE_END);
    lock_gate_close();
    elsewhere(poll_by_hand, &hand);
    clock_hold(NOON + 1000);
    while (seen(TRACE_WAKE_END) == wakes)
        sched_yield();
    lock_gate_open(NULL);
    elsewhere_join();
    assert_int_equal(hand.result, POLL_READY);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

/* --- cancelled --- */

static void test_dropped_before_its_first_poll(void **state)
{
    (void)state;
    struct sleep sleep = sleep_for(1000);

    future_drop(&sleep.base);
    assert_int_equal(seen(TRACE_WAIT), 0);
}

static void test_dropped_while_it_sleeps_it_wakes_nobody(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    unsigned wakes = seen(TRACE_WAKE_BEGIN);
    future_drop(&sleep.base);
    assert_int_equal(seen(TRACE_WAKE_BEGIN), wakes);
    assert_int_equal(seen(TRACE_WAKER_DROP), 1);
    run_until_asleep(&ex);
    assert_int_equal(polls, 1);
    executor_destroy(&ex);
}

static void drop_sleep(void *sleep)
{
    future_drop(&((struct sleep *)sleep)->base);
}

/* The helper thread has seen that the time is up and is about to wake the task. */
static void dropped_while_it_fires(enum trace_kind kind)
{
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    struct other drop = {drop_sleep, &sleep};
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    unsigned wakes = seen(TRACE_WAKE_END);
    at_point(kind, 0, act_elsewhere, &drop);
    clock_hold(NOON + 1000);
    while (seen(TRACE_WAKE_END) == wakes)
        sched_yield();
    elsewhere_join(); /* the drop has waited for the helper thread */
    assert_int_equal(seen(TRACE_WAKE_END), wakes + 1);
    executor_destroy(&ex);
    assert_int_equal(polls, 1);
}

static void test_dropped_while_it_fires_before_the_wake(void **state)
{
    (void)state;
    dropped_while_it_fires(TRACE_WAIT_END);
}

static void test_dropped_while_it_fires_during_the_wake(void **state)
{
    (void)state;
    dropped_while_it_fires(TRACE_WAKE_BEGIN);
}

static void test_dropped_while_it_fires_after_the_wake(void **state)
{
    (void)state;
    dropped_while_it_fires(TRACE_WAKE_END);
}

/* The time is up, the task is woken, and aborted before it is polled. */
static void test_dropped_after_it_fired_and_before_its_poll(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(1000);
    int polls = 0;

    clock_hold(NOON);
    assert_int_equal(executor_init(&ex), 0);
    sleeper_spawn(&ex, &sleep, false, &polls);
    run_until_asleep(&ex);
    unsigned pushes = seen(TRACE_QUEUE_PUSH);
    clock_hold(NOON + 1000);
    while (seen(TRACE_QUEUE_PUSH) == pushes)
        sched_yield();
    future_drop(&sleep.base);
    executor_destroy(&ex);
    assert_int_equal(polls, 1);
}

/* A task that sleeps is aborted at each moment of its helper thread. */
static void abort_task(void *task)
{
    task_abort((struct task *)task, SITE(""));
}

static void test_aborted_at_each_moment_of_the_helper_thread(void **state)
{
    (void)state;
    enum trace_kind kinds[] = {TRACE_WAIT_END, TRACE_WAKE_BEGIN, TRACE_WAKE_END, TRACE_UNPARK};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct executor ex;
        struct sleep sleep = sleep_for(MILLISECONDS(1));
        struct join_handle handle;

        assert_int_equal(executor_init(&ex), 0);
        assert_int_equal(task_spawn(&ex, &sleep, &handle), 0);
        struct other abort = {abort_task, handle.task};
        at_point(kinds[i], 0, act_elsewhere, &abort);
        assert_int_equal(executor_block_on(&ex, &handle), 0);
        elsewhere_join();
        moments_forget();
        future_drop(&handle.base);
        executor_destroy(&ex);
    }
}

static void test_a_race_drops_the_longer_sleep(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep hour = sleep_for(MILLISECONDS(3600000));
    struct sleep moment = sleep_for(MILLISECONDS(1));
    struct select first = select_first(&hour.base, &moment.base);

    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &first), 0);
    assert_ptr_equal(first.winner, &moment.base);
    assert_int_equal(hour.base.phase, FUTURE_DROPPED);
    future_drop(&first.base);
    executor_destroy(&ex);
}

/* --- no thread --- */

static void test_when_no_thread_can_be_made_the_output_says_so(void **state)
{
    (void)state;
    struct executor ex;
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));

    pthread_create_fails_once(EAGAIN);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_int_equal(sleep.output, -EAGAIN);
    assert_int_equal(seen(TRACE_WAIT), seen(TRACE_WAIT_END));
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_does_not_fire_one_nanosecond_early),
        TEST(test_a_wait_that_ends_for_no_reason_goes_on),
        TEST(test_an_endless_sleep_does_not_end_at_once),
        TEST(test_no_time_at_all_is_over_at_once),
        TEST(test_it_counts_from_the_first_poll),
        TEST(test_the_waker_of_the_latest_poll_is_woken),
        TEST(test_a_poll_that_comes_while_it_fires_is_ready),
        TEST(test_dropped_before_its_first_poll),
        TEST(test_dropped_while_it_sleeps_it_wakes_nobody),
        TEST(test_dropped_while_it_fires_before_the_wake),
        TEST(test_dropped_while_it_fires_during_the_wake),
        TEST(test_dropped_while_it_fires_after_the_wake),
        TEST(test_dropped_after_it_fired_and_before_its_poll),
        TEST(test_aborted_at_each_moment_of_the_helper_thread),
        TEST(test_a_race_drops_the_longer_sleep),
        TEST(test_when_no_thread_can_be_made_the_output_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
