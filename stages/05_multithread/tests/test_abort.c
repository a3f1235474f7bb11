/* LINK: @tests/support.link */
/* A task is aborted by another thread, wherever it is and whatever it does: it is dropped once, on its worker, and not
 * polled any more; unless it had come to its end. */
#include "support.h"

static struct runtime rt;
static struct join_handle handle;
static struct tally tally;

static void abort_here(void *unused)
{
    (void)unused;
    join_handle_abort(&handle);
}

static void abort_elsewhere(void)
{
    elsewhere(abort_here, NULL);
}

static void begin(void)
{
    tally = (struct tally){0};
    assert_int_equal(runtime_init(&rt, 1), 0);
}

/* Waits for the end, and expects so many polls, and an output or none. */
static void end(int polls, bool has_output)
{
    assert_int_equal(runtime_block_on(&rt, &handle), 0);
    assert_int_equal(join_handle_output(&handle) != NULL, has_output);
    future_drop(&handle.base);
    runtime_destroy(&rt);
    assert_int_equal(tally.polls, polls);
    assert_int_equal(tally.drops, 1);
}

static void spawn_here(void *unused)
{
    struct script task = script(&tally, ready_step, NULL);

    (void)unused;
    sure(task_spawn(&rt, &task, &handle) == 0);
}

static void test_in_the_injection_queue(void **state)
{
    struct strings busy;

    (void)state;
    begin();
    puppet_spawn(&rt, &busy, NULL);
    spawn_here(NULL);
    abort_elsewhere();
    puppet_end(&busy);
    end(0, false);
}

static void test_in_the_local_queue(void **state)
{
    struct strings busy;

    (void)state;
    begin();
    puppet_spawn(&rt, &busy, NULL);
    puppet_do(&busy, spawn_here, NULL);
    abort_elsewhere();
    puppet_end(&busy);
    end(0, false);
}

static void test_in_the_remote_queue(void **state)
{
    struct strings busy;
    struct bell bell;

    (void)state;
    begin();
    bell_init(&bell);
    handle = bell_spawn(&rt, &bell);
    wait_until(bell.tally.polls == 1 && workers_asleep(&rt) == 1);
    puppet_spawn(&rt, &busy, NULL);
    bell_ring(&bell);
    abort_elsewhere();
    puppet_end(&busy);
    assert_int_equal(runtime_block_on(&rt, &handle), 0);
    assert_null(join_handle_output(&handle));
    future_drop(&handle.base);
    runtime_destroy(&rt);
    assert_int_equal(bell.tally.polls, 1);
    assert_int_equal(bell.tally.drops, 1);
}

static void test_asleep(void **state)
{
    struct script task = script(&tally, forever_step, NULL);

    (void)state;
    begin();
    assert_int_equal(task_spawn(&rt, &task, &handle), 0);
    wait_until(tally.polls == 1 && workers_asleep(&rt) == 1);
    abort_elsewhere();
    wait_until(tally.drops == 1);
    end(1, false);
}

/* In the middle of its poll. */
static atomic_bool may_end;

static enum poll end_as_told(struct script *self, struct context *cx)
{
    (void)cx;
    wait_until(atomic_load(&may_end));
    return *(enum poll *)self->arg;
}

static void abort_while_it_runs(enum poll result, bool has_output)
{
    struct script task = script(&tally, end_as_told, &result);

    begin();
    atomic_store(&may_end, false);
    assert_int_equal(task_spawn(&rt, &task, &handle), 0);
    wait_until(tally.polls == 1);
    abort_elsewhere();
    atomic_store(&may_end, true);
    end(1, has_output);
}

static void test_running(void **state)
{
    (void)state;
    abort_while_it_runs(POLL_PENDING, false);
    abort_while_it_runs(POLL_READY, true);
}

static void test_done(void **state)
{
    (void)state;
    begin();
    spawn_here(NULL);
    wait_until(workers_asleep(&rt) == 1 && tally.polls == 1);
    abort_elsewhere();
    end(1, true);
}

/* Several at once, on a task that always runs. */
static void *abort_many_times(void *unused)
{
    for (int i = 0; i < 50; i++)
        join_handle_abort(&handle);
    return unused;
}

static void test_by_several_threads(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct script task = script(&tally, spin_step, NULL);
        pthread_t threads[3];
        begin();
        assert_int_equal(task_spawn(&rt, &task, &handle), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, abort_many_times, NULL), 0);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(runtime_block_on(&rt, &handle), 0);
        assert_null(join_handle_output(&handle));
        future_drop(&handle.base);
        runtime_destroy(&rt);
        assert_int_equal(tally.drops, 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_in_the_injection_queue),
        TEST(test_in_the_local_queue),
        TEST(test_in_the_remote_queue),
        TEST(test_asleep),
        TEST(test_running),
        TEST(test_done),
        TEST(test_by_several_threads),
    };
    return cmocka_run_group_tests_name("abort", tests, NULL, NULL);
}
