/* LINK: @tests/support.link */
/* Each mistake ends the program with one line, which names the mistake and the caller's line. */
#include "support.h"

#include "net.h"
#include "timer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct runtime rt, other;
static struct probe probe;
static struct socket ours;
static int peer; /* its other end */
static char byte;

/* A socket that nothing can be read from. */
static void open_socket(void)
{
    int fds[2];

    sure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    ours = socket_from_fd(fds[0]);
    peer = fds[1];
}

static void start(unsigned workers)
{
    sure(runtime_init(&rt, workers) == 0);
}

/* --- what would block a worker --- */

static void block_here(void *unused)
{
    struct sleep sleep = sleep_for(0);

    (void)unused;
    HERE, runtime_block_on(&rt, &sleep);
}

static void destroy_here(void *unused)
{
    (void)unused;
    HERE, runtime_destroy(&rt);
}

static void block_inside(void *unused)
{
    start(1);
    inside(&rt, block_here, unused);
}

/* It would be another runtime's worker, but it would be blocked as well. */
static void block_inside_another(void *unused)
{
    start(1);
    sure(runtime_init(&other, 1) == 0);
    inside(&other, block_here, unused);
}

static void destroy_inside(void *unused)
{
    start(2);
    inside(&rt, destroy_here, unused);
}

static void destroy_twice(void *unused)
{
    start(1);
    runtime_destroy(&rt);
    destroy_here(unused);
}

static void test_what_would_block_a_worker(void **state)
{
    static const char *const block = "runtime_block_on inside a task: it would block the thread that runs the task";

    (void)state;
    expect_misuse(block_inside, __FILE__, block);
    expect_misuse(block_inside_another, __FILE__, block);
    expect_misuse(destroy_inside, __FILE__,
                  "runtime_destroy inside a task: it would wait for the thread that runs the task");
    expect_misuse(destroy_twice, __FILE__, "runtime_destroy of a runtime that was destroyed before");
}

/* --- spawning --- */

static void spawn_without_a_runtime(void *unused)
{
    struct sleep sleep = sleep_for(0);

    (void)unused;
    HERE, task_spawn(runtime_current(), &sleep, NULL);
}

static void spawn_twice(void *unused)
{
    struct sleep sleep = sleep_for(0);

    (void)unused;
    start(1);
    task_spawn(&rt, &sleep, NULL);
    HERE, task_spawn(&rt, &sleep, NULL);
}

static void block_on_twice(void *unused)
{
    struct sleep sleep = sleep_for(0);

    (void)unused;
    start(1);
    runtime_block_on(&rt, &sleep);
    HERE, runtime_block_on(&rt, &sleep);
}

static void test_spawning(void **state)
{
    (void)state;
    expect_misuse(spawn_without_a_runtime, __FILE__,
                  "future * (sleep) is spawned without a runtime; outside of a task there is no current one");
    expect_misuse(spawn_twice, __FILE__, "future * (sleep) is spawned, but it was polled, moved or dropped before");
    expect_misuse(block_on_twice, __FILE__, "future * (sleep) is spawned, but it was polled, moved or dropped before");
}

/* --- join handles --- */

static struct join_handle handle;

static void spawn_handle(void)
{
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));

    start(1);
    sure(task_spawn(&rt, &sleep, &handle) == 0);
}

static void output_too_soon(void *unused)
{
    (void)unused;
    spawn_handle();
    HERE, join_handle_output(&handle);
}

static void abort_after_the_drop(void *unused)
{
    (void)unused;
    spawn_handle();
    future_drop(&handle.base);
    HERE, join_handle_abort(&handle);
}

static void poll_again(void *unused)
{
    (void)unused;
    spawn_handle();
    join_handle_abort(&handle);
    while (poll_with(&handle, &probe) == POLL_PENDING)
        ;
    HERE, poll_with(&handle, &probe);
}

static void test_join_handles(void **state)
{
    (void)state;
    expect_misuse(output_too_soon, __FILE__, "the output of a join handle is read before it is ready");
    expect_misuse(abort_after_the_drop, __FILE__, "a task is aborted through a join handle after its drop");
    expect_misuse(poll_again, __FILE__, "future * (join_handle) is polled after it returned POLL_READY");
}

/* --- a reactor is used on a thread that is not its worker's --- */

static void sleep_outside(void *unused)
{
    (void)unused;
    struct sleep sleep = (HERE, sleep_for(1));
    poll_with(&sleep, &probe);
}

static void read_outside(void *unused)
{
    (void)unused;
    open_socket();
    struct socket_read read = (HERE, socket_read(&ours, &byte, 1));
    poll_with(&read, &probe);
}

/* A worker begins something, which main goes on with. */
static struct sleep long_sleep;
static struct socket_read reading;

static void begin_sleep(void *unused)
{
    (void)unused;
    long_sleep = (HERE, sleep_for(MILLISECONDS(3600000)));
    poll_with(&long_sleep, &probe);
}

static void begin_read(void *unused)
{
    (void)unused;
    open_socket();
    reading = (HERE, socket_read(&ours, &byte, 1));
    poll_with(&reading, &probe);
}

static void poll_sleep(void *unused)
{
    (void)unused;
    poll_with(&long_sleep, &probe);
}

static void poll_read(void *unused)
{
    (void)unused;
    poll_with(&reading, &probe);
}

static action *begins, *goes_on;

static void on_a_worker_and_main(void *unused)
{
    start(1);
    inside(&rt, begins, unused);
    goes_on(unused);
}

static void expect_on_main(action *begin, action *go_on, const char *message)
{
    begins = begin;
    goes_on = go_on;
    expect_misuse(on_a_worker_and_main, __FILE__, message);
}

static void test_a_reactor_on_another_thread(void **state)
{
    static const char *const outside = "outside of a task: no reactor runs on this thread";

    (void)state;
    expect_misuse(sleep_outside, __FILE__, outside);
    expect_misuse(read_outside, __FILE__, outside);
    expect_on_main(begin_sleep, poll_sleep, outside);
    expect_on_main(begin_read, poll_read, outside);
}

/* Once the runtime is gone nothing is registered any more: all of it may be dropped and closed by anybody. */
static void begin_both(void *unused)
{
    begin_sleep(unused);
    begin_read(unused);
}

static void test_after_the_end_anybody_may(void **state)
{
    static int line;

    (void)state;
    misuse_line = &line;
    assert_int_equal(runtime_init(&rt, 1), 0);
    inside(&rt, begin_both, NULL);
    runtime_destroy(&rt);
    future_drop(&long_sleep.base);
    future_drop(&reading.base);
    assert_int_equal(socket_close(&ours), 0);
    close(peer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_would_block_a_worker),
        TEST(test_spawning),
        TEST(test_join_handles),
        TEST(test_a_reactor_on_another_thread),
        TEST(test_after_the_end_anybody_may),
    };
    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
