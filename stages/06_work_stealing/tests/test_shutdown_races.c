/* LINK: @tests/support.link */
/* What the end of a runtime waits for, and what outlives it. */
#include "support.h"

#include "net.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static struct runtime rt;

static void *destroy_main(void *unused)
{
    (void)unused;
    runtime_destroy(&rt);
    return NULL;
}

/* --- a wake that is in flight --- */

static struct waker in_flight;

static enum poll leave_waker(struct script *self, struct context *cx)
{
    (void)self;
    if (!in_flight.vtable)
        in_flight = waker_clone(cx->waker);
    return POLL_PENDING;
}

static void *wake_slowly(void *unused)
{
    (void)unused;
    gate_next_lock();
    waker_wake(in_flight);
    return NULL;
}

/* A foreign thread has set the task's mark, and may take its time until it puts it in the queue. Whoever destroys the
 * runtime sleeps meanwhile, and is woken. */
static void end_while_a_wake_is_in_flight(unsigned workers)
{
    struct tally tally = {0};
    struct script task = script(&tally, leave_waker, NULL);
    pthread_t waker, destroyer;

    in_flight = (struct waker){0};
    assert_int_equal(runtime_init(&rt, workers), 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(workers_asleep(&rt) == workers && tally.polls == 1);
    assert_int_equal(pthread_create(&waker, NULL, wake_slowly, NULL), 0);
    gate_wait();
    unsigned nudges = seen(TRACE_UNPARK);
    assert_int_equal(pthread_create(&destroyer, NULL, destroy_main, NULL), 0);
    wait_until(seen(TRACE_UNPARK) - nudges == 1 + workers); /* that of the end, and one of each worker that has ended */
    wait_until(workers_asleep(&rt) == 1);                   /* the destroyer, in the place of a worker */
    assert_int_equal(tally.drops, 0);
    gate_open(NULL);
    pthread_join(waker, NULL);
    pthread_join(destroyer, NULL);
    assert_int_equal(tally.drops, 1);
    assert_int_equal(tally.polls, 1);
}

static void test_the_end_sleeps_while_a_wake_is_in_flight(void **state)
{
    (void)state;
    end_while_a_wake_is_in_flight(1);
    end_while_a_wake_is_in_flight(2);
}

/* --- a spawn on a worker that has not heard of the end --- */

static struct tally late;

static void spawn_late(void *error)
{
    struct script task = script(&late, ready_step, NULL);

    *(int *)error = task_spawn(&rt, &task, NULL);
}

/* It is not refused; and the task is dropped like the others. */
static void test_a_busy_worker_may_still_spawn(void **state)
{
    struct strings busy;
    pthread_t destroyer;
    int error = -1;

    (void)state;
    late = (struct tally){0};
    assert_int_equal(runtime_init(&rt, 2), 0);
    puppet_spawn(&rt, &busy, NULL);
    assert_int_equal(pthread_create(&destroyer, NULL, destroy_main, NULL), 0);
    wait_until(injection_is_closed(&rt.injection));
    puppet_do(&busy, spawn_late, &error);
    puppet_end(&busy);
    pthread_join(destroyer, NULL);
    assert_int_equal(error, 0);
    assert_int_equal(late.drops, 1);
}

/* --- a future that outlives the runtime --- */

static struct socket_read outlives;

static enum poll poll_other(struct script *self, struct context *cx)
{
    (void)self;
    sure(future_poll(&outlives.base, cx) == POLL_PENDING);
    return POLL_READY;
}

/* It was polled in a task by pointer, and left a waker in the socket: with the runtime, the waker goes. (The frame finds
 * the slab that the task comes from, if it stays.) */
static void test_a_read_outlives_the_runtime(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, poll_other, NULL);
    char byte;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct socket socket = socket_from_fd(pair[0]);
    outlives = socket_read(&socket, &byte, 1);
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    future_drop(&task.base);
    runtime_destroy(&rt);
    future_drop(&outlives.base);
    assert_int_equal(socket_close(&socket), 0);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_end_sleeps_while_a_wake_is_in_flight),
        TEST(test_a_busy_worker_may_still_spawn),
        TEST(test_a_read_outlives_the_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
