/* LINK: @tests/support.link */
/* Everything that the runtime asks for is refused once: the caller is told, and nothing is left behind. */
#include "support.h"

#include "net.h"
#include "timer.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct runtime rt;

static int threads_alive(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int error_of(enum call call)
{
    switch (call) {
    case CALL_EPOLL_CREATE:
    case CALL_EVENTFD:
        return -EMFILE;
    case CALL_EPOLL_CTL:
        return -ENOSPC;
    case CALL_CALLOC:
    case CALL_ALIGNED_ALLOC:
        return -ENOMEM;
    case CALL_THREAD:
        return -EAGAIN;
    default:
        return 0; /* at the end nobody is told: the descriptor is closed all the same */
    }
}

/* Calls made by the thread that starts and ends the runtime; with three workers, so that there is something to undo. */
static void test_start_and_end(void **state)
{
    unsigned times[CALLS] = {0};

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0); /* with the first thread a sanitizer may start one of its own */
    runtime_destroy(&rt);
    int threads = threads_alive();
    for (unsigned n = 1;; n++) {
        int descriptors = descriptors_open(), blocks = blocks_alive();
        nth_call_fails(n);
        int error = runtime_init(&rt, 3);
        if (!error)
            runtime_destroy(&rt);
        enum call call = call_failed();
        if (call == CALLS)
            break;
        times[call]++;
        if (error != error_of(call))
            fail_msg("%s, call %u, fails, and runtime_init returns %d", call_name(call), n, error);
        if (descriptors_open() != descriptors || blocks_alive() != blocks)
            fail_msg("%s, call %u, fails: descriptors or memory are left", call_name(call), n);
        wait_until(threads_alive() <= threads);
    }
    assert_int_equal(times[CALL_CALLOC], 4);
    assert_int_equal(times[CALL_ALIGNED_ALLOC], 1);
    assert_int_equal(times[CALL_EPOLL_CREATE], 4);
    assert_int_equal(times[CALL_EVENTFD], 1);
    assert_int_equal(times[CALL_EPOLL_CTL], 4);
    assert_int_equal(times[CALL_THREAD], 3);
    assert_int_equal(times[CALL_CLOSE], 5);
}

/* --- no memory for a task --- */

static void spawn_without_memory(void *unused)
{
    struct tally tally = {0};
    struct script task = script(&tally, ready_step, NULL);
    struct join_handle handle;

    (void)unused;
    nth_call_fails(1);
    sure(task_spawn(&rt, &task, &handle) == -ENOMEM);
    sure(call_failed() == CALL_MMAP);
    sure(task.base.phase == FUTURE_FRESH && tally.drops == 0);
    future_drop(&task.base);
}

static void test_no_memory_for_a_task(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, ready_step, NULL);

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    spawn_without_memory(NULL);
    elsewhere(spawn_without_memory, NULL);
    nth_call_fails(1);
    assert_int_equal(runtime_block_on(&rt, &task), -ENOMEM);
    assert_int_equal(call_failed(), CALL_MMAP);
    assert_int_equal(task.base.phase, FUTURE_FRESH);
    assert_int_equal(runtime_block_on(&rt, &task), 0); /* it is as good as new */
    future_drop(&task.base);
    inside(&rt, spawn_without_memory, NULL); /* the worker has a slab of its own */
    runtime_destroy(&rt);
}

/* --- a worker's own calls --- */

static void read_while_refused(void *arg)
{
    const enum call expected = *(enum call *)arg;
    struct probe probe = {0};
    int fds[2];
    char byte;

    sure(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    struct socket socket = socket_from_fd(fds[0]);
    struct socket_read read = socket_read(&socket, &byte, 1);
    nth_call_fails(expected == CALL_REALLOC ? 1 : 2);
    sure(poll_with(&read, &probe) == POLL_READY);
    sure(call_failed() == expected);
    sure(read.output == (expected == CALL_REALLOC ? -ENOMEM : -ENOSPC));
    sure(probe.held == 0);
    future_drop(&read.base);
    socket_close(&socket);
    close(fds[1]);
}

static void test_no_registration(void **state)
{
    enum call calls[] = {CALL_REALLOC, CALL_EPOLL_CTL};

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(runtime_init(&rt, 2), 0);
        inside(&rt, read_while_refused, &calls[i]);
        runtime_destroy(&rt);
    }
}

/* The next call that this worker makes is its wait. */
static void interrupt_the_wait(void *unused)
{
    (void)unused;
    nth_call_fails(1);
}

static void was_interrupted(void *unused)
{
    (void)unused;
    sure(call_failed() == CALL_EPOLL_WAIT);
}

static void test_an_interrupted_wait(void **state)
{
    struct sleep sleep = sleep_for(MILLISECONDS(1));

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    inside(&rt, interrupt_the_wait, NULL);
    wait_until(workers_asleep(&rt) == 1);
    inside(&rt, was_interrupted, NULL);
    inside(&rt, interrupt_the_wait, NULL);
    assert_int_equal(runtime_block_on(&rt, &sleep), 0);
    future_drop(&sleep.base);
    runtime_destroy(&rt);
}

/* --- no memory for a sleep --- */

/* What fails: the block of a waker that is no task's (1), or the heap (2). */
static void begin_sleep_without_memory(void *which)
{
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));
    struct probe probe = {0};

    nth_call_fails(*(unsigned *)which);
    sure(poll_with(&sleep, &probe) == POLL_READY);
    sure(call_failed() != CALLS);
    sure(sleep.timer.output == -ENOMEM);
    sure(probe.held == 0);
    future_drop(&sleep.base);
}

static void go_on_sleeping_without_memory(void *unused)
{
    struct sleep sleep = sleep_for(MILLISECONDS(3600000));
    struct probe probes[2] = {0};

    (void)unused;
    sure(poll_with(&sleep, &probes[0]) == POLL_PENDING);
    nth_call_fails(1);
    sure(poll_with(&sleep, &probes[1]) == POLL_READY);
    sure(sleep.timer.output == -ENOMEM);
    sure(probes[0].held == 0 && probes[1].held == 0);
    sure(reactor_current(SITE(""))->timers.length == 0);
    future_drop(&sleep.base);
}

/* What it waits for is dropped, and it says why. */
static void begin_timeout_without_memory(void *unused)
{
    struct tally tally = {0};
    struct script inner = script(&tally, forever_step, NULL);
    struct timeout timeout = timeout_after(MILLISECONDS(3600000), &inner.base);
    struct probe probe = {0};

    (void)unused;
    nth_call_fails(1);
    sure(poll_with(&timeout, &probe) == POLL_READY);
    sure(timeout.output == -ENOMEM);
    sure(tally.drops == 1);
    future_drop(&timeout.base);
}

static void test_no_memory_for_a_sleep(void **state)
{
    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    for (unsigned which = 1; which <= 2; which++)
        inside(&rt, begin_sleep_without_memory, &which);
    inside(&rt, go_on_sleeping_without_memory, NULL);
    inside(&rt, begin_timeout_without_memory, NULL);
    runtime_destroy(&rt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_start_and_end),       TEST(test_no_memory_for_a_task),  TEST(test_no_registration),
        TEST(test_an_interrupted_wait), TEST(test_no_memory_for_a_sleep),
    };
    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
