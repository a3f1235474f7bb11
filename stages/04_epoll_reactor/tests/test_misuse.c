/* LINK: @tests/support.link */
/* Each mistake ends the program with one line, which names the mistake and the caller's line. */
#include "support.h"

#include "timer.h"

#include <errno.h>
#include <stdlib.h>

static struct executor ex;
static struct wire wire;
static struct probe probe;
static char byte;

/* --- a second waiter --- */

static void body_two_readers(void *unused)
{
    (void)unused;
    wire = wire_local();
    struct socket_read first = socket_read(&wire.socket, &byte, 1);
    assert_int_equal(poll_with(&first, &probe), POLL_PENDING);
    struct socket_read second = (HERE, socket_read(&wire.socket, &byte, 1));
    poll_with(&second, &probe);
}

static void two_readers(void *unused)
{
    inside(body_two_readers, unused);
}

static void body_two_writers(void *unused)
{
    (void)unused;
    wire = wire_local();
    wire_fill(&wire);
    struct socket_write first = socket_write(&wire.socket, "x", 1);
    assert_int_equal(poll_with(&first, &probe), POLL_PENDING);
    struct socket_write second = (HERE, socket_write(&wire.socket, "x", 1));
    poll_with(&second, &probe);
}

static void two_writers(void *unused)
{
    inside(body_two_writers, unused);
}

static void body_two_accepts(void *unused)
{
    struct socket listener;

    (void)unused;
    assert_int_equal(listener_open(&listener, 0, 1), 0);
    struct socket_accept first = socket_accept(&listener);
    assert_int_equal(poll_with(&first, &probe), POLL_PENDING);
    struct socket_accept second = (HERE, socket_accept(&listener));
    poll_with(&second, &probe);
}

static void two_accepts(void *unused)
{
    inside(body_two_accepts, unused);
}

static void test_a_second_waiter(void **state)
{
    (void)state;
    expect_misuse(two_readers, __FILE__, "two futures wait to read from descriptor * at the same time");
    expect_misuse(two_writers, __FILE__, "two futures wait to write to descriptor * at the same time");
    expect_misuse(two_accepts, __FILE__, "two futures wait to read from descriptor * at the same time");
}

/* --- outside of an executor --- */

static const char *const outside = "polled outside of an executor: no reactor runs on this thread";

static void sleep_outside(void *unused)
{
    (void)unused;
    struct sleep sleep = (HERE, sleep_for(1));
    poll_with(&sleep, &probe);
}

static void timeout_outside(void *unused)
{
    (void)unused;
    struct sleep inner = (HERE, sleep_for(1));
    struct timeout timeout = timeout_after(1, &inner.base);
    poll_with(&timeout, &probe);
}

static void read_outside(void *unused)
{
    (void)unused;
    wire = wire_local();
    struct socket_read read = (HERE, socket_read(&wire.socket, &byte, 1));
    poll_with(&read, &probe);
}

static void write_outside(void *unused)
{
    (void)unused;
    wire = wire_local();
    wire_fill(&wire);
    struct socket_write write = (HERE, socket_write(&wire.socket, "x", 1));
    poll_with(&write, &probe);
}

static void accept_outside(void *unused)
{
    struct socket listener;

    (void)unused;
    assert_int_equal(listener_open(&listener, 0, 1), 0);
    struct socket_accept accept = (HERE, socket_accept(&listener));
    poll_with(&accept, &probe);
}

static void connect_outside(void *unused)
{
    struct socket listener, client;

    (void)unused;
    assert_int_equal(listener_open(&listener, 0, 1), 0);
    uint16_t port = (uint16_t)listener_port(&listener);
    struct socket_connect connect = (HERE, socket_connect(&client, port));
    poll_with(&connect, &probe);
}

static void test_polled_outside_of_an_executor(void **state)
{
    (void)state;
    expect_misuse(sleep_outside, __FILE__, outside);
    expect_misuse(timeout_outside, __FILE__, outside);
    expect_misuse(read_outside, __FILE__, outside);
    expect_misuse(write_outside, __FILE__, outside);
    expect_misuse(accept_outside, __FILE__, outside);
    expect_misuse(connect_outside, __FILE__, outside);
}

/* Begun inside, polled again outside. */
static struct sleep long_sleep;

static void body_begin_sleep(void *unused)
{
    (void)unused;
    long_sleep = (HERE, sleep_for(MILLISECONDS(3600000)));
    poll_with(&long_sleep, &probe);
}

static void sleep_on_outside(void *unused)
{
    inside(body_begin_sleep, unused);
    poll_with(&long_sleep, &probe);
}

static void test_polled_again_outside_of_an_executor(void **state)
{
    (void)state;
    expect_misuse(sleep_on_outside, __FILE__, outside);
}

/* --- another executor --- */

static enum poll begin_step(struct script *self, struct context *cx)
{
    action *begin = (action *)self->arg;

    (void)cx;
    begin(NULL);
    return POLL_READY;
}

/* Does it in a task of an executor that stays. */
static void in_a_first_executor(action *begin)
{
    static struct tally tally;
    struct script task = script(&tally, begin_step, (void *)begin);

    assert_int_equal(executor_init(&ex), 0);
    assert_int_equal(executor_block_on(&ex, &task), 0);
}

static void begin_read(void *unused)
{
    (void)unused;
    wire = wire_local();
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    poll_with(&read, &probe);
    future_drop(&read.base);
}

static void body_read_elsewhere(void *unused)
{
    (void)unused;
    struct socket_read read = (HERE, socket_read(&wire.socket, &byte, 1));
    poll_with(&read, &probe);
}

static void read_in_two_executors(void *unused)
{
    in_a_first_executor(begin_read);
    inside(body_read_elsewhere, unused);
}

static void body_sleep_on_elsewhere(void *unused)
{
    (void)unused;
    poll_with(&long_sleep, &probe);
}

static void sleep_in_two_executors(void *unused)
{
    in_a_first_executor(body_begin_sleep);
    inside(body_sleep_on_elsewhere, unused);
}

static void test_two_executors(void **state)
{
    (void)state;
    expect_misuse(read_in_two_executors, __FILE__, "descriptor * is registered with the reactor of another executor");
    expect_misuse(sleep_in_two_executors, __FILE__, "a sleep that began in one executor is polled in another");
}

/* --- running inside a task --- */

static void run_inside(void *unused)
{
    (void)unused;
    HERE, executor_run(&ex);
}

static void block_inside(void *unused)
{
    struct sleep sleep = sleep_for(0);

    (void)unused;
    HERE, executor_block_on(&ex, &sleep);
}

static void destroy_inside(void *unused)
{
    (void)unused;
    HERE, executor_destroy(&ex);
}

static void run_nested(void *unused)
{
    (void)unused;
    in_a_first_executor(run_inside);
}

static void block_nested(void *unused)
{
    (void)unused;
    in_a_first_executor(block_inside);
}

static void destroy_nested(void *unused)
{
    (void)unused;
    in_a_first_executor(destroy_inside);
}

static void test_an_executor_inside_a_task(void **state)
{
    (void)state;
    expect_misuse(run_nested, __FILE__, "executor_run inside a task: it would block the thread that runs the task");
    expect_misuse(block_nested, __FILE__,
                  "executor_block_on inside a task: it would block the thread that runs the task");
    expect_misuse(destroy_nested, __FILE__,
                  "executor_destroy inside a task: it would block the thread that runs the task");
}

/* --- a socket that was moved --- */

/* It has waited, and so the reactor knows where it is; then it is copied. */
static struct socket copy_after_a_wait(void)
{
    wire = wire_local();
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    assert_int_equal(poll_with(&read, &probe), POLL_PENDING);
    future_drop(&read.base);
    return wire.socket;
}

static void body_read_moved(void *unused)
{
    struct socket copy = copy_after_a_wait();

    (void)unused;
    struct socket_read read = (HERE, socket_read(&copy, &byte, 1));
    poll_with(&read, &probe);
}

static void read_moved(void *unused)
{
    inside(body_read_moved, unused);
}

static void body_close_moved(void *unused)
{
    struct socket copy = copy_after_a_wait();

    (void)unused;
    HERE, socket_close(&copy);
}

static void close_moved(void *unused)
{
    inside(body_close_moved, unused);
}

static void test_a_socket_that_was_moved(void **state)
{
    (void)state;
    expect_misuse(read_moved, __FILE__, "the socket of descriptor * was moved while the reactor watched it");
    expect_misuse(close_moved, __FILE__, "the socket of descriptor * was moved while the reactor watched it");
}

/* --- an executor on the wrong thread, or after its end --- */

static void spawn_now(void *unused)
{
    struct sleep f = sleep_for(0);

    (void)unused;
    HERE, task_spawn(&ex, &f, NULL);
}

static void block_on_now(void *unused)
{
    struct sleep f = sleep_for(0);

    (void)unused;
    HERE, executor_block_on(&ex, &f);
}

static void run_now(void *unused)
{
    (void)unused;
    HERE, executor_run(&ex);
}

static void destroy_now(void *unused)
{
    (void)unused;
    HERE, executor_destroy(&ex);
}

static action *misuse_act;

static void on_another_thread(void *unused)
{
    (void)unused;
    assert_int_equal(executor_init(&ex), 0);
    elsewhere(misuse_act, NULL);
}

static void after_its_end(void *unused)
{
    (void)unused;
    assert_int_equal(executor_init(&ex), 0);
    executor_destroy(&ex);
    misuse_act(NULL);
}

struct call_of_executor {
    action *act;
    const char *elsewhere, *afterwards;
};

#define CALL_OF_EXECUTOR(act, name)                                                                                    \
    {                                                                                                                  \
        act, name " on a thread that is not the executor's", name " after the executor was destroyed"                  \
    }

static void test_an_executor_on_the_wrong_thread_or_after_its_end(void **state)
{
    struct call_of_executor calls[] = {
        CALL_OF_EXECUTOR(spawn_now, "task_spawn"),
        CALL_OF_EXECUTOR(block_on_now, "executor_block_on"),
        CALL_OF_EXECUTOR(run_now, "executor_run"),
        CALL_OF_EXECUTOR(destroy_now, "executor_destroy"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        misuse_act = calls[i].act;
        expect_misuse(on_another_thread, __FILE__, calls[i].elsewhere);
        expect_misuse(after_its_end, __FILE__, calls[i].afterwards);
    }
}

/* --- polled or dropped after the end --- */

static void body_read_again(void *unused)
{
    (void)unused;
    wire = wire_local();
    peer_send(&wire, "x");
    struct socket_read read = socket_read(&wire.socket, &byte, 1);
    assert_int_equal(poll_with(&read, &probe), POLL_READY);
    HERE, poll_with(&read, &probe);
}

static void read_again(void *unused)
{
    inside(body_read_again, unused);
}

static void body_drop_inner_again(void *unused)
{
    struct sleep inner = sleep_for(1);
    struct timeout timeout = timeout_after(2, &inner.base);

    (void)unused;
    future_drop(&timeout.base);
    HERE, future_drop(&inner.base);
}

static void drop_inner_again(void *unused)
{
    inside(body_drop_inner_again, unused);
}

static void test_a_future_after_its_end(void **state)
{
    (void)state;
    expect_misuse(read_again, __FILE__, "future * (socket_read) is polled after it returned POLL_READY");
    expect_misuse(drop_inner_again, __FILE__, "future * (sleep) is dropped after it was dropped");
}

/* --- the kernel refuses what cannot be done without --- */

/* These end with a line of the runtime's own: no caller asked for the call. */
static void wait_fails(void *unused)
{
    struct sleep sleep = sleep_for(MILLISECONDS(10000));

    (void)unused;
    assert_int_equal(executor_init(&ex), 0);
    call_fails(CALL_EPOLL_PWAIT2, 0, 1, EBADF);
    executor_block_on(&ex, &sleep);
}

static void ring_elsewhere(void *bell)
{
    elsewhere(bell_ring, bell);
}

static void nudge_fails(void *unused)
{
    static struct bell bell;

    (void)unused;
    bell_init(&bell);
    struct script task = script(&bell.tally, bell_step, &bell);
    assert_int_equal(executor_init(&ex), 0);
    call_fails(CALL_WRITE, 0, 1, EAGAIN);
    at_point(TRACE_SYSCALL_BEGIN, TRACE_CALL_EPOLL_WAIT, ring_elsewhere, &bell);
    executor_block_on(&ex, &task);
}

static void test_the_reactor_cannot_go_on(void **state)
{
    (void)state;
    expect_abort(wait_fails, "reactor.c:*: misuse: epoll_wait fails: Bad file descriptor\n");
    expect_abort(nudge_fails,
                 "reactor.c:*: misuse: the write to the eventfd fails: Resource temporarily unavailable\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_second_waiter),
        TEST(test_polled_outside_of_an_executor),
        TEST(test_polled_again_outside_of_an_executor),
        TEST(test_two_executors),
        TEST(test_an_executor_inside_a_task),
        TEST(test_a_socket_that_was_moved),
        TEST(test_an_executor_on_the_wrong_thread_or_after_its_end),
        TEST(test_a_future_after_its_end),
        TEST(test_the_reactor_cannot_go_on),
    };
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
