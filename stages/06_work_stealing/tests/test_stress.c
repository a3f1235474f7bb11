/* LINK: @tests/support.link */
/* Everything at once, by chance: threads and tasks spawn, wake, sleep, yield, join, abort and drop. Each task must be
 * dropped once, and none may be left, whether the runtime comes to rest before its end or not.
 *
 *   SEED=1234 test_stress     repeats the choices of a run (which thread comes first is still up to the kernel) */
#include "support.h"

#include "timer.h"
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct runtime rt;
static atomic_uint spawned, dropped, refused;
static uint64_t seed;

/* --- chance --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static unsigned choose(uint64_t *state, unsigned count)
{
    return (unsigned)(next_random(state) >> 33) % count;
}

/* --- places to wait, each for one task at a time: a second one sends the first away --- */

enum { PLACES = 8 };

static struct {
    pthread_mutex_t lock;
    struct waker waiting;
} places[PLACES];

static void place_swap(unsigned i, struct waker waker)
{
    pthread_mutex_lock(&places[i].lock);
    struct waker before = places[i].waiting;
    places[i].waiting = waker;
    pthread_mutex_unlock(&places[i].lock);
    if (before.vtable)
        waker_wake(before);
}

static void place_ring(unsigned i)
{
    place_swap(i, (struct waker){0});
}

/* --- a task that lives by chance --- */

struct grain {
    struct future base;
    uint64_t random;
    int lives; /* polls that it may still go on after */
    int depth;
    struct sleep sleep;
    struct join_handle child;
    enum { GRAIN_FREE, GRAIN_ASLEEP, GRAIN_JOINING } state;
};

static int spawn_grain(uint64_t random, int depth, struct join_handle *handle);

static enum poll grain_sleeps(struct grain *self, struct context *cx)
{
    self->sleep = sleep_for(choose(&self->random, 200000));
    self->state = GRAIN_ASLEEP;
    return future_poll(&self->sleep.base, cx);
}

/* What it does with a child: lets it go, stops it, or waits for it. */
static enum poll grain_spawns(struct grain *self, struct context *cx)
{
    if (self->depth == 0 || spawn_grain(next_random(&self->random), self->depth - 1, &self->child) != 0)
        return POLL_READY;
    unsigned choice = choose(&self->random, 4);
    if (choice == 0)
        join_handle_abort(&self->child);
    if (choice <= 1) {
        future_drop(&self->child.base);
        return POLL_READY;
    }
    self->state = GRAIN_JOINING;
    return future_poll(&self->child.base, cx);
}

/* Goes on with what it waits for. Ready: it is free to do something else. */
static enum poll grain_goes_on(struct grain *self, struct context *cx)
{
    struct future *inner = self->state == GRAIN_ASLEEP ? &self->sleep.base : &self->child.base;

    if (self->state == GRAIN_FREE)
        return POLL_READY;
    if (inner->phase != FUTURE_FINISHED && future_poll(inner, cx) == POLL_PENDING)
        return POLL_PENDING;
    future_drop(inner);
    self->state = GRAIN_FREE;
    return POLL_READY;
}

/* Something that takes no time, or leaves a waker. */
static enum poll grain_does_something(struct grain *self, struct context *cx)
{
    switch (choose(&self->random, 5)) {
    case 0:
        waker_wake_by_ref(cx->waker);
        return POLL_PENDING;
    case 1:
        return grain_sleeps(self, cx);
    case 2:
        return grain_spawns(self, cx);
    case 3:
        place_swap(choose(&self->random, PLACES), waker_clone(cx->waker));
        return POLL_PENDING;
    default:
        place_ring(choose(&self->random, PLACES));
        return POLL_READY;
    }
}

static enum poll grain_poll(struct future *f, struct context *cx)
{
    struct grain *self = (struct grain *)f;

    while (self->lives-- > 0) {
        if (grain_goes_on(self, cx) == POLL_PENDING || grain_does_something(self, cx) == POLL_PENDING)
            return POLL_PENDING;
    }
    return POLL_READY;
}

static void grain_drop(struct future *f)
{
    struct grain *self = (struct grain *)f;

    if (self->state == GRAIN_ASLEEP)
        future_drop(&self->sleep.base);
    if (self->state == GRAIN_JOINING)
        future_drop(&self->child.base);
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

FUTURE_TYPE(grain, grain_poll, grain_drop);

static int spawn_grain(uint64_t random, int depth, struct join_handle *handle)
{
    struct grain grain = {.random = random | 1, .depth = depth, .state = GRAIN_FREE};

    grain.lives = (int)choose(&grain.random, 8);
    future_init(&grain.base, &grain_type);
    atomic_fetch_add_explicit(&spawned, 1, memory_order_relaxed);
    int error = task_spawn(&rt, &grain, handle);
    sure(error == 0 || error == -ESHUTDOWN);
    if (error) {
        atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
        future_drop(&grain.base);
    }
    return error;
}

/* --- threads from outside --- */

enum { THREADS = 3, STEPS = 1500 };

static void thread_step(uint64_t *random)
{
    struct join_handle handle;
    struct probe probe = {0};

    if (spawn_grain(next_random(random), 3, &handle) != 0)
        return;
    switch (choose(random, 4)) {
    case 0:
        join_handle_abort(&handle);
        break;
    case 1:
        poll_with(&handle, &probe);
        break;
    case 2:
        place_ring(choose(random, PLACES));
        break;
    }
    future_drop(&handle.base);
    wait_until(probe.held == 0);
}

static void *thread_main(void *number)
{
    uint64_t random = seed * 2654435761u + *(unsigned *)number + 1;

    for (int i = 0; i < STEPS; i++)
        thread_step(&random);
    return NULL;
}

static void run(unsigned workers, bool rests)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];

    atomic_store(&spawned, 0);
    atomic_store(&dropped, 0);
    atomic_store(&refused, 0);
    assert_int_equal(runtime_init(&rt, workers), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &numbers[i]), 0);
    }
    if (!rests) {
        wait_until(spawned > STEPS);
        runtime_destroy(&rt);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; rests && dropped != spawned; i++) {
        place_ring(i % PLACES);
        give_way();
    }
    if (rests)
        runtime_destroy(&rt);
    for (unsigned i = 0; i < PLACES; i++)
        place_ring(i);
    assert_int_equal(dropped, spawned);
    if (rests)
        assert_int_equal(refused, 0);
}

static void test_comes_to_rest(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++)
        run(workers, true);
}

static void test_ends_in_the_middle(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 4; workers++)
        run(workers, false);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {TEST(test_comes_to_rest), TEST(test_ends_in_the_middle)};
    const char *given = getenv("SEED");

    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (int i = 0; i < PLACES; i++)
        pthread_mutex_init(&places[i].lock, NULL);
    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
