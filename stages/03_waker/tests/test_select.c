/* LINK: @tests/support.link */
/* select: the first that is ready wins, the other is dropped half-way, each of them exactly once. */
#include "support.h"

#include "select.h"

struct match {
    struct executor ex;
    struct tally tally[2];
    struct bell bell[2];
    struct probe future[2];
    struct select first;
};

static void match_begin(struct match *m)
{
    *m = (struct match){.bell = {BELL, BELL}};
    for (int i = 0; i < 2; i++)
        m->future[i] = probe(&m->tally[i], &m->bell[i]);
    m->first = select_first(&m->future[0].base, &m->future[1].base);
    assert_int_equal(executor_init(&m->ex), 0);
}

static void match_end(struct match *m)
{
    future_drop(&m->first.base);
    for (int i = 0; i < 2; i++)
        assert_int_equal(m->tally[i].drops, 1);
    elsewhere_join();
    executor_destroy(&m->ex);
}

static void the_one_that_rings_wins(int winner)
{
    struct match m;
    int loser = 1 - winner;

    match_begin(&m);
    struct other ring = {bell_ring, &m.bell[winner]};
    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &ring);
    assert_int_equal(executor_block_on(&m.ex, &m.first), 0);
    assert_ptr_equal(m.first.winner, &m.future[winner].base);
    assert_int_equal(m.tally[winner].drops, 0); /* its output is still there */
    assert_int_equal(m.tally[loser].drops, 1);
    assert_null(m.bell[loser].waiting.vtable); /* it no longer waits */
    bell_ring(&m.bell[loser]);                 /* too late, and harmless */
    match_end(&m);
}

static void test_the_left_one_wins(void **state)
{
    (void)state;
    the_one_that_rings_wins(0);
}

static void test_the_right_one_wins(void **state)
{
    (void)state;
    the_one_that_rings_wins(1);
}

static void test_both_are_ready_and_the_left_one_wins(void **state)
{
    (void)state;
    struct match m;

    match_begin(&m);
    m.bell[0].rung = m.bell[1].rung = true;
    assert_int_equal(executor_block_on(&m.ex, &m.first), 0);
    assert_ptr_equal(m.first.winner, &m.future[0].base);
    assert_int_equal(m.tally[1].polls, 0); /* it was dropped before it began */
    match_end(&m);
}

static void test_dropped_before_its_first_poll(void **state)
{
    (void)state;
    struct match m;

    match_begin(&m);
    match_end(&m);
    assert_int_equal(m.tally[0].polls + m.tally[1].polls, 0);
}

static void test_dropped_while_both_wait(void **state)
{
    (void)state;
    struct match m;
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    match_begin(&m);
    assert_int_equal(future_poll(&m.first.base, &cx), POLL_PENDING);
    match_end(&m);
    assert_null(m.bell[0].waiting.vtable);
    assert_null(m.bell[1].waiting.vtable);
}

/* As a task of its own, which is told to stop while both wait. */
static void test_aborted_while_both_wait(void **state)
{
    (void)state;
    struct match m;
    struct join_handle handle;

    match_begin(&m);
    assert_int_equal(task_spawn(&m.ex, &m.first, &handle), 0);
    run_until_asleep(&m.ex);
    join_handle_abort(&handle);
    assert_int_equal(executor_block_on(&m.ex, &handle), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(m.tally[i].polls, 1);
        assert_int_equal(m.tally[i].drops, 1);
    }
    future_drop(&handle.base);
    executor_destroy(&m.ex);
}

/* Both wake the same task: that is one poll, and it ends it. */
static void test_both_ring_at_once(void **state)
{
    (void)state;
    struct match m;
    struct join_handle handle;

    match_begin(&m);
    assert_int_equal(task_spawn(&m.ex, &m.first, &handle), 0);
    run_until_asleep(&m.ex);
    bell_ring(&m.bell[1]);
    elsewhere(bell_ring, &m.bell[0]);
    assert_int_equal(executor_block_on(&m.ex, &handle), 0);
    assert_ptr_equal(((struct select *)join_handle_output(&handle))->winner, &m.future[0].base);
    assert_int_equal(m.tally[0].polls, 2);
    assert_int_equal(m.tally[1].polls, 1);
    future_drop(&handle.base);
    assert_int_equal(m.tally[0].drops + m.tally[1].drops, 2);
    elsewhere_join();
    executor_destroy(&m.ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_left_one_wins),
        TEST(test_the_right_one_wins),
        TEST(test_both_are_ready_and_the_left_one_wins),
        TEST(test_dropped_before_its_first_poll),
        TEST(test_dropped_while_both_wait),
        TEST(test_aborted_while_both_wait),
        TEST(test_both_ring_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
