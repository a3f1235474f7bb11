/* The poll protocol: what a future does, and when. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include <stdlib.h>

static void test_nothing_happens_until_it_is_polled(void **state)
{
    struct probe p = probe('a', 2);

    (void)state;
    assert_int_equal(p.polls, 0);
    assert_int_equal(p.base.phase, FUTURE_FRESH);
    assert_int_equal(memory_alive(), 1); /* its input, which it was given */
    future_drop(&p.base);
    assert_journal("");
}

static void test_pending_then_ready_once(void **state)
{
    (void)state;
    for (int pendings = 0; pendings < 6; pendings++) {
        struct probe p = probe('a', pendings);
        for (int i = 0; i < pendings; i++) {
            assert_int_equal(poll_by_hand(&p), POLL_PENDING);
            assert_int_equal(p.base.phase, FUTURE_STARTED);
        }
        assert_int_equal(poll_by_hand(&p), POLL_READY);
        assert_int_equal(p.base.phase, FUTURE_FINISHED);
        assert_int_equal(*p.output, pendings + 1);
        future_drop(&p.base);
        assert_int_equal(p.base.phase, FUTURE_DROPPED);
    }
}

/* It is the block that must not move between polls, and everything that the next poll needs is in it. */
static void test_goes_on_where_it_stopped(void **state)
{
    struct probe p = probe('a', 3);

    (void)state;
    poll_by_hand(&p);
    void *local = p.local;
    poll_by_hand(&p);
    assert_ptr_equal(p.local, local);
    assert_int_equal(p.polls, 2);
    future_drop(&p.base);
}

static void test_ready_has_let_go_of_all_but_the_output(void **state)
{
    struct probe p = probe('a', 1);

    (void)state;
    while (poll_by_hand(&p) == POLL_PENDING)
        ;
    assert_int_equal(memory_alive(), 1);
    int *taken = p.output; /* whoever takes the output leaves nothing for the drop to free */
    p.output = NULL;
    future_drop(&p.base);
    assert_int_equal(*taken, 2);
    free(taken);
}

/* Dropped in every state there is: fresh, after each number of polls, finished. test_end counts what is left. */
static void test_dropped_anywhere_it_frees_all_once(void **state)
{
    const int pendings = 4;

    (void)state;
    for (int polls = 0; polls <= pendings + 1; polls++) {
        struct probe p = probe('a', pendings);
        for (int i = 0; i < polls; i++)
            poll_by_hand(&p);
        assert_int_equal(p.base.phase, polls == 0          ? FUTURE_FRESH
                                       : polls <= pendings ? FUTURE_STARTED
                                                           : FUTURE_FINISHED);
        future_drop(&p.base);
        assert_int_equal(memory_alive(), 0);
    }
}

static void test_may_be_moved_before_its_first_poll(void **state)
{
    struct probe p = probe('a', 1);
    struct probe moved = p; /* p is not used again */

    (void)state;
    poll_by_hand(&moved);
    poll_by_hand(&moved);
    assert_int_equal(*moved.output, 2);
    future_drop(&moved.base);
}

/* Each kind of future has an output of its own type, under its own name. */
struct midpoint {
    struct future base;
    double ax, ay, bx, by; /* inputs */
    struct {
        double x, y;
    } output;
};

static enum poll midpoint_poll(struct future *f, struct context *cx)
{
    struct midpoint *self = (struct midpoint *)f;

    (void)cx;
    self->output.x = (self->ax + self->bx) / 2;
    self->output.y = (self->ay + self->by) / 2;
    return POLL_READY;
}

FUTURE_TYPE(midpoint, midpoint_poll, NULL);

static void test_outputs_have_types(void **state)
{
    struct midpoint m = {.ax = 1, .ay = 2, .bx = 3, .by = 8};

    (void)state;
    future_init(&m.base, &midpoint_type);
    assert_int_equal(poll_by_hand(&m), POLL_READY);
    assert_true(m.output.x == 2 && m.output.y == 5);
    future_drop(&m.base); /* a type without a drop of its own can be dropped, too */
    assert_int_equal(m.base.phase, FUTURE_DROPPED);
}

static void test_numbers_differ_and_names_are_the_types(void **state)
{
    struct probe a = probe('a', 0), b = probe('b', 0);

    (void)state;
    assert_true(a.base.id > 0);
    assert_int_equal(b.base.id, a.base.id + 1);
    assert_string_equal(a.base.type->name, "probe");
    assert_int_equal(a.base.type->at->line, b.base.type->at->line);
    future_drop(&a.base);
    future_drop(&b.base);
}

/* ---- wakers ---- */

static struct waker counting_clone(void *data, const struct site *at);

static void counting_wake(void *data, const struct site *at)
{
    (void)at;
    *(int *)data += 10;
}

static void counting_wake_by_ref(void *data, const struct site *at)
{
    (void)at;
    *(int *)data += 100;
}

static void counting_drop(void *data, const struct site *at)
{
    (void)at;
    *(int *)data += 1000;
}

static const struct waker_vtable counting = {counting_clone, counting_wake, counting_wake_by_ref, counting_drop};

static struct waker counting_clone(void *data, const struct site *at)
{
    (void)at;
    *(int *)data += 1;
    return (struct waker){&counting, data};
}

static void test_a_waker_leads_to_its_own_functions(void **state)
{
    int calls = 0;
    struct waker waker = {&counting, &calls};

    (void)state;
    struct waker clone = waker_clone(&waker);
    assert_int_equal(calls, 1);
    waker_wake_by_ref(&clone);
    assert_int_equal(calls, 101);
    waker_wake(clone);
    assert_int_equal(calls, 111);
    waker_drop(waker_clone(&waker));
    assert_int_equal(calls, 1112);
}

static void test_a_poll_lends_the_callers_waker(void **state)
{
    int calls = 0;
    struct waker waker = {&counting, &calls};
    struct context cx = {&waker};
    struct probe p = probe('a', 0);

    (void)state;
    future_poll(&p.base, &cx);
    assert_ptr_equal(p.waker, &waker);
    assert_int_equal(calls, 0);
    future_drop(&p.base);
}

static void test_the_noop_waker_does_nothing(void **state)
{
    struct waker waker = waker_noop();

    (void)state;
    waker_wake_by_ref(&waker);
    struct waker clone = waker_clone(&waker);
    assert_ptr_equal(clone.vtable, waker.vtable);
    waker_wake(clone);
    waker_drop(waker_clone(&waker));
    waker_drop(waker);
}

/* ---- what is recorded ---- */

/* Writes a letter for each event of the future whose number is in *arg. */
static void watch(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    if (task != 0 || b != *(uint32_t *)arg)
        return;
    switch (kind) {
    case TRACE_FUTURE_POLL_BEGIN:
        journal_add('(');
        break;
    case TRACE_FUTURE_POLL_END:
        journal_add(a == POLL_READY ? 'R' : 'P');
        journal_add(')');
        break;
    case TRACE_FUTURE_DROP:
        journal_add('D');
        break;
    default:
        journal_add('?');
    }
}

static void test_its_life_is_recorded(void **state)
{
    struct probe p = probe('.', 2);

    (void)state;
    trace_set_hook(watch, &p.base.id);
    while (poll_by_hand(&p) == POLL_PENDING)
        ;
    future_drop(&p.base);
    assert_journal("(.P)(.P)(.R)D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_happens_until_it_is_polled),
        TEST(test_pending_then_ready_once),
        TEST(test_goes_on_where_it_stopped),
        TEST(test_ready_has_let_go_of_all_but_the_output),
        TEST(test_dropped_anywhere_it_frees_all_once),
        TEST(test_may_be_moved_before_its_first_poll),
        TEST(test_outputs_have_types),
        TEST(test_numbers_differ_and_names_are_the_types),
        TEST(test_a_waker_leads_to_its_own_functions),
        TEST(test_a_poll_lends_the_callers_waker),
        TEST(test_the_noop_waker_does_nothing),
        TEST(test_its_life_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
