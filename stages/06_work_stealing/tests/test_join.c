/* LINK: @tests/support.link */
/* The end of a task and whoever waits for it, on two threads and in every order that there is: the waiter is woken if it
 * waits, and the output is dropped once, by one of the two. The steps of join.c lie between trace points, so that the
 * other side can be run between any two of them. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static struct runtime rt;

/* The task, which ends when it is told; its handle, which the test polls by hand; and two wakers. */
static struct {
    struct strings task;
    struct join_handle handle;
    struct probe first, second;
} scene;

static void scene_begin(void)
{
    assert_int_equal(runtime_init(&rt, 1), 0);
    scene.first = (struct probe){0};
    scene.second = (struct probe){0};
    puppet_spawn(&rt, &scene.task, &scene.handle);
}

static bool is_over(void)
{
    return atomic_load_explicit(&scene.handle.task->state, memory_order_relaxed) & TASK_OVER;
}

/* Lets the task end, and waits until its executor has said so. */
static void end_task(void *unused)
{
    (void)unused;
    puppet_end(&scene.task);
    wait_until(is_over());
}

static void drop_handle(void *unused)
{
    (void)unused;
    future_drop(&scene.handle.base);
}

/* Every waker is accounted for, and the output was dropped once, on that worker (0: by us). */
static void scene_end(int first_wakes, int second_wakes, unsigned dropped_on)
{
    runtime_destroy(&rt);
    assert_int_equal(scene.first.wakes, first_wakes);
    assert_int_equal(scene.second.wakes, second_wakes);
    assert_int_equal(scene.first.held, 0);
    assert_int_equal(scene.second.held, 0);
    assert_int_equal(scene.task.drops, 1);
    assert_int_equal(scene.task.dropped_on, dropped_on);
}

static void assert_ready(struct probe *probe)
{
    assert_int_equal(poll_with(&scene.handle, probe), POLL_READY);
    const struct puppet *output = join_handle_output(&scene.handle);
    assert_ptr_equal(output->strings, &scene.task);
}

/* --- polled once --- */

static void test_it_ends_before_the_poll(void **state)
{
    (void)state;
    scene_begin();
    end_task(NULL);
    assert_ready(&scene.first);
    drop_handle(NULL);
    scene_end(0, 0, 0);
}

/* The waker lies there, and is not announced yet. */
static void test_it_ends_while_the_waker_is_left(void **state)
{
    (void)state;
    scene_begin();
    at_point(TRACE_WAIT, TRACE_SOURCE_JOIN, end_task, NULL);
    assert_ready(&scene.first);
    assert_int_equal(scene.first.held, 0);
    drop_handle(NULL);
    scene_end(0, 0, 0);
}

static void test_it_ends_after_the_poll(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    assert_int_equal(scene.first.held, 1);
    end_task(NULL);
    wait_until(scene.first.wakes == 1);
    assert_ready(&scene.second);
    drop_handle(NULL);
    scene_end(1, 0, 0);
}

/* --- polled again, with another waker: the first one must not be woken any more --- */

static void test_it_ends_after_two_polls(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    assert_int_equal(poll_with(&scene.handle, &scene.second), POLL_PENDING);
    assert_int_equal(scene.first.held, 0);
    end_task(NULL);
    wait_until(scene.second.wakes == 1);
    assert_ready(&scene.first);
    drop_handle(NULL);
    scene_end(0, 1, 0);
}

static void test_it_ends_while_the_waker_is_replaced(void **state)
{
    static const enum trace_kind moments[] = {TRACE_WAIT_END, TRACE_WAIT};

    (void)state;
    for (int i = 0; i < 2; i++) {
        scene_begin();
        assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
        at_point(moments[i], TRACE_SOURCE_JOIN, end_task, NULL);
        assert_ready(&scene.second);
        drop_handle(NULL);
        scene_end(0, 0, 0);
    }
}

/* --- the waker is being woken while the handle is polled or dropped: it is the executor's --- */

static atomic_bool was_polled;

static void poll_handle(void *unused)
{
    (void)unused;
    sure(poll_with(&scene.handle, &scene.second) == POLL_READY);
    atomic_store(&was_polled, true);
}

static void test_polled_while_it_is_woken(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    atomic_store(&was_polled, false);
    at_point(TRACE_WAIT_END, TRACE_SOURCE_JOIN, poll_handle, NULL); /* on the worker's thread, which makes no odds */
    puppet_end(&scene.task);
    wait_until(atomic_load(&was_polled) && scene.first.wakes == 1);
    drop_handle(NULL);
    scene_end(1, 0, 0);
}

static void drop_handle_elsewhere(void *unused)
{
    elsewhere(drop_handle, unused);
}

static void test_dropped_while_it_is_woken(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    at_point(TRACE_WAIT_END, TRACE_SOURCE_JOIN, drop_handle_elsewhere, NULL);
    puppet_end(&scene.task);
    wait_until(scene.first.wakes == 1);
    scene_end(1, 0, 0);
}

/* --- the handle is dropped: nobody wants the output, nobody is woken --- */

static void test_dropped_before_the_end(void **state)
{
    (void)state;
    for (int polls = 0; polls < 2; polls++) {
        scene_begin();
        if (polls)
            assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
        drop_handle(NULL);
        assert_int_equal(scene.first.held, 0);
        puppet_end(&scene.task);
        wait_until(scene.task.drops == 1);
        scene_end(0, 0, 1);
    }
}

static void test_dropped_after_the_end(void **state)
{
    (void)state;
    for (int polls = 0; polls < 2; polls++) {
        scene_begin();
        if (polls)
            assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
        end_task(NULL);
        wait_until(scene.first.wakes == polls);
        drop_handle(NULL);
        assert_int_equal(scene.task.drops, 1);
        scene_end(polls, 0, 0);
    }
}

/* It gives up first, and takes its waker back while the task ends. */
static void end_task_unheard(void *unused)
{
    (void)unused;
    puppet_end(&scene.task);
    wait_until(atomic_load_explicit(&scene.task.drops, memory_order_relaxed) == 1);
}

static void test_it_ends_while_the_handle_is_dropped(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    at_point(TRACE_WAIT_END, TRACE_SOURCE_JOIN, end_task_unheard, NULL);
    drop_handle(NULL);
    scene_end(0, 0, 1);
}

/* It ends at the first moment of the drop. */
static void test_it_ends_as_the_drop_begins(void **state)
{
    (void)state;
    scene_begin();
    assert_int_equal(poll_with(&scene.handle, &scene.first), POLL_PENDING);
    at_point(TRACE_FUTURE_DROP, 0, end_task, NULL);
    drop_handle(NULL);
    scene_end(1, 0, 0);
}

/* --- what comes before the drop of the handle is seen by the drop of the output --- */

struct witness {
    struct future base;
    const int *written;
    int *seen;
    atomic_bool *ends;
};

static enum poll witness_poll(struct future *f, struct context *cx)
{
    struct witness *self = (struct witness *)f;

    (void)cx;
    wait_until(atomic_load_explicit(self->ends, memory_order_relaxed));
    return POLL_READY;
}

static void witness_drop(struct future *f)
{
    struct witness *self = (struct witness *)f;
    *self->seen = *self->written;
}

FUTURE_TYPE(witness, witness_poll, witness_drop);

/* No more than the word in the task puts the two in order; the thread sanitizer sees whether it does. */
static void test_the_drop_comes_after_what_the_handle_saw(void **state)
{
    static int written, seen;
    static atomic_bool ends;
    struct witness witness = {.written = &written, .seen = &seen, .ends = &ends};
    struct join_handle handle;

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    future_init(&witness.base, &witness_type);
    assert_int_equal(task_spawn(&rt, &witness, &handle), 0);
    written = 42;
    future_drop(&handle.base);
    atomic_store_explicit(&ends, true, memory_order_relaxed);
    runtime_destroy(&rt);
    assert_int_equal(seen, 42);
}

/* --- an aborted task has no output, and its future is dropped where it ran --- */

static void test_aborted(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, forever_step, NULL);
    struct probe probe = {0};
    struct join_handle handle;

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, &handle), 0);
    wait_until(tally.polls == 1);
    assert_int_equal(poll_with(&handle, &probe), POLL_PENDING);
    join_handle_abort(&handle);
    wait_until(probe.wakes == 1);
    assert_int_equal(poll_with(&handle, &probe), POLL_READY);
    assert_null(join_handle_output(&handle));
    assert_int_equal(tally.drops, 1);
    future_drop(&handle.base);
    assert_int_equal(tally.drops, 1);
    runtime_destroy(&rt);
    assert_int_equal(probe.held, 0);
}

/* The same while the waker is left: it lies there, and is not announced yet. So it is not the worker's. */
static void abort_and_wait(void *arg)
{
    struct join_handle *handle = arg;

    join_handle_abort(handle);
    wait_until(atomic_load_explicit(&handle->task->state, memory_order_relaxed) & TASK_OVER);
}

static void test_aborted_while_the_waker_is_left(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, forever_step, NULL);
    struct probe probe = {0};
    struct join_handle handle;

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, &handle), 0);
    wait_until(tally.polls == 1);
    at_point(TRACE_WAIT, TRACE_SOURCE_JOIN, abort_and_wait, &handle);
    assert_int_equal(poll_with(&handle, &probe), POLL_READY);
    assert_null(join_handle_output(&handle));
    future_drop(&handle.base);
    runtime_destroy(&rt);
    assert_int_equal(tally.drops, 1);
    assert_int_equal(probe.wakes, 0);
    assert_int_equal(probe.held, 0);
}

/* --- tasks wait for tasks on other workers --- */

struct waits {
    struct future base;
    struct join_handle handle;
    int polls;
    atomic_uint *worker;
    unsigned long output;
};

static enum poll waits_poll(struct future *f, struct context *cx)
{
    struct waits *self = (struct waits *)f;

    self->polls++;
    atomic_store_explicit(self->worker, runtime_worker(), memory_order_relaxed);
    if (future_poll(&self->handle.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    const struct puppet *output = join_handle_output(&self->handle);
    self->output = (unsigned long)(uintptr_t)output->strings;
    return POLL_READY;
}

static void waits_drop(struct future *f)
{
    struct waits *self = (struct waits *)f;
    future_drop(&self->handle.base);
}

FUTURE_TYPE(waits, waits_poll, waits_drop);

/* A task on one worker waits for one on the other, which is kept busy. */
static void test_across_workers(void **state)
{
    atomic_uint worker = 0;
    struct join_handle outer;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    struct waits waits = {.worker = &worker};
    puppet_spawn(&rt, &scene.task, &waits.handle);
    future_init(&waits.base, &waits_type);
    assert_int_equal(task_spawn(&rt, &waits, &outer), 0);
    wait_until(workers_asleep(&rt) == 1 && worker != 0);
    assert_int_not_equal(worker, scene.task.worker);
    puppet_end(&scene.task);
    assert_int_equal(runtime_block_on(&rt, &outer), 0);
    const struct waits *output = join_handle_output(&outer);
    assert_int_equal(output->polls, 2);
    assert_int_equal(output->output, (uintptr_t)&scene.task);
    future_drop(&outer.base); /* here, by main, the outputs of both */
    assert_int_equal(scene.task.drops, 1);
    runtime_destroy(&rt);
}

/* The one that waits is aborted: it drops its handle on its own worker, and the other goes on. */
static void test_who_waits_is_aborted(void **state)
{
    atomic_uint worker = 0;
    struct join_handle outer;

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    struct waits waits = {.worker = &worker};
    puppet_spawn(&rt, &scene.task, &waits.handle);
    future_init(&waits.base, &waits_type);
    assert_int_equal(task_spawn(&rt, &waits, &outer), 0);
    wait_until(workers_asleep(&rt) == 1 && worker != 0);
    join_handle_abort(&outer);
    assert_int_equal(runtime_block_on(&rt, &outer), 0);
    assert_null(join_handle_output(&outer));
    future_drop(&outer.base);
    assert_int_equal(scene.task.drops, 0);
    puppet_end(&scene.task);
    wait_until(scene.task.drops == 1);
    assert_int_equal(scene.task.dropped_on, scene.task.worker);
    runtime_destroy(&rt);
}

/* --- many of all of that at once --- */

enum { MANY = 20000 };

/* Spawns tasks and treats their handles in turn in each way; the workers end them meanwhile. */
static void *spawn_and_join(void *tally)
{
    struct probe probe = {0};

    for (int i = 0; i < MANY; i++) {
        struct script task = script(tally, ready_step, NULL);
        struct join_handle handle;
        sure(task_spawn(&rt, &task, &handle) == 0);
        if (i % 4 == 1)
            poll_with(&handle, &probe);
        if (i % 4 == 2)
            while (poll_with(&handle, &probe) == POLL_PENDING)
                ;
        if (i % 4 == 3)
            join_handle_abort(&handle);
        future_drop(&handle.base);
    }
    wait_until(probe.held == 0);
    return NULL;
}

static void test_many_joins(void **state)
{
    struct tally tallies[2] = {{0}, {0}};
    pthread_t threads[2];

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spawn_and_join, &tallies[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    runtime_destroy(&rt);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tallies[i].drops, MANY);
}

/* --- more wakers from one poll than are counted at its end --- */

enum { MANY_WAKERS = TASK_CLONES_MAX + 1000 };
static struct waker many_wakers[MANY_WAKERS];

static void drop_all_but_one(void *unused)
{
    (void)unused;
    for (int i = 1; i < MANY_WAKERS; i++)
        waker_drop(many_wakers[i]);
}

/* They are used up before the poll has ended, and so before they are counted. */
static enum poll clone_many_step(struct script *self, struct context *cx)
{
    if (self->tally->polls > 1)
        return POLL_READY;
    for (int i = 0; i < MANY_WAKERS; i++)
        many_wakers[i] = waker_clone(cx->waker);
    elsewhere(drop_all_but_one, NULL);
    return POLL_PENDING;
}

/* Were one counted too few, the task would be gone too early; one too many, and its memory would be left. */
static void test_many_wakers_of_one_poll(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, clone_many_step, NULL);

    (void)state;
    assert_int_equal(runtime_init(&rt, 1), 0);
    assert_int_equal(task_spawn(&rt, &task, NULL), 0);
    wait_until(tally.polls == 1 && workers_asleep(&rt) == 1);
    waker_wake(many_wakers[0]);
    wait_until(tally.drops == 1 && workers_asleep(&rt) == 1);
    assert_int_equal(seen(TRACE_TASK_FREE), 1);
    runtime_destroy(&rt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_it_ends_before_the_poll),
        TEST(test_it_ends_while_the_waker_is_left),
        TEST(test_it_ends_after_the_poll),
        TEST(test_it_ends_after_two_polls),
        TEST(test_it_ends_while_the_waker_is_replaced),
        TEST(test_polled_while_it_is_woken),
        TEST(test_dropped_while_it_is_woken),
        TEST(test_dropped_before_the_end),
        TEST(test_dropped_after_the_end),
        TEST(test_it_ends_while_the_handle_is_dropped),
        TEST(test_it_ends_as_the_drop_begins),
        TEST(test_the_drop_comes_after_what_the_handle_saw),
        TEST(test_aborted),
        TEST(test_aborted_while_the_waker_is_left),
        TEST(test_across_workers),
        TEST(test_who_waits_is_aborted),
        TEST(test_many_joins),
        TEST(test_many_wakers_of_one_poll),
    };
    return cmocka_run_group_tests_name("join", tests, NULL, NULL);
}
