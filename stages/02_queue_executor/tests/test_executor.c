/* The executor: who is polled when, and what is left at the end. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "executor.h"
#include "join_handle.h"

#include <errno.h>
#include <stdlib.h>

static struct executor ex;

static void spawn(char name, int pendings)
{
    struct probe p = probe(name, pendings);
    assert_int_equal(task_spawn(&ex, &p, NULL), 0);
}

static void test_nothing_runs_before_run(void **state)
{
    (void)state;
    executor_init(&ex);
    spawn('a', 0);
    assert_journal("");
    assert_int_equal(ex.alive, 1);
    executor_run(&ex);
    assert_journal("a");
    assert_int_equal(ex.alive, 0);
    executor_destroy(&ex);
}

static void test_run_without_tasks_returns(void **state)
{
    (void)state;
    executor_init(&ex);
    executor_run(&ex);
    executor_run(&ex);
    executor_destroy(&ex);
}

static void test_first_spawned_first_polled(void **state)
{
    (void)state;
    executor_init(&ex);
    for (char name = 'a'; name <= 'z'; name++)
        spawn(name, 0);
    executor_run(&ex);
    assert_journal("abcdefghijklmnopqrstuvwxyz");
    executor_destroy(&ex);
}

static void test_pending_goes_to_the_back(void **state)
{
    (void)state;
    executor_init(&ex);
    spawn('a', 2);
    spawn('b', 0);
    spawn('c', 3);
    executor_run(&ex);
    assert_journal("abc ac ac c");
    executor_destroy(&ex);
}

/* ---- tasks that spawn ---- */

/* Spawns two tasks, b and c, in its first poll, and says PENDING once. */
struct spawner {
    struct future base;
    int error;
    enum { SPAWNER_START, SPAWNER_DONE } state;
};

static enum poll spawner_poll(struct future *f, struct context *cx)
{
    struct spawner *self = (struct spawner *)f;
    struct probe b, c;

    (void)cx;
    journal_add('s');
    switch (self->state) {
    case SPAWNER_START:
        b = probe('b', 0);
        c = probe('c', 1);
        self->error = task_spawn(executor_current(), &b, NULL);
        if (!self->error)
            self->error = task_spawn(executor_current(), &c, NULL);
        self->state = SPAWNER_DONE;
        return POLL_PENDING;
    case SPAWNER_DONE:
        return POLL_READY;
    }
    __builtin_unreachable();
}

FUTURE_TYPE(spawner, spawner_poll, NULL);

static struct spawner spawner(void)
{
    struct spawner self = {.state = SPAWNER_START};
    future_init(&self.base, &spawner_type);
    return self;
}

static void test_tasks_can_spawn_tasks(void **state)
{
    struct spawner s = spawner();

    (void)state;
    executor_init(&ex);
    assert_int_equal(task_spawn(&ex, &s, NULL), 0);
    spawn('x', 1);
    executor_run(&ex); /* what is spawned goes behind x, and before the spawner, which is queued after its poll */
    assert_journal("sx bcs xc");
    executor_destroy(&ex);
}

static void test_current_is_there_only_inside(void **state)
{
    struct spawner s = spawner();

    (void)state;
    executor_init(&ex);
    assert_null(executor_current());
    assert_int_equal(executor_block_on(&ex, &s), 0);
    assert_int_equal(s.error, 0); /* it was there when the spawner asked */
    assert_null(executor_current());
    future_drop(&s.base);
    executor_destroy(&ex);
    assert_null(executor_current());
}

/* ---- block_on ---- */

static void test_block_on_gives_the_output_back(void **state)
{
    (void)state;
    executor_init(&ex);
    for (int pendings = 0; pendings < 5; pendings++) {
        struct probe p = probe('a', pendings);
        uint32_t id = p.base.id;
        assert_int_equal(executor_block_on(&ex, &p), 0);
        assert_int_equal(p.base.phase, FUTURE_FINISHED);
        assert_int_equal(p.base.id, id);
        assert_int_equal(*p.output, pendings + 1);
        assert_int_equal(memory_alive(), 1); /* the output is ours now, and the task is gone */
        future_drop(&p.base);
    }
    executor_destroy(&ex);
}

static void test_block_on_runs_the_others_meanwhile_and_leaves_the_rest(void **state)
{
    struct probe main_task = probe('m', 2);

    (void)state;
    executor_init(&ex);
    spawn('a', 0);
    spawn('b', 4);
    assert_int_equal(executor_block_on(&ex, &main_task), 0);
    assert_journal("abm bm bm"); /* and not one poll more */
    future_drop(&main_task.base);
    assert_int_equal(ex.alive, 1);
    executor_run(&ex);
    assert_journal("abm bm bm bb");
    executor_destroy(&ex);
}

static void test_block_on_without_memory_leaves_the_future_alone(void **state)
{
    struct probe p = probe('a', 1);

    (void)state;
    executor_init(&ex);
    memory_fail_at(1);
    assert_int_equal(executor_block_on(&ex, &p), -ENOMEM);
    assert_int_equal(p.base.phase, FUTURE_FRESH);
    assert_int_equal(ex.alive, 0);
    assert_null(executor_current());
    assert_int_equal(executor_block_on(&ex, &p), 0); /* and a second attempt succeeds */
    future_drop(&p.base);
    executor_destroy(&ex);
}

static void test_two_executors_take_no_notice_of_each_other(void **state)
{
    struct executor other;
    struct probe p = probe('o', 1);

    (void)state;
    executor_init(&ex);
    executor_init(&other);
    spawn('a', 1);
    assert_int_equal(executor_block_on(&other, &p), 0);
    assert_journal("oo");
    future_drop(&p.base);
    executor_destroy(&other);
    executor_run(&ex);
    assert_journal("ooaa");
    executor_destroy(&ex);
}

/* ---- the end ---- */

/* The fates of tasks that still run when the executor goes: never polled, polled k times. */
static void test_destroy_drops_what_is_left(void **state)
{
    (void)state;
    for (int rounds = 0; rounds < 4; rounds++) {
        struct probe clock = probe('\0', rounds);
        executor_init(&ex);
        spawn('a', 9);
        spawn('b', 1);
        assert_int_equal(executor_block_on(&ex, &clock), 0);
        future_drop(&clock.base);
        spawn('c', 9);
        executor_destroy(&ex);
        assert_int_equal(memory_alive(), 0);
    }
}

/* Spawns once more as it is dropped. */
struct last_wish {
    struct future base;
};

static enum poll last_wish_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    return POLL_PENDING;
}

static void last_wish_drop(struct future *f)
{
    (void)f;
    journal_add('d');
    struct probe p = probe('p', 0);
    if (task_spawn(executor_current(), &p, NULL) != 0)
        future_drop(&p.base);
}

FUTURE_TYPE(last_wish, last_wish_poll, last_wish_drop);

static void test_destroy_drops_what_is_spawned_by_a_drop(void **state)
{
    struct last_wish wish;

    (void)state;
    executor_init(&ex);
    future_init(&wish.base, &last_wish_type);
    assert_int_equal(task_spawn(&ex, &wish, NULL), 0);
    executor_destroy(&ex);
    assert_journal("d"); /* the probe was dropped without a poll; test_end knows that it was freed */
}

static void test_a_hundred_thousand_tasks(void **state)
{
    const int many = 100000;
    struct join_handle *handles = malloc((size_t)many * sizeof *handles);
    long polls = 0;

    (void)state;
    executor_init(&ex);
    for (int i = 0; i < many; i++) {
        struct probe p = probe('\0', i % 4);
        assert_int_equal(task_spawn(&ex, &p, &handles[i]), 0);
    }
    executor_run(&ex);
    for (int i = 0; i < many; i++) {
        assert_int_equal(poll_by_hand(&handles[i]), POLL_READY);
        struct probe *finished = join_handle_output(&handles[i]);
        assert_int_equal(*finished->output, i % 4 + 1);
        polls += *finished->output;
        future_drop(&handles[i].base);
    }
    assert_int_equal(polls, many / 4 * (1 + 2 + 3 + 4));
    executor_destroy(&ex);
    free(handles);
}

/* ---- what is recorded ---- */

static void watch(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    const uint32_t *number = arg;

    bool names_task = kind >= TRACE_TASK_SPAWN && kind <= TRACE_QUEUE_POP;

    assert_int_equal(task, names_task ? *number : 0);
    switch (kind) {
    case TRACE_QUEUE_PUSH:
        journal_add('+');
        break;
    case TRACE_QUEUE_POP:
        journal_add('-');
        break;
    case TRACE_TASK_POLL_BEGIN:
        assert_int_equal(a, TRACE_STATES(TRACE_STATE_QUEUED, TRACE_STATE_RUNNING));
        journal_add('(');
        journal_add((char)('0' + b));
        break;
    case TRACE_TASK_POLL_END:
        assert_int_equal(a, TRACE_STATES(TRACE_STATE_RUNNING, b ? TRACE_STATE_DONE : TRACE_STATE_QUEUED));
        journal_add(b == POLL_READY ? 'R' : 'P');
        journal_add(')');
        break;
    case TRACE_TASK_CANCELLED:
        assert_int_equal(a, TRACE_STATES(TRACE_STATE_QUEUED, TRACE_STATE_DONE));
        journal_add('C');
        break;
    case TRACE_RUN_BEGIN:
        journal_add(b ? '{' : '[');
        break;
    case TRACE_RUN_END:
        journal_add(']');
        break;
    case TRACE_FUTURE_DROP:
        journal_add('D');
        break;
    case TRACE_TASK_FREE:
        journal_add('F');
        break;
    case TRACE_RUNTIME_END:
        journal_add('E');
        break;
    default:
        journal_add('?');
    }
}

static void test_the_life_of_a_task_is_recorded(void **state)
{
    (void)state;
    executor_init(&ex);
    spawn('.', 1);
    uint32_t number = ex.ready.head->id;
    trace_set_hook(watch, &number);
    executor_run(&ex);
    executor_destroy(&ex);
    assert_journal("[-(1.P)+ -(2.R)DF]{]E");
}

static void test_a_cancelled_task_is_recorded(void **state)
{
    (void)state;
    executor_init(&ex);
    spawn('.', 1);
    uint32_t number = ex.ready.head->id;
    trace_set_hook(watch, &number);
    executor_destroy(&ex);
    assert_journal("{-CDF]E");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_runs_before_run),
        TEST(test_run_without_tasks_returns),
        TEST(test_first_spawned_first_polled),
        TEST(test_pending_goes_to_the_back),
        TEST(test_tasks_can_spawn_tasks),
        TEST(test_current_is_there_only_inside),
        TEST(test_block_on_gives_the_output_back),
        TEST(test_block_on_runs_the_others_meanwhile_and_leaves_the_rest),
        TEST(test_block_on_without_memory_leaves_the_future_alone),
        TEST(test_two_executors_take_no_notice_of_each_other),
        TEST(test_destroy_drops_what_is_left),
        TEST(test_destroy_drops_what_is_spawned_by_a_drop),
        TEST(test_a_hundred_thousand_tasks),
        TEST(test_the_life_of_a_task_is_recorded),
        TEST(test_a_cancelled_task_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
