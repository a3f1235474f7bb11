/* LINK: @tests/support.link */
/* Timers: never early, in order, taken out at any moment; what is built on them. */
#include "support.h"

#include "sys.h"
#include "timer.h"
#include "timer_heap.h"
#include "yield.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t START = 1000000; /* where a held clock stands at first */

/* --- the heap --- */

static void test_equal_deadlines_keep_their_order(void **state)
{
    enum { COUNT = 100 };
    struct timer timers[COUNT] = {{0}};
    struct timer_heap heap = {0};

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        timers[i].deadline = 7;
        timers[i].number = i + 1;
        timer_heap_add(&heap, &timers[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(heap.root->number, i + 1);
        timer_heap_remove(&heap, heap.root);
    }
    assert_null(heap.root);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The same timers once more, sorted in the plainest way. */
enum { TIMERS = 300, OPERATIONS = 100000 };

static struct {
    struct timer timers[TIMERS];
    struct timer *sorted[TIMERS];
    int count;
    struct timer_heap heap;
    uint32_t last_number;
} model;

static bool model_is_before(const struct timer *a, const struct timer *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->number < b->number);
}

static void model_add(struct timer *timer, uint64_t deadline)
{
    int i = model.count++;

    timer->deadline = deadline;
    timer->number = ++model.last_number;
    for (; i > 0 && model_is_before(timer, model.sorted[i - 1]); i--)
        model.sorted[i] = model.sorted[i - 1];
    model.sorted[i] = timer;
    timer_heap_add(&model.heap, timer);
}

static void model_remove(struct timer *timer)
{
    int i = 0;

    while (model.sorted[i] != timer)
        i++;
    memmove(&model.sorted[i], &model.sorted[i + 1], (size_t)(--model.count - i) * sizeof *model.sorted);
    timer_heap_remove(&model.heap, timer);
}

static void test_random_operations_against_a_sorted_list(void **state)
{
    uint64_t seed = trace_now() | 1;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    memset(&model, 0, sizeof model);
    for (int i = 0; i < OPERATIONS; i++) {
        struct timer *timer = &model.timers[random_next(&seed) % TIMERS];
        if (model.count > 0 && random_next(&seed) % 4 == 0)
            timer = model.sorted[0]; /* as if it fired */
        if (timer->is_queued)
            model_remove(timer);
        else
            model_add(timer, random_next(&seed) % 50); /* many are equal */
        assert_ptr_equal(model.heap.root, model.count > 0 ? model.sorted[0] : NULL);
    }
    while (model.count > 0) {
        assert_ptr_equal(model.heap.root, model.sorted[0]);
        model_remove(model.sorted[0]);
    }
    assert_null(model.heap.root);
}

/* A chain as long as can be: removing must neither recurse into it nor take for ever. */
static void test_a_hundred_thousand_timers(void **state)
{
    enum { COUNT = 100000 };
    struct timer *timers = malloc(COUNT * sizeof *timers);
    struct timer_heap heap = {0};

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        timers[i] = (struct timer){.deadline = COUNT - i, .number = i};
        timer_heap_add(&heap, &timers[i]);
    }
    for (uint32_t i = COUNT; i-- > 0;) {
        assert_ptr_equal(heap.root, &timers[i]);
        timer_heap_remove(&heap, &timers[i]);
    }
    assert_null(heap.root);
    free(timers);
}

/* --- never early --- */

static void body_not_early(void *unused)
{
    struct probe probe = {0};
    struct sleep sleep = sleep_for(1000);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&sleep, &probe), POLL_PENDING);
    clock_hold(START + 999);
    turn(0);
    assert_int_equal(probe.wakes, 0);
    assert_int_equal(poll_with(&sleep, &probe), POLL_PENDING);
    clock_hold(START + 1000);
    turn(0);
    assert_int_equal(probe.wakes, 1);
    assert_int_equal(poll_with(&sleep, &probe), POLL_READY);
    future_drop(&sleep.base);
}

static void test_not_one_nanosecond_early(void **state)
{
    (void)state;
    inside(body_not_early, NULL);
}

/* Somebody else woke the task: it is polled, and sleeps on. */
static void body_polled_for_another_reason(void *unused)
{
    struct probe probe = {0};
    struct sleep sleep = sleep_for(1000);

    (void)unused;
    clock_hold(START);
    for (int i = 0; i < 5; i++)
        assert_int_equal(poll_with(&sleep, &probe), POLL_PENDING);
    assert_int_equal(seen(TRACE_TIMER_ADD), 1);
    assert_int_equal(probe.held, 1);
    clock_hold(START + 5000);
    assert_int_equal(poll_with(&sleep, &probe), POLL_PENDING); /* late, but nobody has said so */
    turn(0);
    assert_int_equal(poll_with(&sleep, &probe), POLL_READY);
    future_drop(&sleep.base);
}

static void test_a_poll_for_another_reason_changes_nothing(void **state)
{
    (void)state;
    inside(body_polled_for_another_reason, NULL);
}

/* The whole way, through an executor, where the kernel's wait ends one nanosecond early each time. */
static void test_a_wait_that_ends_early_is_waited_again(void **state)
{
    struct executor ex;
    struct sleep sleep = sleep_for(1000);

    (void)state;
    clock_hold(START);
    clock_waits_end_early(1);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_int_equal(trace_now(), START + 1000);
    assert_int_equal(calls_made(CALL_EPOLL_PWAIT2), 2);
    assert_int_equal(last_wait_ns(), 1);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

/* The same on a kernel that knows only milliseconds: at most one of them late. */
static void test_an_old_kernel_waits_longer_not_shorter(void **state)
{
    struct executor ex;
    struct sleep sleep = sleep_for(MILLISECONDS(3) + 1);

    (void)state;
    clock_hold(START);
    call_fails(CALL_EPOLL_PWAIT2, 0, ~0u, ENOSYS);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &sleep), 0);
    assert_int_equal(trace_now(), START + MILLISECONDS(4));
    assert_int_equal(calls_made(CALL_EPOLL_WAIT), 1);
    future_drop(&sleep.base);
    executor_destroy(&ex);
}

/* With the real clock and the real kernel, too. */
static void test_real_sleeps(void **state)
{
    static const uint64_t durations[] = {0, 1, 999, 100000, 1000001, MILLISECONDS(3)};
    struct executor ex;

    (void)state;
    assert_int_equal(executor_init(&ex), 0);
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        struct sleep sleep = sleep_for(durations[i]);
        uint64_t start = trace_now();
        assert_int_equal(executor_block_on(&ex, &sleep), 0);
        assert_in_range(trace_now() - start, durations[i], MILLISECONDS(30000));
        future_drop(&sleep.base);
    }
    executor_destroy(&ex);
}

/* --- an end of time --- */

/* Waits, and is not due; and a turn with a limit of its own, a millisecond, ends. */
static void is_not_due(struct future *f, struct probe *probe)
{
    assert_int_equal(poll_with_at(f, probe, SITE("")), POLL_PENDING);
    turn(0);
    turn(1000000);
    assert_in_range(last_wait_ns(), 1, 1000000);
    assert_int_equal(probe->wakes, 0);
    future_drop(f);
    assert_int_equal(probe->held, 0);
}

static void body_for_ever(void *unused)
{
    static const uint64_t huge[] = {UINT64_MAX, (uint64_t)INT64_MAX + 1, INT64_MAX, INT64_MAX - 1};
    struct probe probe = {0};

    (void)unused;
    for (int i = 0; i < 4; i++) {
        struct sleep longest = sleep_for(huge[i]), until = sleep_until(huge[i]);
        struct interval interval = interval_every(huge[i]);
        struct tick tick = interval_tick(&interval);
        is_not_due(&longest.base, &probe);
        is_not_due(&until.base, &probe);
        is_not_due(&tick.base, &probe);
        assert_in_range(longest.timer.deadline, INT64_MAX - 1, INT64_MAX);
    }
}

static void test_the_longest_durations(void **state)
{
    (void)state;
    inside(body_for_ever, NULL);
}

/* The limit of the wait that such a timer makes is a limit that the kernel takes. */
static void ring_elsewhere(void *bell)
{
    elsewhere(bell_ring, bell);
}

static void test_an_endless_sleep_is_a_long_wait(void **state)
{
    struct executor ex;
    struct bell bell;
    struct sleep sleep = sleep_for(UINT64_MAX);

    (void)state;
    bell_init(&bell);
    struct script rings = script(&bell.tally, bell_step, &bell);
    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(task_spawn(&ex, &sleep, NULL), 0);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_elsewhere, &bell);
    assert_int_equal(executor_block_on(&ex, &rings), 0);
    assert_int_equal(calls_made(CALL_EPOLL_PWAIT2), 1);
    assert_true(last_wait_ns() > INT64_MAX / 2);
    future_drop(&rings.base);
    executor_destroy(&ex);
}

/* --- no time at all --- */

static void body_zero(void *unused)
{
    struct probe probe = {0};
    struct sleep none = sleep_for(0), until = sleep_until(0), past = sleep_until(START / 2);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&none, &probe), POLL_PENDING); /* it gives way once */
    assert_int_equal(poll_with(&until, &probe), POLL_PENDING);
    assert_int_equal(poll_with(&past, &probe), POLL_PENDING);
    turn(-1); /* does not wait */
    assert_int_equal(probe.wakes, 3);
    assert_int_equal(poll_with(&none, &probe), POLL_READY);
    assert_int_equal(poll_with(&until, &probe), POLL_READY);
    assert_int_equal(poll_with(&past, &probe), POLL_READY);
    assert_int_equal(trace_now(), START);
    future_drop(&none.base);
    future_drop(&until.base);
    future_drop(&past.base);
}

static void test_zero_durations(void **state)
{
    (void)state;
    inside(body_zero, NULL);
}

/* --- order --- */

static void test_sleepers_end_in_order_of_deadlines(void **state)
{
    static const uint64_t ms[] = {100, 50, 150, 50};
    struct executor ex;
    struct sleep sleeps[4];
    struct join_handle handles[4];

    (void)state;
    clock_hold(START);
    assert_int_equal(executor_init(&ex), 0);
    for (int i = 0; i < 4; i++) {
        sleeps[i] = sleep_for(MILLISECONDS(ms[i]));
        assert_int_equal(task_spawn(&ex, &sleeps[i], &handles[i]), 0);
    }
    assert_int_equal(executor_block_on(&ex, &handles[0]), 0);
    assert_int_equal(trace_now(), START + MILLISECONDS(100));
    assert_true(task_is_done(handles[1].task) && task_is_done(handles[3].task));
    assert_false(task_is_done(handles[2].task));
    executor_run(&ex);
    assert_int_equal(trace_now(), START + MILLISECONDS(150));
    assert_int_equal(calls_made(CALL_EPOLL_PWAIT2), 3);
    for (int i = 0; i < 4; i++)
        future_drop(&handles[i].base);
    executor_destroy(&ex);
}

/* --- taken out while firing --- */

/* All are due in one turn. When the first fires it takes the second out and frees it, and adds one that is due too. */
struct firing {
    struct sleep first, *second, third, late;
    struct probe probe_first, probe_second, probe_third, probe_late;
};

static void remove_second_add_late(void *arg)
{
    struct firing *self = arg;

    future_drop(&self->second->base);
    free(self->second);
    self->late = sleep_until(START);
    assert_int_equal(poll_with(&self->late, &self->probe_late), POLL_PENDING);
}

static void body_firing(void *unused)
{
    struct firing self = {.first = sleep_for(10), .second = malloc(sizeof *self.second), .third = sleep_for(30)};

    (void)unused;
    *self.second = sleep_for(20);
    self.probe_first = (struct probe){.on_wake = remove_second_add_late, .arg = &self};
    clock_hold(START);
    assert_int_equal(poll_with(self.second, &self.probe_second), POLL_PENDING);
    assert_int_equal(poll_with(&self.first, &self.probe_first), POLL_PENDING);
    assert_int_equal(poll_with(&self.third, &self.probe_third), POLL_PENDING);
    clock_hold(START + 100);
    turn(0);
    assert_int_equal(self.probe_first.wakes, 1);
    assert_int_equal(self.probe_second.wakes, 0);
    assert_int_equal(self.probe_second.held, 0);
    assert_int_equal(self.probe_third.wakes, 1);
    assert_int_equal(self.probe_late.wakes, 1);
    assert_int_equal(seen(TRACE_TIMER_CANCEL), 1);
    assert_int_equal(seen(TRACE_TIMER_FIRE), 3);
    future_drop(&self.first.base);
    future_drop(&self.third.base);
    future_drop(&self.late.base);
}

static void test_a_firing_timer_takes_out_the_next(void **state)
{
    (void)state;
    inside(body_firing, NULL);
}

/* The waker of a timer drops and frees the very sleep that fires. */
static void drop_own(void *arg)
{
    struct sleep **self = arg;

    future_drop(&(*self)->base);
    free(*self);
}

static void body_drop_own(void *unused)
{
    struct sleep *sleep = malloc(sizeof *sleep);
    struct probe probe = {.on_wake = drop_own, .arg = &sleep};

    (void)unused;
    *sleep = sleep_for(10);
    clock_hold(START);
    assert_int_equal(poll_with(sleep, &probe), POLL_PENDING);
    clock_hold(START + 10);
    turn(0);
    assert_int_equal(probe.wakes, 1);
    assert_int_equal(seen(TRACE_TIMER_CANCEL), 0);
}

static void test_a_firing_timer_is_freed_by_its_waker(void **state)
{
    (void)state;
    inside(body_drop_own, NULL);
}

static void body_other_waker(void *unused)
{
    struct probe first = {0}, second = {0};
    struct sleep sleep = sleep_for(10);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&sleep, &first), POLL_PENDING);
    assert_int_equal(poll_with(&sleep, &second), POLL_PENDING);
    assert_int_equal(first.held, 0);
    clock_hold(START + 10);
    turn(0);
    assert_int_equal(first.wakes, 0);
    assert_int_equal(second.wakes, 1);
    future_drop(&sleep.base);
}

static void test_the_waker_of_the_latest_poll_is_used(void **state)
{
    (void)state;
    inside(body_other_waker, NULL);
}

/* --- dropped in each state --- */

static void body_drop_everywhere(void *unused)
{
    struct probe probe = {0};

    (void)unused;
    clock_hold(START);
    for (int polls = 0; polls < 3; polls++) {
        struct sleep sleep = sleep_for(10), inner = sleep_for(20);
        struct timeout timeout = timeout_after(30, &inner.base);
        struct interval interval = interval_every(10);
        struct tick tick = interval_tick(&interval);
        for (int i = 0; i < polls; i++) {
            poll_with(&sleep, &probe);
            poll_with(&timeout, &probe);
            poll_with(&tick, &probe);
            clock_hold(trace_now() + 20);
            turn(0);
        }
        future_drop(&sleep.base);
        future_drop(&timeout.base);
        future_drop(&tick.base);
        assert_int_equal(probe.held, 0);
        assert_null(reactor_current(SITE(""))->timers.root);
    }
}

static void test_dropped_in_each_state(void **state)
{
    (void)state;
    inside(body_drop_everywhere, NULL);
}

/* --- the end of an executor --- */

struct outlives {
    struct sleep sleep;
    struct probe probe;
};

static void body_begin_sleep(void *arg)
{
    struct outlives *self = arg;
    assert_int_equal(poll_with(&self->sleep, &self->probe), POLL_PENDING);
}

static void body_finish_sleep(void *arg)
{
    struct outlives *self = arg;

    assert_int_equal(poll_with(&self->sleep, &self->probe), POLL_PENDING);
    turn(-1);
    assert_int_equal(poll_with(&self->sleep, &self->probe), POLL_READY);
    assert_int_equal(trace_now(), START + 1000);
}

/* It can be dropped, or sleep on in another executor: as long as it was told to, and no shorter. */
static void test_sleeps_outlive_their_executor(void **state)
{
    struct outlives dropped = {.sleep = sleep_for(1000)}, goes_on = {.sleep = sleep_for(1000)};

    (void)state;
    clock_hold(START);
    inside(body_begin_sleep, &dropped);
    inside(body_begin_sleep, &goes_on);
    assert_int_equal(dropped.probe.held + goes_on.probe.held, 0);
    inside(body_finish_sleep, &goes_on);
    future_drop(&dropped.sleep.base);
    future_drop(&goes_on.sleep.base);
}

/* --- timeouts --- */

static void body_inner_first(void *unused)
{
    struct probe probe = {0};
    struct sleep inner = sleep_for(10);
    struct timeout timeout = timeout_after(20, &inner.base);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&timeout, &probe), POLL_PENDING);
    clock_hold(START + 19);
    turn(0);
    assert_int_equal(poll_with(&timeout, &probe), POLL_READY);
    assert_int_equal(timeout.output, 0);
    assert_int_equal(inner.base.phase, FUTURE_FINISHED);
    assert_int_equal(probe.held, 0); /* its own timer is gone */
    assert_null(reactor_current(SITE(""))->timers.root);
    future_drop(&timeout.base);
    assert_int_equal(inner.base.phase, FUTURE_DROPPED);
}

static void body_inner_late(void *unused)
{
    struct probe probe = {0};
    struct wire wire = wire_local();
    char byte;
    struct socket_read inner = socket_read(&wire.socket, &byte, 1);
    struct timeout timeout = timeout_after(20, &inner.base);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&timeout, &probe), POLL_PENDING);
    assert_int_equal(probe.held, 2);
    clock_hold(START + 20);
    turn(0);
    assert_int_equal(poll_with(&timeout, &probe), POLL_READY);
    assert_int_equal(timeout.output, -ETIMEDOUT);
    assert_int_equal(inner.base.phase, FUTURE_DROPPED);
    assert_int_equal(probe.held, 0); /* nor does it wait for the socket any more */
    future_drop(&timeout.base);

    peer_send(&wire, "x"); /* which another can read from */
    struct socket_read next = socket_read(&wire.socket, &byte, 1);
    turn(0);
    assert_int_equal(poll_with(&next, &probe), POLL_READY);
    future_drop(&next.base);
    wire_close(&wire);
}

static void body_both_at_once(void *unused)
{
    struct probe probe = {0};
    struct sleep inner = sleep_for(20);
    struct timeout timeout = timeout_after(20, &inner.base);

    (void)unused;
    clock_hold(START);
    assert_int_equal(poll_with(&timeout, &probe), POLL_PENDING);
    clock_hold(START + 20);
    turn(0);
    assert_int_equal(probe.wakes, 2);
    assert_int_equal(poll_with(&timeout, &probe), POLL_READY);
    assert_int_equal(timeout.output, 0); /* what is done counts */
    future_drop(&timeout.base);
}

static void body_ready_at_once(void *unused)
{
    struct probe probe = {0};
    struct wire wire = wire_local();
    char byte;
    struct socket_read inner = socket_read(&wire.socket, &byte, 1);
    struct timeout timeout = timeout_after(0, &inner.base);
    unsigned added = seen(TRACE_TIMER_ADD);

    (void)unused;
    peer_send(&wire, "x");
    assert_int_equal(poll_with(&timeout, &probe), POLL_READY);
    assert_int_equal(timeout.output, 0);
    assert_int_equal(seen(TRACE_TIMER_ADD), added);
    future_drop(&timeout.base);
    wire_close(&wire);
}

static void test_a_timeout(void **state)
{
    (void)state;
    inside(body_inner_first, NULL);
    inside(body_inner_late, NULL);
    inside(body_both_at_once, NULL);
    inside(body_ready_at_once, NULL);
}

/* --- intervals --- */

static uint64_t tick_at(struct interval *interval, uint64_t now)
{
    struct probe probe = {0};
    struct tick tick = interval_tick(interval);

    clock_hold(now);
    assert_int_equal(poll_with(&tick, &probe), POLL_PENDING);
    turn(-1);
    assert_int_equal(poll_with(&tick, &probe), POLL_READY);
    future_drop(&tick.base);
    return tick.output;
}

static void body_interval(void *unused)
{
    (void)unused;
    clock_hold(START);
    struct interval interval = interval_every(100);

    assert_int_equal(tick_at(&interval, START + 30), 1);
    assert_int_equal(trace_now(), START + 100);
    assert_int_equal(tick_at(&interval, START + 190), 1); /* it took long, but the next comes at 200 all the same */
    assert_int_equal(trace_now(), START + 200);
    assert_int_equal(tick_at(&interval, START + 333), 1); /* late: at once, and the one after it at 400, not at 433 */
    assert_int_equal(trace_now(), START + 333);
    assert_int_equal(tick_at(&interval, START + 333), 1);
    assert_int_equal(trace_now(), START + 400);
    assert_int_equal(tick_at(&interval, START + 850), 4); /* 500, 600, 700 and 800 in one */
    assert_int_equal(tick_at(&interval, START + 850), 1);
    assert_int_equal(trace_now(), START + 900);
    assert_int_equal(tick_at(&interval, START + 1100), 2); /* exactly on time */
    assert_int_equal(interval.next, START + 1200);
}

static void test_an_interval_does_not_drift(void **state)
{
    (void)state;
    inside(body_interval, NULL);
}

static void body_two_ticks(void *unused)
{
    struct probe probe = {0};

    (void)unused;
    clock_hold(START);
    struct interval interval = interval_every(100);
    struct tick first = interval_tick(&interval), second = interval_tick(&interval);

    assert_int_equal(poll_with(&first, &probe), POLL_PENDING);
    assert_int_equal(poll_with(&second, &probe), POLL_PENDING);
    clock_hold(START + 250);
    turn(0);
    assert_int_equal(poll_with(&first, &probe), POLL_READY);
    assert_int_equal(poll_with(&second, &probe), POLL_READY);
    assert_int_equal(first.output, 2);
    assert_int_equal(second.output, 0);
    assert_int_equal(interval.next, START + 300);
    future_drop(&first.base);
    future_drop(&second.base);
}

static void test_a_period_is_counted_once(void **state)
{
    (void)state;
    inside(body_two_ticks, NULL);
}

static void body_no_period(void *unused)
{
    (void)unused;
    clock_hold(START);
    struct interval interval = interval_every(0);
    assert_int_equal(tick_at(&interval, START + 5), 5); /* as if it were 1 */
}

static void test_an_interval_without_a_period(void **state)
{
    (void)state;
    inside(body_no_period, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_equal_deadlines_keep_their_order),
        TEST(test_random_operations_against_a_sorted_list),
        TEST(test_a_hundred_thousand_timers),
        TEST(test_not_one_nanosecond_early),
        TEST(test_a_poll_for_another_reason_changes_nothing),
        TEST(test_a_wait_that_ends_early_is_waited_again),
        TEST(test_an_old_kernel_waits_longer_not_shorter),
        TEST(test_real_sleeps),
        TEST(test_the_longest_durations),
        TEST(test_an_endless_sleep_is_a_long_wait),
        TEST(test_zero_durations),
        TEST(test_sleepers_end_in_order_of_deadlines),
        TEST(test_a_firing_timer_takes_out_the_next),
        TEST(test_a_firing_timer_is_freed_by_its_waker),
        TEST(test_the_waker_of_the_latest_poll_is_used),
        TEST(test_dropped_in_each_state),
        TEST(test_sleeps_outlive_their_executor),
        TEST(test_a_timeout),
        TEST(test_an_interval_does_not_drift),
        TEST(test_a_period_is_counted_once),
        TEST(test_an_interval_without_a_period),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
