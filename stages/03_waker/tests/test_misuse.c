/* LINK: @tests/support.link */
/* What must not be done is answered by one line that names the caller's place; what can fail, by an error. */
#include "support.h"

#include "timer.h"
#include "yield.h"

#include <errno.h>
#include <stdlib.h>

static struct bell always = {.lock = PTHREAD_MUTEX_INITIALIZER, .rung = true};
static struct tally tally;
static struct executor ex;

static void begin(void)
{
    if (executor_init(&ex) != 0)
        abort();
}

/* Does something inside a task, which is polled by an executor of its own. */
static void inside_a_task(void (*act)(struct probe *, struct context *))
{
    begin();
    probe_spawn(&ex, &tally, &always, act, NULL);
    executor_run(&ex);
}

#define MISUSE(act, message) expect_misuse(act, __FILE__, message)

/* --- inside a task --- */

static void call_block_on(struct probe *self, struct context *cx)
{
    struct yield f = yield_now();

    (void)self, (void)cx;
    HERE, executor_block_on(&ex, &f);
}

static void block_on_inside(void *unused)
{
    (void)unused;
    inside_a_task(call_block_on);
}

static void test_block_on_inside_a_task(void **state)
{
    (void)state;
    MISUSE(block_on_inside, "executor_block_on inside a task: it would block the thread that runs the task");
}

static void call_run(struct probe *self, struct context *cx)
{
    (void)self, (void)cx;
    HERE, executor_run(&ex);
}

static void run_inside(void *unused)
{
    (void)unused;
    inside_a_task(call_run);
}

static void test_run_inside_a_task(void **state)
{
    (void)state;
    MISUSE(run_inside, "executor_run inside a task: it would block the thread that runs the task");
}

static void call_destroy(struct probe *self, struct context *cx)
{
    (void)self, (void)cx;
    HERE, executor_destroy(&ex);
}

static void destroy_inside(void *unused)
{
    (void)unused;
    inside_a_task(call_destroy);
}

static void test_destroy_inside_a_task(void **state)
{
    (void)state;
    MISUSE(destroy_inside, "executor_destroy inside a task: it would block the thread that runs the task");
}

/* --- futures --- */

static void block_on_twice(void *unused)
{
    struct yield f = yield_now();

    (void)unused;
    begin();
    executor_block_on(&ex, &f);
    HERE, executor_block_on(&ex, &f);
}

static void test_block_on_a_finished_future(void **state)
{
    (void)state;
    MISUSE(block_on_twice, "future [0-9]* (yield) is spawned, but it was polled, moved or dropped before");
}

static void spawn_twice(void *unused)
{
    struct yield f = yield_now();

    (void)unused;
    begin();
    task_spawn(&ex, &f, NULL);
    HERE, task_spawn(&ex, &f, NULL);
}

static void test_spawn_the_same_future_twice(void **state)
{
    (void)state;
    MISUSE(spawn_twice, "future [0-9]* (yield) is spawned, but it was polled, moved or dropped before");
}

static void spawn_nowhere(void *unused)
{
    struct yield f = yield_now();

    (void)unused;
    HERE, task_spawn(executor_current(), &f, NULL);
}

static void test_spawn_without_an_executor(void **state)
{
    (void)state;
    MISUSE(spawn_nowhere,
           "future [0-9]* (yield) is spawned without an executor; outside of a task there is no current one");
}

static void poll_after_spawn(void *unused)
{
    struct yield f = yield_now();
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    (void)unused;
    begin();
    task_spawn(&ex, &f, NULL);
    HERE, future_poll(&f.base, &cx);
}

static void test_poll_a_future_that_was_spawned(void **state)
{
    (void)state;
    MISUSE(poll_after_spawn, "future [0-9]* (yield) is polled after it was moved away");
}

/* --- join handles --- */

static void spawn_done(struct join_handle *handle)
{
    struct yield f = yield_now();

    begin();
    task_spawn(&ex, &f, handle);
    executor_run(&ex);
}

static void join_twice(void *unused)
{
    struct join_handle handle;
    struct waker nobody = waker_noop();
    struct context cx = {&nobody};

    (void)unused;
    spawn_done(&handle);
    future_poll(&handle.base, &cx);
    HERE, future_poll(&handle.base, &cx);
}

static void test_join_twice(void **state)
{
    (void)state;
    MISUSE(join_twice, "future [0-9]* (join_handle) is polled after it returned POLL_READY");
}

static void output_too_early(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    HERE, join_handle_output(&handle);
}

static void test_output_before_the_handle_is_ready(void **state)
{
    (void)state;
    MISUSE(output_too_early, "the output of a join handle is read before it is ready");
}

static void output_too_late(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    future_drop(&handle.base);
    HERE, join_handle_output(&handle);
}

static void test_output_after_the_handle_was_dropped(void **state)
{
    (void)state;
    MISUSE(output_too_late, "the output of a join handle is read after its drop");
}

static void output_moved(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    task_spawn(&ex, &handle, NULL);
    HERE, join_handle_output(&handle);
}

static void test_output_of_a_handle_that_was_moved_away(void **state)
{
    (void)state;
    MISUSE(output_moved, "the output of a join handle is read after it was moved away");
}

static void abort_dropped(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    future_drop(&handle.base);
    HERE, join_handle_abort(&handle);
}

static void test_abort_through_a_handle_that_was_dropped(void **state)
{
    (void)state;
    MISUSE(abort_dropped, "a task is aborted through a join handle after its drop");
}

static void abort_moved(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    task_spawn(&ex, &handle, NULL);
    HERE, join_handle_abort(&handle);
}

static void test_abort_through_a_handle_that_was_moved_away(void **state)
{
    (void)state;
    MISUSE(abort_moved, "a task is aborted through a join handle after it was moved away");
}

static void drop_twice(void *unused)
{
    struct join_handle handle;

    (void)unused;
    spawn_done(&handle);
    future_drop(&handle.base);
    HERE, future_drop(&handle.base);
}

static void test_drop_a_handle_twice(void **state)
{
    (void)state;
    MISUSE(drop_twice, "future [0-9]* (join_handle) is dropped after it was dropped");
}

/* --- an executor on the wrong thread, or after its end --- */

static void spawn_now(void *unused)
{
    struct yield f = yield_now();

    (void)unused;
    HERE, task_spawn(&ex, &f, NULL);
}

static void block_on_now(void *unused)
{
    struct yield f = yield_now();

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
    begin();
    elsewhere(misuse_act, NULL);
}

static void after_its_end(void *unused)
{
    (void)unused;
    begin();
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

/* --- no memory --- */

static void test_spawn_without_memory(void **state)
{
    (void)state;
    struct executor mine;
    struct tally count = {0};
    struct probe f = probe(&count, &always);
    struct join_handle handle;

    assert_int_equal(executor_init(&mine), 0);
    malloc_fails_once();
    assert_int_equal(task_spawn(&mine, &f, &handle), -ENOMEM);
    assert_int_equal(mine.alive, 0);
    assert_int_equal(seen(TRACE_TASK_SPAWN), 0);
    assert_int_equal(task_spawn(&mine, &f, &handle), 0); /* nothing happened, so it can be tried again */
    executor_run(&mine);
    future_drop(&handle.base);
    assert_int_equal(count.drops, 1);
    executor_destroy(&mine);
}

static void test_block_on_without_memory(void **state)
{
    (void)state;
    struct executor mine;
    struct tally count = {0};
    struct probe f = probe(&count, &always);

    assert_int_equal(executor_init(&mine), 0);
    malloc_fails_once();
    assert_int_equal(executor_block_on(&mine, &f), -ENOMEM);
    assert_null(executor_current());
    assert_int_equal(count.polls, 0);
    assert_int_equal(executor_block_on(&mine, &f), 0);
    future_drop(&f.base);
    assert_int_equal(count.drops, 1);
    executor_destroy(&mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_block_on_inside_a_task),
        TEST(test_run_inside_a_task),
        TEST(test_destroy_inside_a_task),
        TEST(test_block_on_a_finished_future),
        TEST(test_spawn_the_same_future_twice),
        TEST(test_spawn_without_an_executor),
        TEST(test_poll_a_future_that_was_spawned),
        TEST(test_join_twice),
        TEST(test_output_before_the_handle_is_ready),
        TEST(test_output_after_the_handle_was_dropped),
        TEST(test_output_of_a_handle_that_was_moved_away),
        TEST(test_abort_through_a_handle_that_was_dropped),
        TEST(test_abort_through_a_handle_that_was_moved_away),
        TEST(test_drop_a_handle_twice),
        TEST(test_an_executor_on_the_wrong_thread_or_after_its_end),
        TEST(test_spawn_without_memory),
        TEST(test_block_on_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
