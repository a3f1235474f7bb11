/* Misuse ends the program with one line, which names the mistake and the line of the caller. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "executor.h"
#include "join_handle.h"

static struct executor ex;
static struct waker nobody;
static struct context cx = {&nobody};

/* ---- moved away ---- */

static struct probe spawned_probe(void)
{
    struct probe p = probe('a', 0);
    task_spawn(&ex, &p, NULL);
    return p;
}

static void poll_after_spawn(void)
{
    struct probe p = spawned_probe();
    misuse_says("future %u (probe) is polled after it was moved away", p.base.id);
    HERE, future_poll(&p.base, &cx);
}

static void drop_after_spawn(void)
{
    struct probe p = spawned_probe();
    misuse_says("future %u (probe) is dropped after it was moved away", p.base.id);
    HERE, future_drop(&p.base);
}

static void spawn_twice(void)
{
    struct probe p = spawned_probe();
    misuse_says("future %u (probe) is spawned, but it was polled, moved or dropped before", p.base.id);
    HERE, task_spawn(&ex, &p, NULL);
}

static void spawn_after_poll(void)
{
    struct probe p = probe('a', 1);
    poll_by_hand(&p);
    misuse_says("future %u (probe) is spawned, but it was polled, moved or dropped before", p.base.id);
    HERE, task_spawn(&ex, &p, NULL);
}

static void spawn_after_drop(void)
{
    struct probe p = probe('a', 1);
    future_drop(&p.base);
    misuse_says("future %u (probe) is spawned, but it was polled, moved or dropped before", p.base.id);
    HERE, task_spawn(&ex, &p, NULL);
}

static void block_on_after_poll(void)
{
    struct probe p = probe('a', 1);
    poll_by_hand(&p);
    misuse_says("future %u (probe) is spawned, but it was polled, moved or dropped before", p.base.id);
    HERE, executor_block_on(&ex, &p);
}

static void block_on_twice(void)
{
    struct probe p = probe('a', 1);
    executor_block_on(&ex, &p);
    misuse_says("future %u (probe) is spawned, but it was polled, moved or dropped before", p.base.id);
    HERE, executor_block_on(&ex, &p);
}

static void spawn_outside_of_a_task(void)
{
    struct probe p = probe('a', 1);
    misuse_says("future %u (probe) is spawned without an executor; outside of a task there is no current one",
                p.base.id);
    HERE, task_spawn(executor_current(), &p, NULL);
}

static void test_a_future_that_was_used_before(void **state)
{
    (void)state;
    assert_misuse(poll_after_spawn);
    assert_misuse(drop_after_spawn);
    assert_misuse(spawn_twice);
    assert_misuse(spawn_after_poll);
    assert_misuse(spawn_after_drop);
    assert_misuse(block_on_after_poll);
    assert_misuse(block_on_twice);
}

static void test_spawn_without_an_executor(void **state)
{
    (void)state;
    assert_misuse(spawn_outside_of_a_task);
}

/* ---- inside a task ---- */

struct intruder {
    struct future base;
    void (*breach)(void);
};

static enum poll intruder_poll(struct future *f, struct context *context)
{
    (void)context;
    ((struct intruder *)f)->breach();
    return POLL_READY;
}

FUTURE_TYPE(intruder, intruder_poll, NULL);

static void run_in_a_task(void (*breach)(void))
{
    struct intruder i = {.breach = breach};
    future_init(&i.base, &intruder_type);
    executor_block_on(&ex, &i);
}

static void block_on_here(void)
{
    struct probe p = probe('a', 0);
    misuse_says("executor_block_on inside a task: it would block the thread that runs the task");
    HERE, executor_block_on(&ex, &p);
}

static void block_on_of_another_executor_here(void)
{
    struct executor other;
    struct probe p = probe('a', 0);
    executor_init(&other);
    misuse_says("executor_block_on inside a task: it would block the thread that runs the task");
    HERE, executor_block_on(&other, &p);
}

static void run_here(void)
{
    misuse_says("executor_run inside a task: it would block the thread that runs the task");
    HERE, executor_run(&ex);
}

static void destroy_here(void)
{
    misuse_says("executor_destroy inside a task: it would block the thread that runs the task");
    HERE, executor_destroy(&ex);
}

static void block_on_in_a_task(void)
{
    run_in_a_task(block_on_here);
}

static void block_on_of_another_executor_in_a_task(void)
{
    run_in_a_task(block_on_of_another_executor_here);
}

static void run_in_run(void)
{
    run_in_a_task(run_here);
}

static void destroy_in_a_task(void)
{
    run_in_a_task(destroy_here);
}

static void test_executor_calls_inside_a_task(void **state)
{
    (void)state;
    assert_misuse(block_on_in_a_task);
    assert_misuse(block_on_of_another_executor_in_a_task);
    assert_misuse(run_in_run);
    assert_misuse(destroy_in_a_task);
}

/* ---- join handles ---- */

static struct join_handle spawn(void)
{
    struct probe p = probe('a', 0);
    struct join_handle handle;
    task_spawn(&ex, &p, &handle);
    return handle;
}

static void join_twice(void)
{
    struct join_handle handle = spawn();
    executor_run(&ex);
    poll_by_hand(&handle);
    misuse_says("future %u (join_handle) is polled after it returned POLL_READY", handle.base.id);
    HERE, future_poll(&handle.base, &cx);
}

static void join_after_drop(void)
{
    struct join_handle handle = spawn();
    future_drop(&handle.base);
    misuse_says("future %u (join_handle) is polled after it was dropped", handle.base.id);
    HERE, future_poll(&handle.base, &cx);
}

static void output_before_any_poll(void)
{
    struct join_handle handle = spawn();
    executor_run(&ex); /* the task is done, but the handle has not been asked */
    misuse_says("the output of a join handle is read before it is ready");
    HERE, join_handle_output(&handle);
}

static void output_while_pending(void)
{
    struct join_handle handle = spawn();
    poll_by_hand(&handle);
    misuse_says("the output of a join handle is read before it is ready");
    HERE, join_handle_output(&handle);
}

static void output_after_drop(void)
{
    struct join_handle handle = spawn();
    executor_run(&ex);
    poll_by_hand(&handle);
    future_drop(&handle.base);
    misuse_says("the output of a join handle is read after its drop");
    HERE, join_handle_output(&handle);
}

static void output_after_move(void)
{
    struct join_handle handle = spawn();
    task_spawn(&ex, &handle, NULL);
    misuse_says("the output of a join handle is read after it was moved away");
    HERE, join_handle_output(&handle);
}

static void handle_dropped_twice(void)
{
    struct join_handle handle = spawn();
    future_drop(&handle.base);
    misuse_says("future %u (join_handle) is dropped after it was dropped", handle.base.id);
    HERE, future_drop(&handle.base);
}

static void test_join_handles(void **state)
{
    (void)state;
    assert_misuse(join_twice);
    assert_misuse(join_after_drop);
    assert_misuse(output_before_any_poll);
    assert_misuse(output_while_pending);
    assert_misuse(output_after_drop);
    assert_misuse(output_after_move);
    assert_misuse(handle_dropped_twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_future_that_was_used_before),
        TEST(test_spawn_without_an_executor),
        TEST(test_executor_calls_inside_a_task),
        TEST(test_join_handles),
    };
    nobody = waker_noop();
    executor_init(&ex);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
