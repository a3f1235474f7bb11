/* The async semaphore: permits are neither lost nor doubled, whoever comes first is served first, and many are served at
 * once. What it shares with the mutex is tested there. */
#include "support_async.h"

#include "async_semaphore.h"

static struct async_semaphore s;

static void test_counts(void **state)
{
    (void)state;
    struct counter one = {0};

    async_semaphore_init(&s, 3);
    assert_true(async_semaphore_try_acquire(&s, 2));
    assert_false(async_semaphore_try_acquire(&s, 2));
    assert_int_equal(async_semaphore_available(&s), 1);
    struct async_semaphore_acquire acquire = async_semaphore_acquire(&s, 1), none = async_semaphore_acquire(&s, 0);
    assert_int_equal(poll_by(&acquire, &one), POLL_READY);
    assert_int_equal(poll_by(&none, &one), POLL_READY);
    async_semaphore_release(&s, 5);
    assert_int_equal(async_semaphore_available(&s), 5);
    async_semaphore_destroy(&s);
}

/* Who wants many is not passed over by those who want few. */
static void test_a_large_wish_does_not_starve(void **state)
{
    (void)state;
    struct counter large = {0}, small = {0};

    async_semaphore_init(&s, 2);
    struct async_semaphore_acquire three = async_semaphore_acquire(&s, 3), one = async_semaphore_acquire(&s, 1);
    assert_int_equal(poll_by(&three, &large), POLL_PENDING);
    assert_int_equal(poll_by(&one, &small), POLL_PENDING);
    assert_false(async_semaphore_try_acquire(&s, 1));
    async_semaphore_release(&s, 1);
    assert_int_equal(large.wakes, 1);
    assert_int_equal(small.wakes, 0);
    async_semaphore_release(&s, 1);
    assert_int_equal(small.wakes, 1);
    assert_int_equal(poll_by(&three, &large), POLL_READY);
    assert_int_equal(poll_by(&one, &small), POLL_READY);
    async_semaphore_destroy(&s);
}

/* When he gives up, those behind him have what he stood in the way of. */
static void test_a_large_wish_gives_way(void **state)
{
    (void)state;
    struct counter large = {0}, small[2] = {0};

    async_semaphore_init(&s, 2);
    struct async_semaphore_acquire three = async_semaphore_acquire(&s, 3);
    struct async_semaphore_acquire ones[2] = {async_semaphore_acquire(&s, 1), async_semaphore_acquire(&s, 1)};
    assert_int_equal(poll_by(&three, &large), POLL_PENDING);
    for (int i = 0; i < 2; i++)
        assert_int_equal(poll_by(&ones[i], &small[i]), POLL_PENDING);
    future_drop(&three.base);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(small[i].wakes, 1);
        assert_int_equal(poll_by(&ones[i], &small[i]), POLL_READY);
    }
    assert_int_equal(async_semaphore_available(&s), 0);
    async_semaphore_destroy(&s);
}

/* More than fit into one go, so what is left over has to be kept from those who come meanwhile. */
enum { CROWD = 40 };

struct crowd {
    struct async_semaphore_acquire wants[CROWD];
    struct counter counters[CROWD];
    int stolen;
};

static void try_to_steal(void *arg)
{
    struct crowd *crowd = arg;
    crowd->stolen += async_semaphore_try_acquire(&s, 1);
}

static void test_many_at_once(void **state)
{
    (void)state;
    struct crowd crowd = {.stolen = 0};

    async_semaphore_init(&s, 0);
    for (int i = 0; i < CROWD; i++) {
        crowd.counters[i] = (struct counter){.on_wake = try_to_steal, .arg = &crowd};
        crowd.wants[i] = async_semaphore_acquire(&s, 1);
        assert_int_equal(poll_by(&crowd.wants[i], &crowd.counters[i]), POLL_PENDING);
    }
    async_semaphore_release(&s, CROWD);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(crowd.counters[i].wakes, 1);
        assert_int_equal(poll_by(&crowd.wants[i], &crowd.counters[i]), POLL_READY);
    }
    assert_int_equal(crowd.stolen, 0);
    async_semaphore_release(&s, CROWD);
    assert_int_equal(async_semaphore_available(&s), CROWD);
    async_semaphore_destroy(&s);
}

/* What was granted and not collected is there again after the drop, for each number of polls and permits. */
static void test_a_dropped_grant_is_given_back(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 4; count++)
        for (int polls = 1; polls < 4; polls++) {
            struct counter one = {0};
            async_semaphore_init(&s, 0);
            struct async_semaphore_acquire wants = async_semaphore_acquire(&s, count);
            for (int n = 0; n < polls; n++)
                assert_int_equal(poll_by(&wants, &one), POLL_PENDING);
            async_semaphore_release(&s, count);
            assert_int_equal(async_semaphore_available(&s), 0);
            future_drop(&wants.base);
            assert_int_equal(async_semaphore_available(&s), count);
            async_semaphore_destroy(&s);
        }
}

/* --- several threads: never more inside than there are permits --- */

enum { THREADS = 4, ROUNDS = 4000, PERMITS = 5 };

struct stress {
    uint64_t seed;
    atomic_int *inside;
};

static void use_and_release(struct stress *self, uint32_t count)
{
    int inside = atomic_fetch_add_explicit(self->inside, (int)count, memory_order_relaxed) + (int)count;
    assert_in_range(inside, 1, PERMITS);
    if (chance(&self->seed) % 8 == 0)
        sched_yield();
    atomic_fetch_sub_explicit(self->inside, (int)count, memory_order_relaxed);
    async_semaphore_release(&s, count);
}

static void *stress_permits(void *arg)
{
    struct stress *self = arg;
    struct counter counter = {0};

    for (int i = 0; i < ROUNDS; i++) {
        uint32_t count = (uint32_t)(1 + chance(&self->seed) % PERMITS);
        struct async_semaphore_acquire wants = async_semaphore_acquire(&s, count);
        if (chance(&self->seed) % 2)
            await_by(&wants, &counter);
        else if (poll_by(&wants, &counter) == POLL_PENDING && chance(&self->seed) % 2)
            sched_yield();
        bool got = wants.base.phase == FUTURE_FINISHED;
        future_drop(&wants.base);
        if (got)
            use_and_release(self, count);
    }
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");
    struct stress threads[THREADS];
    atomic_int inside = 0;

    async_semaphore_init(&s, PERMITS);
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = (struct stress){seed + 2 * i, &inside};
    threads_run(THREADS, stress_permits, threads, sizeof threads[0]);
    assert_int_equal(async_semaphore_available(&s), PERMITS);
    async_semaphore_destroy(&s);
}

/* --- misuse --- */

static struct counter somebody;

static void release_too_many(void)
{
    async_semaphore_init(&s, SEMAPHORE_PERMITS_MAX);
    HERE, async_semaphore_release(&s, 1);
}

static void release_too_many_to_a_waiter(void)
{
    async_semaphore_init(&s, 1);
    struct async_semaphore_acquire wants = async_semaphore_acquire(&s, 2);
    poll_by(&wants, &somebody);
    HERE, async_semaphore_release(&s, SEMAPHORE_PERMITS_MAX);
}

static void want_too_many(void)
{
    async_semaphore_init(&s, 1);
    (void)(HERE, async_semaphore_acquire(&s, SEMAPHORE_PERMITS_MAX + 1));
}

static void destroy_waited_for(void)
{
    async_semaphore_init(&s, 0);
    struct async_semaphore_acquire wants = async_semaphore_acquire(&s, 1);
    poll_by(&wants, &somebody);
    HERE, async_semaphore_destroy(&s);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(release_too_many, __FILE__, "semaphore * has more permits released than it can count");
    expect_misuse(release_too_many_to_a_waiter, __FILE__, "semaphore * has more permits released than it can count");
    expect_misuse(want_too_many, __FILE__, "semaphore * is asked for more permits than it can count");
    expect_misuse(destroy_waited_for, __FILE__, "semaphore * is destroyed while somebody waits for it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts),       TEST(test_a_large_wish_does_not_starve),  TEST(test_a_large_wish_gives_way),
        TEST(test_many_at_once), TEST(test_a_dropped_grant_is_given_back), TEST(test_stress),
        TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
