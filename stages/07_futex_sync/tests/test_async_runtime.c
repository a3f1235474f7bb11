/* All of the suspending half under the real runtime: tasks on several workers, which are stolen from one another, use the
 * locks and channels at once, and some of them are aborted at any moment. What they share stays right. */
#include "support_async.h"

#include "async_barrier.h"
#include "async_mutex.h"
#include "join_handle.h"
#include "mpsc.h"
#include "runtime.h"
#include "task.h"
#include "yield.h"

#include <errno.h>

enum { WORKERS = 4, TASKS = 12, ROUNDS = 300 };

static struct runtime rt;

static void spawn_at(struct future *f, size_t size, struct join_handle *handle)
{
    assert_int_equal(task_spawn_at(&rt, f, size, handle, SITE("")), 0);
}

#define spawn(f, handle) spawn_at(&(f)->base, sizeof *(f), handle)

static void join_and_drop(struct join_handle *handle)
{
    assert_int_equal(runtime_block_on(&rt, handle), 0);
    future_drop(&handle->base);
}

/* --- one lock, with a yield while it is held --- */

static struct async_mutex mutex;
static int inside;
static long counted;

struct locker {
    struct future base;
    int left;
    struct async_mutex_lock lock;
    struct yield yield;
    enum { LOCKER_NEXT, LOCKER_LOCKING, LOCKER_INSIDE } state;
};

static void locker_unlock(struct locker *self)
{
    inside--;
    async_mutex_unlock(&mutex);
    self->state = LOCKER_NEXT;
}

static enum poll locker_poll(struct future *f, struct context *cx)
{
    struct locker *self = (struct locker *)f;

    for (;;) {
        if (self->state == LOCKER_NEXT) {
            if (self->left-- == 0)
                return POLL_READY;
            self->lock = async_mutex_lock(&mutex);
            self->state = LOCKER_LOCKING;
        }
        if (self->state == LOCKER_LOCKING) {
            if (future_poll(&self->lock.base, cx) == POLL_PENDING)
                return POLL_PENDING;
            future_drop(&self->lock.base);
            assert_int_equal(inside++, 0);
            counted++;
            self->yield = yield_now();
            self->state = LOCKER_INSIDE;
        }
        if (future_poll(&self->yield.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->yield.base);
        locker_unlock(self);
    }
}

static void locker_drop(struct future *f)
{
    struct locker *self = (struct locker *)f;

    if (self->state == LOCKER_LOCKING)
        future_drop(&self->lock.base);
    if (self->state == LOCKER_INSIDE) {
        future_drop(&self->yield.base);
        locker_unlock(self);
    }
}

FUTURE_TYPE(locker, locker_poll, locker_drop);

static void test_mutex_with_aborts(void **state)
{
    (void)state;
    uint64_t seed = seed_new("test_mutex_with_aborts");
    struct join_handle handles[TASKS];

    async_mutex_init(&mutex);
    counted = 0;
    assert_int_equal(runtime_init(&rt, WORKERS), 0);
    for (int i = 0; i < TASKS; i++) {
        struct locker locker = {.left = ROUNDS};
        future_init(&locker.base, &locker_type);
        spawn(&locker, &handles[i]);
    }
    for (int i = 0; i < TASKS; i++)
        if (chance(&seed) % 2)
            join_handle_abort(&handles[i]);
    for (int i = 0; i < TASKS; i++)
        join_and_drop(&handles[i]);
    assert_int_equal(inside, 0);
    assert_in_range(counted, 0, TASKS * ROUNDS);
    assert_true(async_mutex_trylock(&mutex));
    async_mutex_unlock(&mutex);
    runtime_destroy(&rt);
    async_mutex_destroy(&mutex);
}

static void test_mutex(void **state)
{
    (void)state;
    struct join_handle handles[TASKS];

    async_mutex_init(&mutex);
    counted = 0;
    assert_int_equal(runtime_init(&rt, WORKERS), 0);
    for (int i = 0; i < TASKS; i++) {
        struct locker locker = {.left = ROUNDS};
        future_init(&locker.base, &locker_type);
        spawn(&locker, &handles[i]);
    }
    for (int i = 0; i < TASKS; i++)
        join_and_drop(&handles[i]);
    assert_int_equal(counted, TASKS * ROUNDS);
    runtime_destroy(&rt);
    async_mutex_destroy(&mutex);
}

/* --- senders on all workers, one receiver in block_on --- */

static struct mpsc channel;

struct sender {
    struct future base;
    uint64_t next, end;
    struct mpsc_send send;
    enum { SENDER_NEXT, SENDER_SENDING } state;
};

static enum poll sender_poll(struct future *f, struct context *cx)
{
    struct sender *self = (struct sender *)f;

    for (;;) {
        if (self->state == SENDER_NEXT) {
            if (self->next == self->end)
                return POLL_READY;
            self->send = mpsc_send(&channel, &self->next);
            self->state = SENDER_SENDING;
        }
        if (future_poll(&self->send.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        assert_int_equal(self->send.output, 0);
        future_drop(&self->send.base);
        self->next++;
        self->state = SENDER_NEXT;
    }
}

static void sender_drop(struct future *f)
{
    struct sender *self = (struct sender *)f;

    if (self->state == SENDER_SENDING)
        future_drop(&self->send.base);
    mpsc_drop_sender(&channel);
}

FUTURE_TYPE(sender, sender_poll, sender_drop);

static void spawn_senders(struct join_handle *handles)
{
    for (int i = 0; i < TASKS; i++) {
        struct sender sender = {.next = (uint64_t)i * ROUNDS, .end = (uint64_t)(i + 1) * ROUNDS};
        future_init(&sender.base, &sender_type);
        if (i > 0)
            mpsc_add_sender(&channel);
        spawn(&sender, &handles[i]);
    }
}

/* Until the senders are gone; each value once, those of one sender in order. */
static int receive_all(void)
{
    uint64_t value, last[TASKS];
    int count = 0;

    for (uint64_t i = 0; i < TASKS; i++)
        last[i] = i * ROUNDS;
    for (;; count++) {
        struct mpsc_recv recv = mpsc_recv(&channel, &value);
        assert_int_equal(runtime_block_on(&rt, &recv), 0);
        future_drop(&recv.base);
        if (recv.output == -EPIPE)
            return count;
        assert_in_range(value, last[value / ROUNDS], (value / ROUNDS + 1) * ROUNDS - 1);
        last[value / ROUNDS] = value + 1;
    }
}

static void senders(bool aborts)
{
    uint64_t seed = seed_new("senders");
    struct join_handle handles[TASKS];

    assert_int_equal(runtime_init(&rt, WORKERS), 0);
    assert_int_equal(mpsc_init(&channel, 5, sizeof(uint64_t)), 0);
    spawn_senders(handles);
    for (int i = 0; aborts && i < TASKS; i++)
        if (chance(&seed) % 2)
            join_handle_abort(&handles[i]);
    /* Nobody takes their outputs: so the runtime drops them as they end, and that is where a sender says that it is gone. */
    for (int i = 0; i < TASKS; i++)
        future_drop(&handles[i].base);
    int count = receive_all();
    if (!aborts)
        assert_int_equal(count, TASKS * ROUNDS);
    runtime_destroy(&rt);
    mpsc_destroy(&channel);
}

static void test_senders(void **state)
{
    (void)state;
    senders(false);
    senders(true);
}

/* --- a group that goes in step --- */

static struct async_barrier barrier;
static atomic_int arrivals;

struct walker {
    struct future base;
    int round;
    struct async_barrier_wait wait;
    enum { WALKER_NEXT, WALKER_WAITING } state;
};

static enum poll walker_poll(struct future *f, struct context *cx)
{
    struct walker *self = (struct walker *)f;

    while (self->round < ROUNDS) {
        if (self->state == WALKER_NEXT) {
            atomic_fetch_add_explicit(&arrivals, 1, memory_order_relaxed); /* ordered by the barrier */
            self->wait = async_barrier_wait(&barrier);
            self->state = WALKER_WAITING;
        }
        if (future_poll(&self->wait.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        future_drop(&self->wait.base);
        self->round++;
        self->state = WALKER_NEXT;
        int now = atomic_load_explicit(&arrivals, memory_order_relaxed);
        assert_in_range(now, self->round * TASKS, (self->round + 1) * TASKS - 1);
    }
    return POLL_READY;
}

FUTURE_TYPE(walker, walker_poll, NULL);

static void test_barrier(void **state)
{
    (void)state;
    struct join_handle handles[TASKS];

    async_barrier_init(&barrier, TASKS);
    assert_int_equal(runtime_init(&rt, WORKERS), 0);
    for (int i = 0; i < TASKS; i++) {
        struct walker walker = {.state = WALKER_NEXT};
        future_init(&walker.base, &walker_type);
        spawn(&walker, &handles[i]);
    }
    for (int i = 0; i < TASKS; i++)
        join_and_drop(&handles[i]);
    assert_int_equal(atomic_load(&arrivals), TASKS * ROUNDS);
    runtime_destroy(&rt);
    async_barrier_destroy(&barrier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mutex),
        TEST(test_mutex_with_aborts),
        TEST(test_senders),
        TEST(test_barrier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
