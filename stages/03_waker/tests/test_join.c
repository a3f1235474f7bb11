/* LINK: @tests/support.link */
/* Join handles: the output is there once, is dropped once, and whoever waits is woken, also in a circle. */
#include "support.h"

#include "combine.h"

static struct bell always = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = true};

/* --- the output --- */

static void test_the_output_is_read_and_then_dropped_with_the_handle(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &always, NULL, &handle);
    assert_int_equal(executor_block_on(&ex, &handle), 0);
    struct probe *output = join_handle_output(&handle);
    assert_non_null(output->held);
    assert_int_equal(tally.drops, 0);
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_the_handle_is_dropped_before_the_end(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    run_until_asleep(&ex);
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 0); /* the task goes on */
    bell_ring(&bell);
    executor_run(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_the_handle_is_dropped_after_the_end_and_never_polled(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &always, NULL, &handle);
    executor_run(&ex);
    assert_int_equal(tally.drops, 0);
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void drop_own_handle(struct probe *self, struct context *cx)
{
    struct join_handle *handle = self->arg;

    (void)cx;
    future_drop(&handle->base);
}

static void test_a_task_drops_its_own_handle(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct probe f = probe(&tally, &always);
    struct join_handle handle;

    f.act = drop_own_handle;
    f.arg = &handle;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &f, &handle), 0);
    executor_run(&ex);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_without_a_handle_the_output_is_dropped_at_the_end(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &always, NULL, NULL);
    executor_run(&ex);
    assert_int_equal(tally.drops, 1);
    assert_int_equal(seen(TRACE_TASK_FREE), 1);
    executor_destroy(&ex);
}

static void test_a_handle_outlives_the_executor(void **state)
{
    (void)state;
    struct executor ex;
    struct tally done = {0}, aborted = {0};
    struct join_handle of_done, of_aborted;
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &done, &always, NULL, &of_done);
    probe_spawn(&ex, &aborted, NULL, NULL, &of_aborted);
    run_until_asleep(&ex);
    executor_destroy(&ex);
    assert_int_equal(future_poll(&of_done.base, &cx), POLL_READY);
    assert_int_equal(future_poll(&of_aborted.base, &cx), POLL_READY);
    assert_non_null(join_handle_output(&of_done));
    assert_null(join_handle_output(&of_aborted));
    future_drop(&of_done.base);
    future_drop(&of_aborted.base);
    assert_int_equal(done.drops, 1);
    assert_int_equal(aborted.drops, 1);
}

/* --- who is woken --- */

/* Polls a future that it does not own. `leaves`: it is content with one poll, whatever that says. */
struct borrower {
    struct future base;
    struct future *lent;
    bool leaves;
    int *polls;
};

static enum poll borrower_poll(struct future *f, struct context *cx)
{
    struct borrower *self = (struct borrower *)f;

    ++*self->polls;
    enum poll result = future_poll(self->lent, cx);
    return self->leaves ? POLL_READY : result;
}

FUTURE_TYPE(borrower, borrower_poll, NULL);

static void borrower_spawn(struct executor *ex, struct future *lent, bool leaves, int *polls)
{
    struct borrower f = {.lent = lent, .leaves = leaves, .polls = polls};

    future_init(&f.base, &borrower_type);
    assert_int_equal(task_spawn(ex, &f, NULL), 0);
}

/* The future is polled by one task first and then by another. It is the second one that must be woken. */
static void second_poller_is_woken(struct executor *ex, struct future *lent, struct bell *bell)
{
    int first = 0, second = 0;

    borrower_spawn(ex, lent, true, &first);
    borrower_spawn(ex, lent, false, &second);
    run_until_asleep(ex);
    assert_int_equal(second, 1);
    bell_ring(bell);
    executor_run(ex);
    assert_int_equal(first, 1);
    assert_int_equal(second, 2);
    future_drop(lent);
    executor_destroy(ex);
}

static void test_the_waker_of_the_latest_poll_is_woken_by_a_join_handle(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    second_poller_is_woken(&ex, &handle.base, &bell);
}

static void test_the_waker_of_the_latest_poll_is_woken_by_a_bell(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct probe f = probe(&tally, &bell);

    assert_int_equal(executor_init(&ex), 0);
    second_poller_is_woken(&ex, &f.base, &bell);
}

static void test_polling_again_with_the_same_waker_keeps_it(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;
    int polls = 0;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    borrower_spawn(&ex, &handle.base, false, &polls);
    run_until_asleep(&ex);
    unsigned clones = seen(TRACE_WAKER_CLONE);
    waker_wake_by_ref(&handle.task->joiner);
    run_until_asleep(&ex);
    assert_int_equal(polls, 2);
    assert_int_equal(seen(TRACE_WAKER_CLONE), clones + 1); /* that of run_until_asleep */
    bell_ring(&bell);
    executor_run(&ex);
    assert_int_equal(polls, 3);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* The one who waits gives up: the task's end wakes nobody, and the waker is not leaked. */
static void test_a_handle_that_is_dropped_takes_its_waker_along(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;
    int polls = 0;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    borrower_spawn(&ex, &handle.base, false, &polls);
    run_until_asleep(&ex);
    future_drop(&handle.base);
    assert_int_equal(seen(TRACE_WAKER_DROP), 1);
    bell_ring(&bell);
    run_until_asleep(&ex);
    assert_int_equal(tally.drops, 1);
    assert_int_equal(polls, 1);
    executor_destroy(&ex);
}

/* --- many, and in a circle --- */

static void test_join_waits_for_both(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bells[2] = {BELL, BELL};
    struct join_handle handles[2];

    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < 2; i++)
        probe_spawn(&ex, &tally, &bells[i], NULL, &handles[i]);
    struct join both = join(&handles[0].base, &handles[1].base);
    struct other second = {bell_ring, &bells[1]};
    run_until_asleep(&ex);
    bell_ring(&bells[0]);
    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &second);
    assert_int_equal(executor_block_on(&ex, &both), 0);
    assert_int_equal(tally.polls, 4);
    future_drop(&both.base);
    assert_int_equal(tally.drops, 2);
    elsewhere_join();
    executor_destroy(&ex);
}

/* Waits for the task that a handle belongs to, and owns the handle. */
struct waiter {
    struct future base;
    struct join_handle *other;
};

static enum poll waiter_poll(struct future *f, struct context *cx)
{
    return future_poll(&((struct waiter *)f)->other->base, cx);
}

static void waiter_drop(struct future *f)
{
    future_drop(&((struct waiter *)f)->other->base);
}

FUTURE_TYPE(waiter, waiter_poll, waiter_drop);

static void circle(int length)
{
    struct executor ex;
    struct join_handle handles[3];

    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < length; i++) {
        struct waiter f = {.other = &handles[(i + 1) % length]};
        future_init(&f.base, &waiter_type);
        assert_int_equal(task_spawn(&ex, &f, &handles[i]), 0);
    }
    run_until_asleep(&ex);
    assert_int_equal(ex.alive, length); /* it is a deadlock: nobody but themselves can wake them */
    executor_destroy(&ex);
    assert_int_equal(seen(TRACE_TASK_FREE), length + 1);
}

static void test_three_tasks_in_a_circle_are_freed(void **state)
{
    (void)state;
    circle(3);
}

static void test_a_task_that_waits_for_itself_is_freed(void **state)
{
    (void)state;
    circle(1);
}

static void test_tasks_that_wait_for_each_other_are_freed(void **state)
{
    (void)state;
    circle(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_output_is_read_and_then_dropped_with_the_handle),
        TEST(test_the_handle_is_dropped_before_the_end),
        TEST(test_the_handle_is_dropped_after_the_end_and_never_polled),
        TEST(test_a_task_drops_its_own_handle),
        TEST(test_without_a_handle_the_output_is_dropped_at_the_end),
        TEST(test_a_handle_outlives_the_executor),
        TEST(test_the_waker_of_the_latest_poll_is_woken_by_a_join_handle),
        TEST(test_the_waker_of_the_latest_poll_is_woken_by_a_bell),
        TEST(test_polling_again_with_the_same_waker_keeps_it),
        TEST(test_a_handle_that_is_dropped_takes_its_waker_along),
        TEST(test_join_waits_for_both),
        TEST(test_a_task_that_waits_for_itself_is_freed),
        TEST(test_three_tasks_in_a_circle_are_freed),
        TEST(test_tasks_that_wait_for_each_other_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
