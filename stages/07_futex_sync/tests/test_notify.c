/* Notify: a notification reaches one who waits, or the next who comes; and it survives the drop of whoever had it. */
#include "support_async.h"

#include "notify.h"

static struct notify n;

static void begin(struct notify_wait *waits, struct counter *counters, int count)
{
    for (int i = 0; i < count; i++) {
        counters[i] = (struct counter){0};
        waits[i] = notify_wait(&n);
        assert_int_equal(poll_by(&waits[i], &counters[i]), POLL_PENDING);
    }
}

static void test_one_is_kept(void **state)
{
    (void)state;
    struct counter one = {0};

    notify_init(&n);
    struct notify_wait first = notify_wait(&n), second = notify_wait(&n);
    notify_one(&n);
    notify_one(&n);
    assert_int_equal(poll_by(&first, &one), POLL_READY);
    assert_int_equal(poll_by(&second, &one), POLL_PENDING);
    future_drop(&second.base);
    notify_destroy(&n);
}

static void test_one_at_a_time_in_order(void **state)
{
    (void)state;
    struct counter counters[3];
    struct notify_wait waits[3];

    notify_init(&n);
    begin(waits, counters, 3);
    for (int i = 0; i < 3; i++) {
        notify_one(&n);
        for (int j = 0; j < 3; j++)
            assert_int_equal(counters[j].wakes, j <= i);
        assert_int_equal(poll_by(&waits[i], &counters[i]), POLL_READY);
    }
    notify_destroy(&n);
}

/* All that wait and all that were made, but none that are made later; and nothing is kept. */
static void test_all(void **state)
{
    (void)state;
    struct counter counters[3], late_counter = {0};
    struct notify_wait waits[3];

    notify_init(&n);
    struct notify_wait made = notify_wait(&n);
    begin(waits, counters, 3);
    notify_all(&n);
    struct notify_wait late = notify_wait(&n);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counters[i].wakes, 1);
        assert_int_equal(poll_by(&waits[i], &counters[i]), POLL_READY);
    }
    assert_int_equal(poll_by(&made, &late_counter), POLL_READY);
    assert_int_equal(poll_by(&late, &late_counter), POLL_PENDING);
    future_drop(&late.base);
    notify_destroy(&n);
}

static void test_all_when_nobody_waits(void **state)
{
    (void)state;
    struct counter one = {0};

    notify_init(&n);
    struct notify_wait made = notify_wait(&n);
    notify_one(&n);
    notify_all(&n);
    assert_int_equal(poll_by(&made, &one), POLL_READY);
    struct notify_wait kept = notify_wait(&n); /* the one of notify_one is still there */
    assert_int_equal(poll_by(&kept, &one), POLL_READY);
    struct notify_wait late = notify_wait(&n);
    assert_int_equal(poll_by(&late, &one), POLL_PENDING);
    future_drop(&late.base);
    notify_destroy(&n);
}

/* More than are woken in one go. Each of those that are woken waits again at once, as a new future: it is not woken by
 * the same notification. */
enum { CROWD = 50 };

static struct crowd {
    struct notify_wait waits[CROWD], again[CROWD];
    struct counter counters[CROWD], again_counters[CROWD];
    int woken;
} crowd;

static void wait_again(void *unused)
{
    (void)unused;
    int i = crowd.woken++;
    crowd.again[i] = notify_wait(&n);
    assert_int_equal(poll_by(&crowd.again[i], &crowd.again_counters[i]), POLL_PENDING);
}

static void test_all_of_many(void **state)
{
    (void)state;
    crowd = (struct crowd){.woken = 0};
    notify_init(&n);
    begin(crowd.waits, crowd.counters, CROWD);
    for (int i = 0; i < CROWD; i++)
        crowd.counters[i].on_wake = wait_again;
    notify_all(&n);
    assert_int_equal(crowd.woken, CROWD);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(poll_by(&crowd.waits[i], &crowd.counters[i]), POLL_READY);
        assert_int_equal(crowd.again_counters[i].wakes, 0);
        future_drop(&crowd.again[i].base);
    }
    notify_destroy(&n);
}

/* One of three, at each place, is dropped after so many polls. Before the notification: the first of the others has it.
 * After it: the one who was to have it passes it on. */
static void drop_one(int who, int polls, bool notified)
{
    struct counter counters[3];
    struct notify_wait waits[3];
    int heir = who == 0 ? 1 : 0;

    notify_init(&n);
    begin(waits, counters, 3);
    for (int i = 1; i < polls; i++)
        assert_int_equal(poll_by(&waits[who], &counters[who]), POLL_PENDING);
    if (!notified)
        future_drop(&waits[who].base);
    notify_one(&n);
    if (notified)
        future_drop(&waits[who].base);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counters[i].wakes, i == heir || (notified && who == 0 && i == 0));
        if (i == who)
            continue;
        assert_int_equal(poll_by(&waits[i], &counters[i]), i == heir ? POLL_READY : POLL_PENDING);
        future_drop(&waits[i].base);
        assert_int_equal(counters[i].held, 0);
    }
    notify_destroy(&n);
}

static void test_dropped_at_every_step(void **state)
{
    (void)state;
    for (int who = 0; who < 3; who++)
        for (int polls = 1; polls < 3; polls++)
            for (int notified = 0; notified < 2; notified++)
                drop_one(who, polls, notified);
}

/* With nobody else there, the notification that is passed on is kept; that of notify_all is not. */
static void test_dropped_with_nobody_else(void **state)
{
    (void)state;
    struct counter one;
    struct notify_wait wait;

    notify_init(&n);
    begin(&wait, &one, 1);
    notify_one(&n);
    future_drop(&wait.base);
    wait = notify_wait(&n);
    assert_int_equal(poll_by(&wait, &one), POLL_READY);

    begin(&wait, &one, 1);
    notify_all(&n);
    future_drop(&wait.base);
    wait = notify_wait(&n);
    assert_int_equal(poll_by(&wait, &one), POLL_PENDING);
    future_drop(&wait.base);
    notify_destroy(&n);
}

/* --- several threads: so many notifications, so many that were ready; some of them give up in between --- */

enum { THREADS = 3, ROUNDS = 3000 };

struct stress {
    uint64_t seed;
    long ready;
    atomic_int *done;
};

static void *stress_waits(void *arg)
{
    struct stress *self = arg;
    struct counter counter = {0};

    for (int i = 0; i < ROUNDS; i++) {
        struct notify_wait wait = notify_wait(&n);
        for (uint64_t polls = chance(&self->seed) % 4; wait.base.phase != FUTURE_FINISHED && polls > 0; polls--)
            if (poll_by(&wait, &counter) == POLL_PENDING)
                sched_yield();
        self->ready += wait.base.phase == FUTURE_FINISHED;
        future_drop(&wait.base);
    }
    atomic_fetch_add_explicit(self->done, 1, memory_order_release); /* partner: test_stress */
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

/* As each notification is collected by one at most, and the next is given only when the last one was collected (then
 * nothing is kept), no fewer can be ready than are given. */
static void *stress_notifies(void *arg)
{
    struct stress *self = arg;

    /* acquire: partner stress_waits */
    while (atomic_load_explicit(self->done, memory_order_acquire) < THREADS) {
        notify_one(&n);
        self->ready++;
        if (chance(&self->seed) % 2)
            sched_yield();
    }
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");
    struct stress threads[THREADS];
    struct stress notifier = {.seed = seed ^ 0x77};
    atomic_int done = 0;
    pthread_t thread;
    long ready = 0;

    notify_init(&n);
    notifier.done = &done;
    assert_int_equal(pthread_create(&thread, NULL, stress_notifies, &notifier), 0);
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = (struct stress){seed + 2 * i, 0, &done};
    threads_run(THREADS, stress_waits, threads, sizeof threads[0]);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        ready += threads[i].ready;
    assert_in_range(ready, 1, notifier.ready);
    notify_destroy(&n);
}

/* Turn and turn about: one notifies and waits, the other waits and notifies. One lost notification, and both stand still. */
struct turn {
    struct notify *mine, *other;
    bool begins;
};

static void *take_turns(void *arg)
{
    struct turn *turn = arg;
    struct counter counter = {0};

    for (int i = 0; i < ROUNDS; i++) {
        struct notify_wait wait = notify_wait(turn->mine);
        if (turn->begins)
            notify_one(turn->other);
        await_by(&wait, &counter);
        future_drop(&wait.base);
        if (!turn->begins)
            notify_one(turn->other);
    }
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

static void test_turns(void **state)
{
    (void)state;
    struct notify other;
    struct turn turns[2] = {{&n, &other, true}, {&other, &n, false}};

    notify_init(&n);
    notify_init(&other);
    threads_run(2, take_turns, turns, sizeof turns[0]);
    notify_destroy(&n);
    notify_destroy(&other);
}

/* --- misuse --- */

static struct counter somebody;

static void destroy_waited_for(void)
{
    notify_init(&n);
    struct notify_wait wait = notify_wait(&n);
    poll_by(&wait, &somebody);
    HERE, notify_destroy(&n);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(destroy_waited_for, __FILE__, "notify * is destroyed while somebody waits for it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_is_kept),
        TEST(test_one_at_a_time_in_order),
        TEST(test_all),
        TEST(test_all_when_nobody_waits),
        TEST(test_all_of_many),
        TEST(test_dropped_at_every_step),
        TEST(test_dropped_with_nobody_else),
        TEST(test_stress),
        TEST(test_turns),
        TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
