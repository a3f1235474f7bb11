/* Tasks and their join handles: who gets the output, who frees it, and when. test_end counts what is left. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "executor.h"
#include "join_handle.h"

#include <errno.h>
#include <stdlib.h>

static struct executor ex;

/* Runs all tasks for so many rounds. */
static void run_rounds(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        struct probe round = probe('\0', 0);
        assert_int_equal(executor_block_on(&ex, &round), 0);
        future_drop(&round.base);
    }
}

static struct join_handle spawn(int pendings)
{
    struct probe p = probe('a', pendings);
    struct join_handle handle;
    assert_int_equal(task_spawn(&ex, &p, &handle), 0);
    return handle;
}

static void test_spawn_moves_the_future_into_one_block(void **state)
{
    struct probe p = probe('a', 0);
    struct join_handle handle;

    (void)state;
    executor_init(&ex);
    int before = memory_alive();
    assert_int_equal(task_spawn(&ex, &p, &handle), 0);
    assert_int_equal(memory_alive(), before + 1); /* header and future together; the handle is the caller's */
    assert_int_equal(p.base.phase, FUTURE_MOVED);
    assert_int_equal(p.polls, 0);
    executor_run(&ex);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

static void test_a_handle_is_ready_when_its_task_is(void **state)
{
    const int pendings = 3;

    (void)state;
    executor_init(&ex);
    struct join_handle handle = spawn(pendings);
    for (int rounds = 0; rounds <= pendings; rounds++) {
        assert_int_equal(poll_by_hand(&handle), POLL_PENDING);
        run_rounds(1);
    }
    assert_int_equal(poll_by_hand(&handle), POLL_READY);
    struct probe *finished = join_handle_output(&handle);
    assert_int_equal(*finished->output, pendings + 1);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

static void test_a_handle_may_be_moved_before_its_first_poll(void **state)
{
    (void)state;
    executor_init(&ex);
    struct join_handle handle = spawn(0), moved = handle;
    executor_run(&ex);
    assert_int_equal(poll_by_hand(&moved), POLL_READY);
    future_drop(&moved.base);
    executor_destroy(&ex);
}

/* Before the task's first poll, between its polls, after it is done; with and without a poll of the handle. */
static void test_a_handle_dropped_at_any_time_neither_leaks_nor_frees_twice(void **state)
{
    const int pendings = 3;

    (void)state;
    for (int rounds = 0; rounds <= pendings + 2; rounds++) {
        for (int poll_it = 0; poll_it <= 1; poll_it++) {
            executor_init(&ex);
            struct join_handle handle = spawn(pendings);
            run_rounds(rounds);
            if (poll_it)
                poll_by_hand(&handle);
            future_drop(&handle.base);
            executor_run(&ex); /* a task whose handle is gone goes on to its end */
            assert_int_equal(memory_alive(), 0);
            executor_destroy(&ex);
        }
        journal_add('|');
    }
    assert_journal("aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa|aaaaaaaa|");
}

static void test_a_detached_task_drops_its_own_output(void **state)
{
    struct probe p = probe('a', 2);

    (void)state;
    executor_init(&ex);
    assert_int_equal(task_spawn(&ex, &p, NULL), 0);
    executor_run(&ex);
    assert_journal("aaa");
    assert_int_equal(memory_alive(), 0);
    executor_destroy(&ex);
}

static void test_an_output_that_was_taken_is_the_takers(void **state)
{
    (void)state;
    executor_init(&ex);
    struct join_handle handle = spawn(1);
    executor_run(&ex);
    assert_int_equal(poll_by_hand(&handle), POLL_READY);
    struct probe *finished = join_handle_output(&handle);
    int *taken = finished->output;
    finished->output = NULL;
    future_drop(&handle.base);
    executor_destroy(&ex);
    assert_int_equal(*taken, 2);
    free(taken);
}

static void test_a_handle_may_outlive_the_executor(void **state)
{
    (void)state;
    executor_init(&ex);
    struct join_handle finished = spawn(0);
    run_rounds(1);
    struct join_handle cancelled = spawn(1), never_polled = spawn(1), polled_before = spawn(1);
    assert_int_equal(poll_by_hand(&polled_before), POLL_PENDING);
    executor_destroy(&ex);

    assert_int_equal(poll_by_hand(&finished), POLL_READY);
    assert_int_equal(*((struct probe *)join_handle_output(&finished))->output, 1);
    assert_int_equal(poll_by_hand(&cancelled), POLL_READY);
    assert_null(join_handle_output(&cancelled));
    assert_int_equal(poll_by_hand(&polled_before), POLL_READY);
    assert_null(join_handle_output(&polled_before));
    future_drop(&finished.base);
    future_drop(&cancelled.base);
    future_drop(&never_polled.base);
    future_drop(&polled_before.base);
}

/* ---- tasks that join tasks ---- */

/* Spawns another one of its kind, depth deep, awaits it, and puts one on top of its output. */
struct tower {
    struct future base;
    int depth; /* input */
    struct join_handle below;
    int error;  /* output: 0 or -errno */
    int height; /* output */
    enum { TOWER_START, TOWER_AWAIT } state;
};

static struct tower tower(int depth);

static enum poll tower_poll(struct future *f, struct context *cx)
{
    struct tower *self = (struct tower *)f;
    struct tower next, *finished;

    switch (self->state) {
    case TOWER_START:
        if (self->depth == 0)
            return POLL_READY;
        next = tower(self->depth - 1);
        self->error = task_spawn(executor_current(), &next, &self->below);
        if (self->error) {
            future_drop(&next.base);
            return POLL_READY;
        }
        self->state = TOWER_AWAIT;
        __attribute__((fallthrough));
    case TOWER_AWAIT:
        if (future_poll(&self->below.base, cx) == POLL_PENDING)
            return POLL_PENDING;
        finished = join_handle_output(&self->below);
        self->error = finished->error;
        self->height = finished->height + 1;
        future_drop(&self->below.base);
        return POLL_READY;
    }
    __builtin_unreachable();
}

static void tower_drop(struct future *f)
{
    struct tower *self = (struct tower *)f;
    if (self->base.phase == FUTURE_STARTED)
        future_drop(&self->below.base);
}

FUTURE_TYPE(tower, tower_poll, tower_drop);

static struct tower tower(int depth)
{
    struct tower self = {.depth = depth, .state = TOWER_START};
    future_init(&self.base, &tower_type);
    return self;
}

static void test_joins_may_be_nested(void **state)
{
    (void)state;
    executor_init(&ex);
    for (int depth = 0; depth < 40; depth += 13) {
        struct tower t = tower(depth);
        assert_int_equal(executor_block_on(&ex, &t), 0);
        assert_int_equal(t.error, 0);
        assert_int_equal(t.height, depth);
        future_drop(&t.base);
    }
    executor_destroy(&ex);
}

static void test_nested_joins_destroyed_after_any_number_of_rounds(void **state)
{
    (void)state;
    for (int rounds = 0; rounds < 12; rounds++) {
        struct tower t = tower(4);
        executor_init(&ex);
        assert_int_equal(task_spawn(&ex, &t, NULL), 0);
        run_rounds(rounds);
        executor_destroy(&ex);
        assert_int_equal(memory_alive(), 0);
    }
}

/* Each spawn in turn finds no memory: the error arrives at the top, and nothing leaks. */
static void test_any_spawn_may_fail(void **state)
{
    const int depth = 5;

    (void)state;
    for (int k = 1; k <= depth + 1; k++) {
        struct tower t = tower(depth);
        executor_init(&ex);
        memory_fail_at(k);
        int error = executor_block_on(&ex, &t);
        memory_fail_at(0);
        assert_int_equal(error, k == 1 ? -ENOMEM : 0);
        assert_int_equal(t.error, k == 1 ? 0 : -ENOMEM);
        future_drop(&t.base);
        executor_destroy(&ex);
        assert_int_equal(memory_alive(), 0);
    }
}

static void test_a_failed_spawn_changes_nothing(void **state)
{
    struct probe p = probe('a', 0);
    struct join_handle handle;

    (void)state;
    executor_init(&ex);
    memory_fail_at(1);
    assert_int_equal(task_spawn(&ex, &p, &handle), -ENOMEM);
    assert_int_equal(p.base.phase, FUTURE_FRESH);
    assert_int_equal(ex.alive, 0);
    assert_int_equal(task_spawn(&ex, &p, &handle), 0); /* it is still the caller's, who may try again */
    executor_run(&ex);
    future_drop(&handle.base);
    executor_destroy(&ex);
}

/* ---- two tasks that join each other ---- */

/* Awaits its partner, whose handle it is given later: neither ever becomes ready. */
struct lover {
    struct future base;
    struct join_handle *partner; /* on the heap, and ours */
};

static enum poll lover_poll(struct future *f, struct context *cx)
{
    return future_poll(&((struct lover *)f)->partner->base, cx);
}

static void lover_drop(struct future *f)
{
    struct lover *self = (struct lover *)f;
    future_drop(&self->partner->base);
    free(self->partner);
}

FUTURE_TYPE(lover, lover_poll, lover_drop);

static void test_two_that_join_each_other_are_freed_with_the_executor(void **state)
{
    struct join_handle *of_a = malloc(sizeof *of_a), *of_b = malloc(sizeof *of_b);
    struct lover a = {.partner = of_b}, b = {.partner = of_a};

    (void)state;
    future_init(&a.base, &lover_type);
    future_init(&b.base, &lover_type);
    executor_init(&ex);
    assert_int_equal(task_spawn(&ex, &a, of_a), 0);
    assert_int_equal(task_spawn(&ex, &b, of_b), 0);
    run_rounds(3);
    assert_int_equal(ex.alive, 2);
    executor_destroy(&ex);
    assert_int_equal(memory_alive(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_spawn_moves_the_future_into_one_block),
        TEST(test_a_handle_is_ready_when_its_task_is),
        TEST(test_a_handle_may_be_moved_before_its_first_poll),
        TEST(test_a_handle_dropped_at_any_time_neither_leaks_nor_frees_twice),
        TEST(test_a_detached_task_drops_its_own_output),
        TEST(test_an_output_that_was_taken_is_the_takers),
        TEST(test_a_handle_may_outlive_the_executor),
        TEST(test_joins_may_be_nested),
        TEST(test_nested_joins_destroyed_after_any_number_of_rounds),
        TEST(test_any_spawn_may_fail),
        TEST(test_a_failed_spawn_changes_nothing),
        TEST(test_two_that_join_each_other_are_freed_with_the_executor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
