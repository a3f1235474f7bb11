/* The async barrier: all of a group go on together, one of them is the leader, and the next group is another one. */
#include "support_async.h"

#include "async_barrier.h"

static struct async_barrier b;

static void test_a_group_of_one(void **state)
{
    (void)state;
    struct counter one = {0};

    async_barrier_init(&b, 1);
    for (int i = 0; i < 3; i++) {
        struct async_barrier_wait wait = async_barrier_wait(&b);
        assert_int_equal(poll_by(&wait, &one), POLL_READY);
        assert_true(wait.output);
    }
    async_barrier_destroy(&b);
}

/* Round after round; those of the next round arrive before those of the last have been polled again. */
static void test_rounds(void **state)
{
    (void)state;
    struct counter counters[2][3] = {0};
    struct async_barrier_wait waits[2][3];

    async_barrier_init(&b, 3);
    for (int round = 0; round < 4; round++) {
        struct counter *now = counters[round % 2];
        for (int i = 0; i < 3; i++) {
            now[i] = (struct counter){0};
            waits[round % 2][i] = async_barrier_wait(&b);
            assert_int_equal(poll_by(&waits[round % 2][i], &now[i]), i < 2 ? POLL_PENDING : POLL_READY);
        }
        assert_true(waits[round % 2][2].output);
        for (int i = 0; i < 2; i++)
            assert_int_equal(now[i].wakes, 1);
        for (int i = 0; round > 0 && i < 2; i++) {
            assert_int_equal(counters[1 - round % 2][i].wakes, 1);
            assert_int_equal(poll_by(&waits[1 - round % 2][i], &counters[1 - round % 2][i]), POLL_READY);
            assert_false(waits[1 - round % 2][i].output);
        }
    }
}

/* Dropped before the last one came, it has not arrived; after that, the others are not disturbed. */
static void test_dropped_at_every_step(void **state)
{
    (void)state;
    for (int polls = 0; polls < 3; polls++)
        for (int opened = 0; opened < 2 && opened <= polls; opened++) {
            struct counter gone = {0}, one = {0}, two = {0};
            async_barrier_init(&b, opened ? 3 : 2);
            struct async_barrier_wait dropped = async_barrier_wait(&b), first = async_barrier_wait(&b),
                                      second = async_barrier_wait(&b);
            for (int n = 0; n < polls; n++)
                assert_int_equal(poll_by(&dropped, &gone), POLL_PENDING);
            if (!opened)
                future_drop(&dropped.base);
            assert_int_equal(poll_by(&first, &one), POLL_PENDING);
            assert_int_equal(poll_by(&second, &two), POLL_READY);
            if (opened)
                future_drop(&dropped.base);
            assert_int_equal(gone.held, 0);
            assert_int_equal(gone.wakes, opened);
            assert_int_equal(one.wakes, 1);
            assert_int_equal(poll_by(&first, &one), POLL_READY);
            struct async_barrier_wait next = async_barrier_wait(&b);
            assert_int_equal(poll_by(&next, &one), POLL_PENDING);
            future_drop(&next.base);
            async_barrier_destroy(&b);
        }
}

/* More than are woken in one go; each that is woken arrives once more at once, for the next round. */
enum { CROWD = 40 };

static struct crowd {
    struct async_barrier_wait waits[CROWD], again[CROWD];
    struct counter counters[CROWD], again_counters[CROWD];
    int woken;
} crowd;

static void arrive_again(void *unused)
{
    (void)unused;
    int i = crowd.woken++;
    crowd.again[i] = async_barrier_wait(&b);
    assert_int_equal(poll_by(&crowd.again[i], &crowd.again_counters[i]), POLL_PENDING);
}

static void test_many(void **state)
{
    (void)state;
    async_barrier_init(&b, CROWD);
    for (int i = 0; i < CROWD; i++) {
        crowd.counters[i] = (struct counter){.on_wake = arrive_again};
        crowd.waits[i] = async_barrier_wait(&b);
        assert_int_equal(poll_by(&crowd.waits[i], &crowd.counters[i]), i < CROWD - 1 ? POLL_PENDING : POLL_READY);
    }
    assert_int_equal(crowd.woken, CROWD - 1);
    for (int i = 0; i < CROWD - 1; i++) {
        assert_int_equal(poll_by(&crowd.waits[i], &crowd.counters[i]), POLL_READY);
        assert_int_equal(crowd.again_counters[i].wakes, 0);
        future_drop(&crowd.again[i].base);
    }
    async_barrier_destroy(&b);
}

/* --- several threads: nobody is a round ahead --- */

enum { THREADS = 3, ROUNDS = 2000 };

struct stress {
    atomic_int *arrived; /* in all rounds */
    int leads;
};

static void *stress_rounds(void *arg)
{
    struct stress *self = arg;
    struct counter counter = {0};

    for (int round = 1; round <= ROUNDS; round++) {
        /* relaxed: the barrier orders it, and that is what is tested */
        atomic_fetch_add_explicit(self->arrived, 1, memory_order_relaxed);
        struct async_barrier_wait wait = async_barrier_wait(&b);
        await_by(&wait, &counter);
        self->leads += wait.output;
        future_drop(&wait.base);
        int arrived = atomic_load_explicit(self->arrived, memory_order_relaxed);
        assert_in_range(arrived, round * THREADS, (round + 1) * THREADS - 1);
    }
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    atomic_int arrived = 0;
    struct stress threads[THREADS];
    int leads = 0;

    async_barrier_init(&b, THREADS);
    for (int i = 0; i < THREADS; i++)
        threads[i] = (struct stress){&arrived, 0};
    threads_run(THREADS, stress_rounds, threads, sizeof threads[0]);
    for (int i = 0; i < THREADS; i++)
        leads += threads[i].leads;
    assert_int_equal(leads, ROUNDS);
    async_barrier_destroy(&b);
}

/* --- misuse --- */

static struct counter somebody;

static void group_of_nobody(void)
{
    HERE, async_barrier_init(&b, 0);
}

static void destroy_waited_at(void)
{
    async_barrier_init(&b, 2);
    struct async_barrier_wait wait = async_barrier_wait(&b);
    poll_by(&wait, &somebody);
    HERE, async_barrier_destroy(&b);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(group_of_nobody, __FILE__, "a barrier for a group of nobody");
    expect_misuse(destroy_waited_at, __FILE__, "barrier * is destroyed while somebody waits at it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_group_of_one), TEST(test_rounds), TEST(test_dropped_at_every_step),
        TEST(test_many),           TEST(test_stress), TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
