/* The explorer against programs whose outcomes are known: each must show all that are allowed, and no other. */
#include "litmus.h"

#include "../core.h"
#include "../search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the headers above it. */
#include <cmocka.h>

enum { MAX_OUTCOMES = 10000 };

static const int RELAXED = memory_order_relaxed, ACQUIRE = memory_order_acquire, RELEASE = memory_order_release,
                 SEQ_CST = memory_order_seq_cst;

/* With no bound on preemptions, with one that is high enough for all of these, and with the usual one. */
static const unsigned every_bound[] = {PREEMPTIONS_ALL, 20};

static bool *seen; /* outlives the runs */

void outcome(unsigned digits)
{
    seen[digits] = true;
}

static void explore(void (*program)(void), unsigned bound, unsigned spurious, struct verdict *verdict)
{
    struct limits limits = {.preemptions = bound, .spurious = spurious, .old_values = 4, .runs = 2000000};

    seen = seen ? seen : memory_reserve(MAX_OUTCOMES);
    memset(seen, 0, MAX_OUTCOMES);
    search_all(program, &limits, verdict);
}

/* expected: all outcomes in rising order, as in "0 1 10 11". */
static void expect_outcomes(void (*program)(void), int store, int load, const char *expected)
{
    for (unsigned i = 0; i < sizeof every_bound / sizeof *every_bound; i++) {
        char found[1000] = "";
        struct verdict verdict;

        orders = (struct orders){store, load};
        explore(program, every_bound[i], 0, &verdict);
        if (verdict.failed)
            fail_msg("%s", verdict.reason);
        assert_true(verdict.complete);
        for (unsigned n = 0; n < MAX_OUTCOMES; n++)
            if (seen[n])
                snprintf(found + strlen(found), sizeof found - strlen(found), "%s%u", *found ? " " : "", n);
        assert_string_equal(found, expected);
    }
}

static void expect_right(void (*program)(void), unsigned bound)
{
    struct verdict verdict;

    explore(program, bound, 1, &verdict);
    if (verdict.failed)
        fail_msg("%s", verdict.reason);
    assert_true(verdict.complete);
}

/* It fails for this reason, with any bound from the given one on; and does again when its schedule is replayed. */
static void expect_broken(void (*program)(void), unsigned bound, unsigned spurious, const char *reason)
{
    unsigned bounds[] = {bound, bound + 1, PREEMPTIONS_ALL};

    for (unsigned i = 0; i < 3; i++) {
        struct limits limits = {.preemptions = bounds[i], .spurious = spurious, .old_values = 4};
        struct verdict verdict, again;

        explore(program, bounds[i], spurious, &verdict);
        if (!verdict.failed)
            fail_msg("not found, with a bound of %u: %s", bounds[i], reason);
        if (strncmp(verdict.reason, reason, strlen(reason)) != 0)
            fail_msg("expected: %s, but it said: %s", reason, verdict.reason);
        search_replay(program, verdict.schedule, &limits, false, &again);
        if (!again.failed)
            fail_msg("%s: the schedule %s does not show it", verdict.reason, verdict.schedule);
        assert_string_equal(again.reason, verdict.reason);
    }
}

static void test_store_buffering(void **state)
{
    (void)state;
    expect_outcomes(store_buffering, RELAXED, RELAXED, "0 1 10 11");
    expect_outcomes(store_buffering, RELEASE, ACQUIRE, "0 1 10 11");
    expect_outcomes(store_buffering, SEQ_CST, ACQUIRE, "0 1 10 11");
    expect_outcomes(store_buffering, SEQ_CST, SEQ_CST, "1 10 11");
    expect_outcomes(store_buffering_by_rmw, RELAXED, RELAXED, "1 20");
}

static void test_message_passing(void **state)
{
    (void)state;
    expect_outcomes(message_passing, RELAXED, RELAXED, "0 1 10 11");
    expect_outcomes(message_passing, RELEASE, RELAXED, "0 1 10 11");
    expect_outcomes(message_passing, RELAXED, ACQUIRE, "0 1 10 11");
    expect_outcomes(message_passing, RELEASE, ACQUIRE, "0 1 11");
    expect_outcomes(message_passing, SEQ_CST, SEQ_CST, "0 1 11");
    expect_outcomes(message_passing_plain, RELEASE, ACQUIRE, "0 11");
    expect_outcomes(message_after, RELEASE, ACQUIRE, "0 1 10 11");
}

static void test_message_passing_of_plain_data(void **state)
{
    (void)state;
    orders = (struct orders){RELEASE, RELAXED};
    expect_broken(message_passing_plain, 1, 0, "data race: a write by thread 1");
    orders = (struct orders){RELAXED, ACQUIRE};
    expect_broken(message_passing_plain, 1, 0, "data race: a write by thread 1");
}

/* C11 allows 11 with relaxed orders, and no compiler or processor that we know shows it for such a program often. It is
 * the known limit: a load sees only stores that were made. */
static void test_load_buffering_is_not_shown(void **state)
{
    (void)state;
    expect_outcomes(load_buffering, RELAXED, RELAXED, "0 1 10");
    expect_outcomes(load_buffering, RELEASE, ACQUIRE, "0 1 10");
}

static void test_iriw(void **state)
{
    (void)state;
    expect_outcomes(iriw, RELEASE, ACQUIRE, "0 1 10 11 100 101 110 111 1000 1001 1010 1011 1100 1101 1110 1111");
    expect_outcomes(iriw, SEQ_CST, SEQ_CST, "0 1 10 11 100 101 110 111 1000 1001 1011 1100 1101 1110 1111");
}

static void test_coherence(void **state)
{
    (void)state;
    expect_outcomes(coherence_read_read, RELAXED, RELAXED, "0 1 2 11 12 22");
    expect_outcomes(coherence_write_read, RELAXED, RELAXED, "1 2");
    expect_outcomes(coherence_across_threads, RELAXED, RELAXED, "0 1 10 11 100 101 111");
    expect_outcomes(two_writers, RELAXED, RELAXED, "1 2");
}

static void test_release_sequences(void **state)
{
    (void)state;
    expect_outcomes(release_sequence, RELAXED, RELAXED, "0 10 11");
    expect_broken(release_sequence_broken, 2, 0, "data race: a write by thread 1");
}

static void test_read_modify_writes(void **state)
{
    (void)state;
    expect_outcomes(rmw_counts, RELAXED, RELAXED, "6");
    expect_outcomes(failed_exchange, RELAXED, RELAXED, "0 1 10 11");
    expect_outcomes(failed_exchange, RELEASE, ACQUIRE, "0 1 11");
}

static void test_broken_programs(void **state)
{
    (void)state;
    orders = (struct orders){SEQ_CST, SEQ_CST};
    expect_broken(broken_deadlock, 0, 0, "deadlock: thread 0 waits at ");
    expect_broken(broken_lock_order, 1, 0, "deadlock: thread 0 waits at ");
    expect_broken(broken_leak, 0, 0, "leak: 1 blocks");
    expect_broken(broken_double_free, 0, 0, "double free");
    expect_broken(broken_use_after_free, 0, 0, "use after free: a write");
    expect_broken(broken_use_after_free_atomic, 0, 0, "use after free: an atomic write");
    expect_broken(broken_race, 0, 0, "data race: a write by thread 1");
    expect_broken(broken_message_after, 0, 0, "data race: a write by thread 1");
    expect_broken(broken_race_on_free, 0, 0, "data race: a read by thread");
    expect_broken(broken_init_race, 0, 0, "data race: a write by thread 1");
    expect_broken(broken_unlock, 0, 0, "misuse: thread 0 unlocks a mutex that it does not hold");
    expect_broken(broken_if_for_while, 0, 1, "broken: plain == 1");
    expect_broken(broken_lost_signal, 1, 0, "deadlock: thread 0 sleeps at ");
    expect_broken(broken_two_preemptions, 2, 0, "broken: !(r[0] == 1");
}

static void test_livelock(void **state)
{
    struct verdict verdict;

    (void)state;
    explore(broken_livelock, 1, 0, &verdict);
    assert_true(verdict.failed);
    assert_non_null(strstr(verdict.reason, "livelock"));
}

static void test_bounds_limit_the_search(void **state)
{
    (void)state;
    orders = (struct orders){SEQ_CST, SEQ_CST};
    expect_right(broken_lock_order, 0);
    expect_right(broken_two_preemptions, 1);
}

static void test_right_programs(void **state)
{
    (void)state;
    expect_right(right_spin_lock, 2);
    expect_right(right_locals, 3);
    expect_right(right_statics, 3);
    expect_outcomes(right_condition, RELAXED, RELAXED, "1");
    expect_outcomes(right_timed_wait, RELAXED, RELAXED, "1 10 11");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_buffering),
        cmocka_unit_test(test_message_passing),
        cmocka_unit_test(test_message_passing_of_plain_data),
        cmocka_unit_test(test_load_buffering_is_not_shown),
        cmocka_unit_test(test_iriw),
        cmocka_unit_test(test_coherence),
        cmocka_unit_test(test_release_sequences),
        cmocka_unit_test(test_read_modify_writes),
        cmocka_unit_test(test_broken_programs),
        cmocka_unit_test(test_livelock),
        cmocka_unit_test(test_bounds_limit_the_search),
        cmocka_unit_test(test_right_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
