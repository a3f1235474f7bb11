/* Futures made of futures, in every order in which the children can become ready, and dropped at every point. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "combine.h"

#include <string.h>

enum { LONGEST = 4 }; /* children say PENDING up to so many times */

/* How many polls it takes. */
static int polls_until_ready(struct future *f)
{
    int polls = 1;
    while (poll_by_hand_at(f, SITE("")) == POLL_PENDING)
        polls++;
    return polls;
}

static void hand_over(struct future *first, struct future *second)
{
    journal_add('|');
    ((struct probe *)second)->pendings = *((struct probe *)first)->output;
}

static void note_the_middle(struct future *first, struct future *second)
{
    (void)first, (void)second;
    journal_add('|');
}

static void check_then(int a, int b)
{
    struct probe first = probe('a', a), second = probe('b', b);
    struct then both = then(&first.base, &second.base, note_the_middle);
    char expected[64] = "";

    journal_clear();
    assert_int_equal(polls_until_ready(&both.base), a + b + 1); /* the poll that ends the first begins the second */
    memset(expected, 'a', (size_t)a + 1);
    expected[a + 1] = '|';
    memset(expected + a + 2, 'b', (size_t)b + 1);
    assert_journal(expected);
    assert_int_equal(*second.output, b + 1);
    future_drop(&both.base);
}

static void test_then_runs_one_after_the_other(void **state)
{
    (void)state;
    for (int a = 0; a <= LONGEST; a++)
        for (int b = 0; b <= LONGEST; b++)
            check_then(a, b);
}

static void test_then_hands_the_output_over(void **state)
{
    struct probe first = probe('a', 2), second = probe('b', 0);
    struct then both = then(&first.base, &second.base, hand_over);

    (void)state;
    assert_int_equal(polls_until_ready(&both.base), 2 + 3 + 1); /* the first was polled 3 times, and passed that on */
    assert_journal("aaa|bbbb");
    future_drop(&both.base);
}

static void test_then_needs_nothing_in_between(void **state)
{
    struct probe first = probe('a', 1), second = probe('b', 1);
    struct then both = then(&first.base, &second.base, NULL);

    (void)state;
    assert_int_equal(polls_until_ready(&both.base), 3);
    future_drop(&both.base);
}

static void check_join(int a, int b)
{
    struct probe left = probe('a', a), right = probe('b', b);
    struct join both = join(&left.base, &right.base);

    journal_clear();
    assert_int_equal(polls_until_ready(&both.base), (a > b ? a : b) + 1); /* they wait side by side */
    assert_int_equal(journal_count('a'), a + 1);                          /* and are left alone once they are ready */
    assert_int_equal(journal_count('b'), b + 1);
    assert_int_equal(*left.output, a + 1);
    assert_int_equal(*right.output, b + 1);
    future_drop(&both.base);
}

static void test_join_waits_for_both_in_any_order(void **state)
{
    (void)state;
    for (int a = 0; a <= LONGEST; a++)
        for (int b = 0; b <= LONGEST; b++)
            check_join(a, b);
}

static void test_join_takes_turns(void **state)
{
    struct probe left = probe('a', 2), right = probe('b', 1);
    struct join both = join(&left.base, &right.base);

    (void)state;
    polls_until_ready(&both.base);
    assert_journal("ababa");
    future_drop(&both.base);
}

/* ---- dropped half-way ---- */

/* Polls f so often, or until it is ready, and drops it: nothing may be left, and nothing freed twice. */
static enum poll poll_and_drop(struct future *f, int polls)
{
    enum poll result = POLL_PENDING;

    for (int i = 0; i < polls && result == POLL_PENDING; i++)
        result = poll_by_hand_at(f, SITE(""));
    future_drop(f);
    assert_int_equal(memory_alive(), 0);
    return result;
}

static void test_then_dropped_anywhere_drops_both_once(void **state)
{
    enum poll result = POLL_PENDING;

    (void)state;
    for (int polls = 0; result == POLL_PENDING; polls++) {
        struct probe first = probe('a', 2), second = probe('b', 2);
        struct then both = then(&first.base, &second.base, NULL);
        result = poll_and_drop(&both.base, polls);
        assert_int_equal(first.base.phase, FUTURE_DROPPED);
        assert_int_equal(second.base.phase, FUTURE_DROPPED);
    }
}

static void test_join_dropped_anywhere_drops_both_once(void **state)
{
    enum poll result = POLL_PENDING;

    (void)state;
    for (int polls = 0; result == POLL_PENDING; polls++) {
        struct probe left = probe('a', 1), right = probe('b', 3);
        struct join both = join(&left.base, &right.base);
        result = poll_and_drop(&both.base, polls);
        assert_int_equal(left.base.phase, FUTURE_DROPPED);
        assert_int_equal(right.base.phase, FUTURE_DROPPED);
    }
}

/* (a, then b) beside (c, then d), and then e. */
static void test_nested_dropped_anywhere_drops_all_once(void **state)
{
    enum poll result = POLL_PENDING;

    (void)state;
    for (int polls = 0; result == POLL_PENDING; polls++) {
        struct probe a = probe('a', 1), b = probe('b', 2), c = probe('c', 2), d = probe('d', 0), e = probe('e', 1);
        struct then ab = then(&a.base, &b.base, NULL), cd = then(&c.base, &d.base, NULL);
        struct join abcd = join(&ab.base, &cd.base);
        struct then all = then(&abcd.base, &e.base, NULL);
        result = poll_and_drop(&all.base, polls);
    }
    assert_true(journal_count('e') > 0); /* the loop did get that far */
}

static void test_nested_takes_as_long_as_its_longest_path(void **state)
{
    struct probe a = probe('a', 1), b = probe('b', 2), c = probe('c', 2), d = probe('d', 0), e = probe('e', 1);
    struct then ab = then(&a.base, &b.base, NULL), cd = then(&c.base, &d.base, NULL);
    struct join abcd = join(&ab.base, &cd.base);
    struct then all = then(&abcd.base, &e.base, NULL);

    (void)state;
    assert_int_equal(polls_until_ready(&all.base), 3 + 1 + 1);
    assert_journal("ac abc bcd be e");
    future_drop(&all.base);
}

static void test_children_are_lent_the_parents_waker(void **state)
{
    struct waker waker = waker_noop();
    struct context cx = {&waker};
    struct probe a = probe('a', 0), b = probe('b', 0), c = probe('c', 0);
    struct join ab = join(&a.base, &b.base);
    struct then all = then(&ab.base, &c.base, NULL);

    (void)state;
    assert_int_equal(future_poll(&all.base, &cx), POLL_READY);
    assert_ptr_equal(a.waker, &waker);
    assert_ptr_equal(b.waker, &waker);
    assert_ptr_equal(c.waker, &waker);
    future_drop(&all.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_then_runs_one_after_the_other),
        TEST(test_then_hands_the_output_over),
        TEST(test_then_needs_nothing_in_between),
        TEST(test_join_waits_for_both_in_any_order),
        TEST(test_join_takes_turns),
        TEST(test_then_dropped_anywhere_drops_both_once),
        TEST(test_join_dropped_anywhere_drops_both_once),
        TEST(test_nested_dropped_anywhere_drops_all_once),
        TEST(test_nested_takes_as_long_as_its_longest_path),
        TEST(test_children_are_lent_the_parents_waker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
