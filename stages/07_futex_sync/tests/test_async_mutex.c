/* The async mutex: one at a time, in the order in which they came, and whoever gives up waiting is no obstacle. */
#include "support_async.h"

#include "async_mutex.h"

static void test_free_taken_waited_for(void **state)
{
    (void)state;
    struct async_mutex m;
    struct counter one = {0}, two = {0};

    async_mutex_init(&m);
    struct async_mutex_lock first = async_mutex_lock(&m), second = async_mutex_lock(&m);
    assert_int_equal(poll_by(&first, &one), POLL_READY);
    assert_int_equal(poll_by(&second, &two), POLL_PENDING);
    assert_int_equal(two.held, 1);
    async_mutex_unlock(&m);
    assert_int_equal(two.wakes, 1);
    assert_int_equal(two.held, 0);
    assert_int_equal(one.wakes, 0);
    assert_int_equal(poll_by(&second, &two), POLL_READY);
    async_mutex_unlock(&m);
    future_drop(&first.base);
    future_drop(&second.base);
    async_mutex_destroy(&m);
}

static void test_trylock(void **state)
{
    (void)state;
    struct async_mutex m;
    struct counter one = {0};

    async_mutex_init(&m);
    assert_true(async_mutex_trylock(&m));
    assert_false(async_mutex_trylock(&m));
    struct async_mutex_lock lock = async_mutex_lock(&m);
    assert_int_equal(poll_by(&lock, &one), POLL_PENDING);
    async_mutex_unlock(&m);
    assert_false(async_mutex_trylock(&m)); /* it is the waiter's already */
    assert_int_equal(poll_by(&lock, &one), POLL_READY);
    async_mutex_unlock(&m);
    assert_true(async_mutex_trylock(&m));
    async_mutex_unlock(&m);
    async_mutex_destroy(&m);
}

static void test_in_the_order_of_coming(void **state)
{
    (void)state;
    struct async_mutex m;
    struct counter counters[5] = {0};
    struct async_mutex_lock locks[5];

    async_mutex_init(&m);
    for (int i = 0; i < 5; i++) {
        locks[i] = async_mutex_lock(&m);
        assert_int_equal(poll_by(&locks[i], &counters[i]), i == 0 ? POLL_READY : POLL_PENDING);
    }
    for (int i = 1; i < 5; i++) {
        async_mutex_unlock(&m);
        for (int j = 1; j < 5; j++)
            assert_int_equal(counters[j].wakes, j <= i);
        assert_int_equal(poll_by(&locks[i], &counters[i]), POLL_READY);
    }
    async_mutex_unlock(&m);
    async_mutex_destroy(&m);
}

/* A future may be polled for another reason, and by another task than before. */
static void test_polled_for_no_reason(void **state)
{
    (void)state;
    struct async_mutex m;
    struct counter one = {0}, two = {0};

    async_mutex_init(&m);
    assert_true(async_mutex_trylock(&m));
    struct async_mutex_lock lock = async_mutex_lock(&m);
    assert_int_equal(poll_by(&lock, &one), POLL_PENDING);
    assert_int_equal(poll_by(&lock, &one), POLL_PENDING);
    assert_int_equal(one.held, 1);
    assert_int_equal(poll_by(&lock, &two), POLL_PENDING);
    assert_int_equal(one.held, 0);
    assert_int_equal(two.held, 1);
    async_mutex_unlock(&m);
    assert_int_equal(one.wakes, 0);
    assert_int_equal(two.wakes, 1);
    assert_int_equal(poll_by(&lock, &one), POLL_READY);
    async_mutex_unlock(&m);
    async_mutex_destroy(&m);
}

/* Three stand in line; one of them, at each place, is dropped after so many polls, before or after its grant. The other
 * two get the mutex. */
static void drop_one(int who, int polls, bool granted)
{
    struct async_mutex m;
    struct counter counters[3] = {0};
    struct async_mutex_lock locks[3];

    async_mutex_init(&m);
    assert_true(async_mutex_trylock(&m));
    for (int i = 0; i < 3; i++) {
        locks[i] = async_mutex_lock(&m);
        for (int n = 0; n < (i == who ? polls : 1); n++)
            assert_int_equal(poll_by(&locks[i], &counters[i]), POLL_PENDING);
    }
    if (!granted)
        future_drop(&locks[who].base);
    async_mutex_unlock(&m);
    if (granted)
        future_drop(&locks[who].base);
    for (int i = 0; i < 3; i++) {
        if (i == who)
            continue;
        assert_int_equal(counters[i].wakes, 1);
        assert_int_equal(poll_by(&locks[i], &counters[i]), POLL_READY);
        async_mutex_unlock(&m);
        future_drop(&locks[i].base);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(counters[i].held, 0);
    async_mutex_destroy(&m);
}

static void test_dropped_at_every_step(void **state)
{
    (void)state;
    for (int who = 0; who < 3; who++)
        for (int polls = 0; polls < 3; polls++) {
            drop_one(who, polls, false);
            drop_one(who, polls, true);
        }
}

/* A wake may run anything: here it drops the very future that it woke, and takes the mutex again. */
struct nested {
    struct async_mutex m;
    struct async_mutex_lock lock;
    bool got;
};

static void drop_and_take(void *arg)
{
    struct nested *nested = arg;
    future_drop(&nested->lock.base);
    nested->got = async_mutex_trylock(&nested->m);
}

static void test_a_wake_that_uses_the_mutex(void **state)
{
    (void)state;
    struct nested nested = {0};
    struct counter one = {.on_wake = drop_and_take, .arg = &nested};

    async_mutex_init(&nested.m);
    assert_true(async_mutex_trylock(&nested.m));
    nested.lock = async_mutex_lock(&nested.m);
    assert_int_equal(poll_by(&nested.lock, &one), POLL_PENDING);
    async_mutex_unlock(&nested.m);
    assert_true(nested.got);
    async_mutex_unlock(&nested.m);
    async_mutex_destroy(&nested.m);
}

/* And so may the drop of a waker that is replaced, or not needed any more: here it waits for the mutex, too. */
static void wait_too(void *arg)
{
    static struct counter two;
    struct async_mutex_lock lock = async_mutex_lock((struct async_mutex *)arg);

    assert_int_equal(poll_by(&lock, &two), POLL_PENDING);
    future_drop(&lock.base);
}

static void test_a_drop_that_uses_the_mutex(void **state)
{
    (void)state;
    struct async_mutex m;
    struct counter one = {.on_drop = wait_too, .arg = &m}, other = {.on_drop = wait_too, .arg = &m};

    async_mutex_init(&m);
    assert_true(async_mutex_trylock(&m));
    struct async_mutex_lock lock = async_mutex_lock(&m);
    assert_int_equal(poll_by(&lock, &one), POLL_PENDING);
    assert_int_equal(poll_by(&lock, &other), POLL_PENDING);
    assert_int_equal(one.held, 0);
    future_drop(&lock.base);
    assert_int_equal(other.held, 0);
    async_mutex_unlock(&m);
    async_mutex_destroy(&m);
}

/* --- several threads --- */

enum { THREADS = 4, ROUNDS = 4000 };

struct shared {
    struct async_mutex m;
    long count; /* under the mutex */
    int inside; /* likewise */
};

struct stress {
    struct shared *shared;
    uint64_t seed;
    long locked;
};

static void section(struct stress *self)
{
    assert_int_equal(self->shared->inside++, 0);
    if (chance(&self->seed) % 8 == 0)
        sched_yield();
    self->shared->count++;
    self->shared->inside--;
    self->locked++;
    async_mutex_unlock(&self->shared->m);
}

/* Locks, or gives up after a few polls. */
static void *stress_locks(void *arg)
{
    struct stress *self = arg;
    struct counter counter = {0};

    for (int i = 0; i < ROUNDS; i++) {
        struct async_mutex_lock lock = async_mutex_lock(&self->shared->m);
        int patience = (int)(chance(&self->seed) % 4);
        if (patience == 0)
            await_by(&lock, &counter);
        for (; patience > 0 && lock.base.phase != FUTURE_FINISHED; patience--)
            poll_by(&lock, &counter);
        bool locked = lock.base.phase == FUTURE_FINISHED;
        future_drop(&lock.base);
        if (locked)
            section(self);
    }
    while (atomic_load(&counter.held) != 0) /* somebody is just about to wake */
        sched_yield();
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_stress");
    struct shared shared = {.count = 0};
    struct stress threads[THREADS];
    long locked = 0;

    async_mutex_init(&shared.m);
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = (struct stress){&shared, seed + 2 * i, 0};
    threads_run(THREADS, stress_locks, threads, sizeof threads[0]);
    for (unsigned i = 0; i < THREADS; i++)
        locked += threads[i].locked;
    assert_int_equal(shared.count, locked);
    async_mutex_destroy(&shared.m);
}

/* The mutex lies in memory that whoever comes last frees, right after his unlock: the other's must not touch it then. */
struct last_one_frees {
    struct async_mutex m;
    int users; /* under the mutex */
};

static void *use_and_free(void *arg)
{
    struct last_one_frees *object = *(struct last_one_frees **)arg;
    struct counter counter = {0};
    struct async_mutex_lock lock = async_mutex_lock(&object->m);

    await_by(&lock, &counter);
    future_drop(&lock.base);
    bool last = --object->users == 0;
    async_mutex_unlock(&object->m);
    if (last) {
        async_mutex_destroy(&object->m);
        memset(object, 0xdb, sizeof *object);
        free(object);
    }
    while (atomic_load(&counter.held) != 0)
        sched_yield();
    return NULL;
}

static void test_the_last_one_frees(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        struct last_one_frees *object = malloc(sizeof *object), *args[3] = {object, object, object};
        async_mutex_init(&object->m);
        object->users = 3;
        threads_run(3, use_and_free, args, sizeof args[0]);
    }
}

/* --- misuse --- */

static struct async_mutex m;
static struct counter somebody;

static void unlock_unlocked(void)
{
    async_mutex_init(&m);
    HERE, async_mutex_unlock(&m);
}

static void destroy_locked(void)
{
    async_mutex_init(&m);
    async_mutex_trylock(&m);
    HERE, async_mutex_destroy(&m);
}

static void destroy_waited_for(void)
{
    async_mutex_init(&m);
    async_mutex_trylock(&m);
    struct async_mutex_lock lock = async_mutex_lock(&m);
    poll_by(&lock, &somebody);
    HERE, async_mutex_destroy(&m);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_misuse(unlock_unlocked, __FILE__, "async_mutex_unlock of a mutex that is not locked");
    expect_misuse(destroy_locked, __FILE__, "async mutex * is destroyed while it is locked");
    expect_misuse(destroy_waited_for, __FILE__, "* is destroyed while somebody waits for it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_free_taken_waited_for),      TEST(test_trylock),
        TEST(test_in_the_order_of_coming),     TEST(test_polled_for_no_reason),
        TEST(test_dropped_at_every_step),      TEST(test_a_wake_that_uses_the_mutex),
        TEST(test_a_drop_that_uses_the_mutex), TEST(test_stress),
        TEST(test_the_last_one_frees),         TEST(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
