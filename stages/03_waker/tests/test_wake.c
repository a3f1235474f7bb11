/* LINK: @tests/support.link */
/* Wakes: none is lost, none counts twice, none comes after the end; and what was done before a wake is seen after it. */
#include "support.h"

#include "yield.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* A waker that a probe leaves here at its first poll. */
static struct waker kept;

static void keep_waker(struct probe *self, struct context *cx)
{
    if (self->tally->polls == 1)
        kept = waker_clone(cx->waker);
}

static void wake_kept(void *unused)
{
    (void)unused;
    waker_wake(kept);
}

static void wake_kept_by_ref(void *unused)
{
    (void)unused;
    waker_wake_by_ref(&kept);
}

static void drop_kept(void *unused)
{
    (void)unused;
    waker_drop(kept);
}

/* An executor with one task, which sleeps: it waits for the bell (NULL: for nothing) and has left a waker in `kept`. */
static void begin_asleep(struct executor *ex, struct tally *tally, struct bell *bell)
{
    assert_int_equal(executor_init(ex), 0);
    probe_spawn(ex, tally, bell, keep_waker, NULL);
    run_until_asleep(ex);
    assert_int_equal(tally->polls, 1);
}

/* --- during a poll --- */

static void wake_from_here(struct probe *self, struct context *cx)
{
    if (self->tally->polls == 1)
        waker_wake_by_ref(cx->waker);
}

static void wake_from_elsewhere(struct probe *self, struct context *cx)
{
    keep_waker(self, cx);
    if (self->tally->polls == 1)
        elsewhere(wake_kept, NULL);
}

static void wake_inside_poll(void (*act)(struct probe *, struct context *))
{
    struct executor ex;
    struct tally tally = {0};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, act, NULL);
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
    assert_int_equal(tally.polls, 2);
}

static void test_wake_inside_its_own_poll(void **state)
{
    (void)state;
    wake_inside_poll(wake_from_here);
}

static void test_wake_from_another_thread_inside_the_poll(void **state)
{
    (void)state;
    wake_inside_poll(wake_from_elsewhere);
}

/* --- at every moment --- */

/* The bell rings at the n-th point that the executor's thread reaches, or else when that thread goes to sleep. A ring
 * wakes once only: if that wake were lost, the run would hang. */
static bool run_with_ring_at(unsigned n)
{
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct probe f = probe(&tally, &bell);
    struct other ring = {bell_ring, &bell};

    assert_int_equal(executor_init(&ex), 0);
    at_nth(n, act_elsewhere, &ring);
    at_point(TRACE_PARK_BEGIN, 0, act_elsewhere, &ring);
    assert_int_equal(executor_block_on(&ex, &f), 0);
    bool reached = at_nth_reached();
    future_drop(&f.base);
    elsewhere_join();
    executor_destroy(&ex);
    assert_in_range(tally.polls, 1, 2);
    assert_int_equal(tally.drops, 1);
    moments_forget();
    return reached;
}

static void test_a_wake_at_every_moment(void **state)
{
    (void)state;
    unsigned n = 1;
    while (run_with_ring_at(n))
        n++;
    assert_in_range(n, 10, 60);
}

/* --- many wakes --- */

static void test_many_wakes_are_one_poll(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    begin_asleep(&ex, &tally, NULL);
    for (int i = 0; i < 3; i++) {
        wake_kept_by_ref(NULL);
        elsewhere(wake_kept_by_ref, NULL);
    }
    wake_kept(NULL);
    elsewhere_join();
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
}

/* The second wake comes between the first one's call and its effect. */
static void test_a_wake_inside_a_wake_is_one_poll(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct other wake = {wake_kept_by_ref, NULL};

    begin_asleep(&ex, &tally, NULL);
    at_point(TRACE_WAKE_BEGIN, 0, act_elsewhere, &wake);
    waker_wake_by_ref(&kept);
    waker_drop(kept);
    elsewhere_join();
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
}

static void test_a_wake_after_the_end_does_nothing(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;

    begin_asleep(&ex, &tally, &bell);
    bell_ring(&bell);
    executor_run(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(seen(TRACE_TASK_FREE), 1); /* the probe of run_until_asleep; `kept` keeps the other */
    unsigned pushes = seen(TRACE_QUEUE_PUSH);
    wake_kept_by_ref(NULL);
    elsewhere(wake_kept_by_ref, NULL);
    wake_kept(NULL);
    assert_int_equal(seen(TRACE_QUEUE_PUSH), pushes);
    assert_int_equal(seen(TRACE_TASK_FREE), 2);
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
}

/* The wake comes when the poll is over and said READY, and the executor has not yet looked at that. */
static void test_a_wake_at_the_end_does_nothing(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    struct bell bell = BELL;
    struct other wake = {wake_kept, NULL};

    begin_asleep(&ex, &tally, &bell);
    bell_ring(&bell);
    at_point(TRACE_TASK_POLL_END, 0, act_elsewhere, &wake);
    executor_run(&ex);
    elsewhere_join();
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    assert_int_equal(tally.drops, 1);
    executor_destroy(&ex);
}

/* --- who keeps the task's memory --- */

static void test_a_queued_task_needs_no_waker(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    begin_asleep(&ex, &tally, NULL);
    waker_wake_by_ref(&kept);
    waker_drop(kept);
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
}

static void outlive_the_executor(action *last_use)
{
    struct executor ex;
    struct tally tally = {0};

    begin_asleep(&ex, &tally, NULL);
    executor_destroy(&ex);
    memset(&ex, 0xdb, sizeof ex);
    assert_int_equal(tally.drops, 1);
    assert_int_equal(seen(TRACE_TASK_FREE), 1); /* the probe of run_until_asleep */
    wake_kept_by_ref(NULL);
    elsewhere(last_use, NULL);
    assert_int_equal(seen(TRACE_TASK_FREE), 2);
}

static void test_a_waker_outlives_the_executor_and_frees_the_task_by_a_wake(void **state)
{
    (void)state;
    outlive_the_executor(wake_kept);
}

static void test_a_waker_outlives_the_executor_and_frees_the_task_by_its_drop(void **state)
{
    (void)state;
    outlive_the_executor(drop_kept);
}

/* --- what was done before a wake is seen by the poll that it leads to --- */

static struct {
    int letter; /* no lock guards it, the wake must */
    int read;
    atomic_bool sent;
} post;

static void read_letter(struct probe *self, struct context *cx)
{
    keep_waker(self, cx);
    if (self->tally->polls == 2)
        post.read = post.letter;
}

static void *send_letter(void *unused)
{
    post.letter = 42;
    waker_wake_by_ref(&kept);
    atomic_store_explicit(&post.sent, true, memory_order_relaxed); /* relaxed: it must not do the wake's work */
    return unused;
}

/* The thread sanitizer is what makes this test sharp: the wake of a task that is queued already must not be skipped. */
static void letter_is_seen(bool queued_already)
{
    struct executor ex;
    struct tally tally = {0};
    pthread_t sender;

    post.letter = post.read = 0;
    atomic_store(&post.sent, false);
    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, read_letter, NULL);
    run_until_asleep(&ex);
    if (queued_already)
        elsewhere(wake_kept_by_ref, NULL);
    assert_int_equal(pthread_create(&sender, NULL, send_letter, NULL), 0);
    while (!atomic_load_explicit(&post.sent, memory_order_relaxed))
        sched_yield();
    run_until_asleep(&ex);
    assert_int_equal(post.read, 42);
    pthread_join(sender, NULL);
    waker_drop(kept);
    assert_int_equal(tally.polls, 2);
    executor_destroy(&ex);
}

static void test_data_before_a_wake_is_seen(void **state)
{
    (void)state;
    letter_is_seen(false);
}

static void test_data_before_a_coalesced_wake_is_seen(void **state)
{
    (void)state;
    letter_is_seen(true);
}

static void send_letter_in_the_poll(struct probe *self, struct context *cx)
{
    static pthread_t sender;

    keep_waker(self, cx);
    if (self->tally->polls == 1) {
        assert_int_equal(pthread_create(&sender, NULL, send_letter, NULL), 0);
        while (!atomic_load_explicit(&post.sent, memory_order_relaxed))
            sched_yield();
    } else {
        post.read = post.letter;
        pthread_join(sender, NULL);
    }
}

static void test_data_before_a_wake_during_the_poll_is_seen(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    post.letter = post.read = 0;
    atomic_store(&post.sent, false);
    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, send_letter_in_the_poll, NULL);
    run_until_asleep(&ex);
    assert_int_equal(post.read, 42);
    waker_drop(kept);
    executor_destroy(&ex);
}

/* A poll is over on the executor's thread, and at once the other thread queues the task again. It writes where the executor
 * has just read: the end of the poll must come before. */
static atomic_int stage;

static void *wake_twice_in_stages(void *unused)
{
    for (int i = 1; i <= 2; i++) {
        while (atomic_load_explicit(&stage, memory_order_relaxed) != 2 * i - 1)
            sched_yield();
        waker_wake_by_ref(&kept);
        atomic_store_explicit(&stage, 2 * i, memory_order_relaxed);
    }
    return unused;
}

static void next_stage(void *unused)
{
    int next = atomic_load_explicit(&stage, memory_order_relaxed) + 1;

    (void)unused;
    atomic_store_explicit(&stage, next, memory_order_relaxed);
    while (atomic_load_explicit(&stage, memory_order_relaxed) == next)
        sched_yield();
}

static void test_a_wake_right_after_a_poll_comes_after_it(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};
    pthread_t waker;

    atomic_store(&stage, 0);
    begin_asleep(&ex, &tally, NULL);
    assert_int_equal(pthread_create(&waker, NULL, wake_twice_in_stages, NULL), 0);
    next_stage(NULL);
    at_point(TRACE_TASK_POLL_END, ((struct task *)kept.data)->id, next_stage, NULL);
    run_until_asleep(&ex);
    assert_int_equal(tally.polls, 3);
    pthread_join(waker, NULL);
    waker_drop(kept);
    executor_destroy(&ex);
}

/* --- fairness --- */

struct crowd {
    struct tally *other;
    struct bell *bell;
};

/* Wakes itself all the time, until the other task has had its second poll. */
static void never_idle(struct probe *self, struct context *cx)
{
    struct crowd *crowd = self->arg;

    if (self->tally->polls == 5)
        elsewhere(bell_ring, crowd->bell);
    if (crowd->other->polls < 2 && self->tally->polls < 1000)
        waker_wake_by_ref(cx->waker);
}

static void test_a_busy_local_queue_does_not_shut_other_threads_out(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0}, other = {0};
    struct bell bell = BELL;
    struct crowd crowd = {&other, &bell};
    struct probe busy = probe(&tally, NULL);

    busy.act = never_idle;
    busy.arg = &crowd;
    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &other, &bell, NULL, NULL);
    assert_int_equal(task_spawn(&ex, &busy, NULL), 0);
    run_until_asleep(&ex);
    assert_int_equal(other.polls, 2);
    assert_in_range(tally.polls, 6, 5 + 61);
    executor_destroy(&ex);
}

static void test_a_pending_task_that_left_no_waker_is_not_polled_again(void **state)
{
    (void)state;
    struct executor ex;
    struct tally tally = {0};

    assert_int_equal(executor_init(&ex), 0);
    probe_spawn(&ex, &tally, NULL, NULL, NULL);
    for (int i = 0; i < 3; i++)
        run_until_asleep(&ex);
    assert_int_equal(tally.polls, 1);
    executor_destroy(&ex);
    assert_int_equal(tally.drops, 1);
}

/* --- yield --- */

static char turns[16];

struct yielder {
    struct future base;
    char name;
    int left;
    struct yield yield;
};

static enum poll yielder_poll(struct future *f, struct context *cx)
{
    struct yielder *self = (struct yielder *)f;

    while (self->left > 0) {
        if (self->yield.base.phase == FUTURE_FRESH) {
            self->yield = yield_now();
            strncat(turns, &self->name, 1);
        }
        if (future_poll(&self->yield.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->yield.base);
        self->yield = (struct yield){0};
        self->left--;
    }
    return POLL_READY;
}

FUTURE_TYPE(yielder, yielder_poll, NULL);

static void test_yield_gives_every_other_ready_task_its_turn(void **state)
{
    (void)state;
    struct executor ex;

    turns[0] = '\0';
    assert_int_equal(executor_init(&ex), 0);
    for (char name = 'A'; name <= 'C'; name++) {
        struct yielder f = {.name = name, .left = 3};
        future_init(&f.base, &yielder_type);
        assert_int_equal(task_spawn(&ex, &f, NULL), 0);
    }
    executor_run(&ex);
    assert_string_equal(turns, "ABCABCABC");
    executor_destroy(&ex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wake_inside_its_own_poll),
        TEST(test_wake_from_another_thread_inside_the_poll),
        TEST(test_a_wake_at_every_moment),
        TEST(test_many_wakes_are_one_poll),
        TEST(test_a_wake_inside_a_wake_is_one_poll),
        TEST(test_a_wake_after_the_end_does_nothing),
        TEST(test_a_wake_at_the_end_does_nothing),
        TEST(test_a_queued_task_needs_no_waker),
        TEST(test_a_waker_outlives_the_executor_and_frees_the_task_by_a_wake),
        TEST(test_a_waker_outlives_the_executor_and_frees_the_task_by_its_drop),
        TEST(test_data_before_a_wake_is_seen),
        TEST(test_data_before_a_coalesced_wake_is_seen),
        TEST(test_data_before_a_wake_during_the_poll_is_seen),
        TEST(test_a_wake_right_after_a_poll_comes_after_it),
        TEST(test_a_busy_local_queue_does_not_shut_other_threads_out),
        TEST(test_a_pending_task_that_left_no_waker_is_not_polled_again),
        TEST(test_yield_gives_every_other_ready_task_its_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
