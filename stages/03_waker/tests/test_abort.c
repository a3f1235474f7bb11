/* LINK: @tests/support.link */
/* A task is told to stop, at each moment of its life: its future is dropped once, it is not polled any more, its memory
 * is given back, and its join handle is ready. */
#include "support.h"

static void abort_by_handle(void *handle)
{
    join_handle_abort((struct join_handle *)handle);
}

/* Waits for the task's end, and says whether it left an output. */
static bool join(struct executor *ex, struct join_handle *handle)
{
    assert_int_equal(executor_block_on(ex, handle), 0);
    bool has_output = join_handle_output(handle);
    future_drop(&handle->base);
    return has_output;
}

static void wake_twice(struct probe *self, struct context *cx)
{
    if (self->tally->polls < 3)
        waker_wake_by_ref(cx->waker);
}

static void ready_at_third(struct probe *self, struct context *cx)
{
    if (self->tally->polls == 3)
        self->bell->rung = true;
    wake_twice(self, cx);
}

/* --- one moment each --- */

static void test_abort_before_the_first_poll(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, NULL, &handle);
    join_handle_abort(&handle);
    assert_int_equal(tally.drops, 0); /* it is the executor that drops */
    assert_false(join(&ex, &handle));
    assert_int_equal(tally.polls, 0);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_abort_while_asleep(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    run_until_asleep(&ex);
    join_handle_abort(&handle);
    assert_false(join(&ex, &handle));
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
    assert_null(bell.waiting.vtable);
    executor_destroy(&ex);
}

static void abort_self(struct probe *self, struct context *cx)
{
    (void)cx;
    join_handle_abort((struct join_handle *)self->arg);
}

static void abort_self_elsewhere(struct probe *self, struct context *cx)
{
    (void)cx;
    elsewhere(abort_by_handle, self->arg);
}

static void abort_in_the_poll(void (*act)(struct probe *, struct context *), struct bell *bell, bool has_output)
{
    struct executor ex;
    struct tally tally = {0};
    struct probe f = probe(&tally, bell);
    struct join_handle handle;

    f.act = act;
    f.arg = &handle;
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &f, &handle), 0);
    run_until_asleep(&ex);
    assert_int_equal(tally.drops, !has_output); /* it has ended already, although nobody else woke it */
    assert_int_equal(join(&ex, &handle), has_output);
    assert_int_equal(tally.polls, 1);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_abort_inside_its_own_poll(void **state)
{
    (void)state;
    abort_in_the_poll(abort_self, NULL, false);
}

static void test_abort_from_another_thread_inside_the_poll(void **state)
{
    (void)state;
    abort_in_the_poll(abort_self_elsewhere, NULL, false);
}

static void test_abort_inside_the_last_poll_comes_too_late(void **state)
{
    (void)state;
    struct bell bell = BELL;
    bell.rung = true;
    abort_in_the_poll(abort_self, &bell, true);
}

static void test_abort_after_the_end_changes_nothing(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    bell.rung = true;
    probe_spawn(&ex, &tally, &bell, NULL, &handle);
    run_until_asleep(&ex);
    join_handle_abort(&handle);
    run_until_asleep(&ex);
    assert_int_equal(seen(TRACE_TASK_CANCELLED), 0);
    assert_true(join(&ex, &handle));
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

static void test_abort_twice_is_once(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, NULL, &handle);
    run_until_asleep(&ex);
    join_handle_abort(&handle);
    elsewhere(abort_by_handle, &handle);
    assert_false(join(&ex, &handle));
    assert_int_equal(seen(TRACE_TASK_CANCELLED), 1);
    executor_destroy(&ex);
}

static void test_abort_after_the_executor_is_gone_does_nothing(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, NULL, &handle);
    executor_destroy(&ex);
    join_handle_abort(&handle);
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 1);
}

/* --- every moment --- */

static void abort_task(void *task)
{
    task_abort((struct task *)task, SITE(""));
}

/* Aborts at the n-th point that the executor's thread reaches, or else when that thread falls asleep; and rings the bell
 * m points after the abort, if it is not 0. The task wakes itself twice before it waits for the bell. */
static struct {
    struct other abort, ring;
    unsigned m;
    bool reached; /* the n-th point has come */
    bool aborted;
} plan;

/* Only once: if it were forgotten, a second one must not come to the rescue. */
static void abort_once(void *unused)
{
    (void)unused;
    if (!plan.aborted)
        act_elsewhere(&plan.abort);
    plan.aborted = true;
}

static void abort_and_plan_the_ring(void *unused)
{
    plan.reached = true;
    abort_once(unused);
    if (plan.m > 0)
        at_nth(plan.m, act_elsewhere, &plan.ring);
}

static bool run_with_abort_at(unsigned n, unsigned m, void (*act)(struct probe *, struct context *))
{
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct join_handle handle;

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, &bell, act, &handle);
    plan.abort = (struct other){abort_task, handle.task};
    plan.ring = (struct other){bell_ring, &bell};
    plan.m = m;
    plan.reached = plan.aborted = false;
    at_nth(n, abort_and_plan_the_ring, NULL);
    at_point(TRACE_PARK_BEGIN, 0, abort_once, NULL);
    assert_int_equal(executor_block_on(&ex, &handle), 0);
    moments_forget();
    bool has_output = join_handle_output(&handle);
    elsewhere_join();
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 1);
    assert_in_range(tally.polls, has_output, 4);
    assert_int_equal(seen(TRACE_TASK_CANCELLED), has_output ? 0 : 1);
    executor_destroy(&ex);
    return plan.reached;
}

static unsigned sweep(unsigned m, void (*act)(struct probe *, struct context *))
{
    unsigned n = 1;
    do
        assert_int_equal(test_end(NULL) | test_begin(NULL), 0);
    while (run_with_abort_at(n++, m, act));
    return n;
}

static void test_abort_at_every_moment_of_a_task_that_sleeps(void **state)
{
    (void)state;
    assert_in_range(sweep(0, wake_twice), 20, 100);
}

static void test_abort_at_every_moment_of_a_task_that_becomes_ready(void **state)
{
    (void)state;
    assert_in_range(sweep(0, ready_at_third), 20, 100);
}

static void test_abort_at_every_moment_and_a_wake_soon_after(void **state)
{
    (void)state;
    for (unsigned m = 1; m <= 12; m++)
        sweep(m, wake_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_abort_before_the_first_poll),
        TEST(test_abort_while_asleep),
        TEST(test_abort_inside_its_own_poll),
        TEST(test_abort_from_another_thread_inside_the_poll),
        TEST(test_abort_inside_the_last_poll_comes_too_late),
        TEST(test_abort_after_the_end_changes_nothing),
        TEST(test_abort_twice_is_once),
        TEST(test_abort_after_the_executor_is_gone_does_nothing),
        TEST(test_abort_at_every_moment_of_a_task_that_sleeps),
        TEST(test_abort_at_every_moment_of_a_task_that_becomes_ready),
        TEST(test_abort_at_every_moment_and_a_wake_soon_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
