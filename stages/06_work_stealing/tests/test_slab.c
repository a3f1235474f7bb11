/* LINK: @tests/support.link -Wl,--wrap=munmap */
/* The slab: memory for tasks. Nothing is handed out twice, everything is aligned as the future in it needs it, and it is
 * there for as long as anybody has a pointer to it, be the runtime gone or not. */
#include "support.h"

#include "slab.h"
#include "yield.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct runtime rt;

/* --- what is mapped --- */

static atomic_int unmapped;

int __real_munmap(void *at, size_t length);
int __wrap_munmap(void *at, size_t length);

int __wrap_munmap(void *at, size_t length)
{
    atomic_fetch_add(&unmapped, 1);
    return __real_munmap(at, length);
}

/* --- blocks --- */

static const size_t sizes[] = {1,    8,     9,     31,    32,     40,     48,     64,      100,
                               250,  256,   257,   500,   512,    513,    1000,   1024,    1025,
                               4096, 10000, 32768, 32769, 100000, 262144, 300000, 1 << 20, 5000000};
enum { SIZES = sizeof sizes / sizeof *sizes, EACH = 20 };

static size_t block_size(int i)
{
    return sizeof(struct task) + sizes[i];
}

/* As a task looks while it lives, so far as the slab looks at it. */
static struct task *take(struct slab *slab, size_t size)
{
    struct task *task = slab_alloc(slab, size);

    assert_non_null(task);
    memset((char *)task, 0x11, size);
    atomic_store(&task->state, TASK_RUNNING | TASK_OWNER);
    return task;
}

static void give_back(struct task *task, struct slab *mine)
{
    atomic_store(&task->state, 0);
    slab_free(task, mine);
}

static void count_task(struct task *task, void *count)
{
    (void)task;
    ++*(int *)count;
}

static int tasks_alive(struct slab *slab)
{
    int count = 0;
    slab_each(slab, count_task, &count);
    return count;
}

static void check_block(struct task *task, size_t size, unsigned char filled_with)
{
    size_t alignment = size % 16 == 0 ? 16 : 8;

    assert_int_equal((uintptr_t)task % alignment, 0);
    assert_ptr_equal(slab_runtime(task), &rt);
    for (size_t i = sizeof(struct task); i < size; i++)
        if (((unsigned char *)task)[i] != filled_with)
            fail_msg("a block of %zu bytes is not its owner's alone", size);
}

static void test_blocks_of_all_sizes(void **state)
{
    static struct task *tasks[SIZES][EACH];
    struct slab *slab = slab_new(&rt);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int n = 0; n < EACH; n++)
            for (int i = 0; i < SIZES; i++) {
                tasks[i][n] = take(slab, block_size(i));
                memset(tasks[i][n]->future, i + n, sizes[i]);
            }
        for (int n = 0; n < EACH; n++)
            for (int i = 0; i < SIZES; i++)
                check_block(tasks[i][n], block_size(i), (unsigned char)(i + n));
        assert_int_equal(tasks_alive(slab), SIZES * EACH);
        for (int n = 0; n < EACH; n++)
            for (int i = 0; i < SIZES; i++)
                give_back(tasks[i][n], slab);
        assert_int_equal(tasks_alive(slab), 0);
    }
    slab_close(slab);
}

static void test_memory_is_used_again(void **state)
{
    struct slab *slab = slab_new(&rt);
    struct task *first = take(slab, 100);

    (void)state;
    unsigned maps = calls_made(CALL_MMAP);
    for (int i = 0; i < 10000; i++) {
        give_back(first, slab);
        assert_ptr_equal(take(slab, 100), first);
    }
    assert_int_equal(calls_made(CALL_MMAP), maps);
    give_back(first, slab);
    slab_close(slab);
}

/* Tasks that are spawned in a row do not share a cache line, for the first half of a chunk; and the other half is not
 * lost: no chunk more is taken for it. */
static void test_neighbours_lie_apart(void **state)
{
    enum { SIZE = 72, HALF = 256 * 1024 / SIZE / 2 - 2 };
    static struct task *tasks[2 * HALF];
    struct slab *slab = slab_new(&rt);

    (void)state;
    for (int i = 0; i < 2 * HALF; i++) {
        tasks[i] = take(slab, SIZE);
        if (i > 0 && i < HALF)
            assert_true((uintptr_t)tasks[i] / 64 > ((uintptr_t)tasks[i - 1] + SIZE - 1) / 64);
    }
    assert_int_equal(calls_made(CALL_MMAP), 1);
    assert_int_equal(tasks_alive(slab), 2 * HALF);
    for (int i = 0; i < 2 * HALF; i++)
        give_back(tasks[i], slab);
    slab_close(slab);
}

/* --- given back by others --- */

static void give_back_elsewhere(void *task)
{
    give_back(task, NULL);
}

static void test_given_back_by_another_thread(void **state)
{
    struct slab *slab = slab_new(&rt);

    (void)state;
    for (int i = 0; i < 50; i++) {
        struct task *task = take(slab, 1 << 17); /* has a chunk of its own */
        elsewhere(give_back_elsewhere, task);
    }
    assert_int_equal(tasks_alive(slab), 0);
    assert_int_equal(calls_made(CALL_MMAP), 1); /* so the owner took them over */
    slab_close(slab);
}

/* Closed while blocks are out: they stay, and the last one takes all of it away, whoever gives it back. */
static void test_the_last_block_ends_it(void **state)
{
    struct slab *slab = slab_new(&rt);
    struct task *tasks[3] = {take(slab, 100), take(slab, 100), take(slab, 100)};
    int blocks = blocks_alive();

    (void)state;
    give_back(tasks[0], slab);
    slab_close(slab);
    assert_int_equal(blocks_alive(), blocks);
    memset(tasks[1]->future, 1, 60);
    elsewhere(give_back_elsewhere, tasks[2]);
    assert_int_equal(blocks_alive(), blocks);
    int before = unmapped;
    elsewhere(give_back_elsewhere, tasks[1]);
    assert_int_equal(blocks_alive(), blocks - 1);
    assert_int_equal(unmapped, before + 1);
}

static void test_only_tasks_that_are_not_over_count(void **state)
{
    struct slab *slab = slab_new(&rt);
    struct task *runs = take(slab, 100), *is_over = take(slab, 100), *was_given_back = take(slab, 100);

    (void)state;
    atomic_store(&is_over->state, TASK_DONE | TASK_OVER | TASK_OWNER);
    give_back(was_given_back, slab);
    assert_int_equal(tasks_alive(slab), 1);
    give_back(runs, slab);
    give_back(is_over, slab);
    slab_close(slab);
}

/* --- no memory --- */

static void test_no_memory(void **state)
{
    (void)state;
    nth_call_fails(1);
    assert_null(slab_new(&rt));
    assert_int_equal(call_failed(), CALL_CALLOC);
    struct slab *slab = slab_new(&rt);
    nth_call_fails(1);
    assert_null(slab_alloc(slab, 100));
    assert_int_equal(call_failed(), CALL_MMAP);
    struct task *task = take(slab, 100); /* it was not the last word */
    nth_call_fails(1);
    assert_null(slab_alloc(slab, 100000)); /* another chunk */
    assert_int_equal(call_failed(), CALL_MMAP);
    give_back(task, slab);
    slab_close(slab);
}

/* --- with a runtime --- */

struct huge {
    struct future base;
    struct yield yield;
    _Alignas(16) char bytes[600000];
};

static enum poll huge_poll(struct future *f, struct context *cx)
{
    struct huge *self = (struct huge *)f;

    sure((uintptr_t)self->bytes % 16 == 0);
    if (f->phase == FUTURE_FRESH)
        self->yield = yield_now();
    if (future_poll(&self->yield.base, cx) == POLL_PENDING)
        return POLL_PENDING;
    for (size_t i = 0; i < sizeof self->bytes; i++)
        sure(self->bytes[i] == (char)(i % 251));
    future_drop(&self->yield.base);
    return POLL_READY;
}

FUTURE_TYPE(huge, huge_poll, NULL);

static void test_huge_futures(void **state)
{
    static struct huge huge[4];

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < 4; i++) {
        future_init(&huge[i].base, &huge_type);
        for (size_t at = 0; at < sizeof huge[i].bytes; at++)
            huge[i].bytes[at] = (char)(at % 251);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(task_spawn(&rt, &huge[i], NULL), 0);
    assert_int_equal(runtime_block_on(&rt, &huge[3]), 0);
    future_drop(&huge[3].base);
    runtime_destroy(&rt);
}

static struct waker kept;

static enum poll keep_waker(struct script *self, struct context *cx)
{
    (void)self;
    kept = waker_clone(cx->waker);
    return POLL_READY;
}

/* A waker that somebody keeps, when there has been another runtime in the same place since. */
static void test_a_waker_outlives_its_runtime(void **state)
{
    struct tally tally = {0};
    struct script task = script(&tally, keep_waker, NULL);

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    assert_int_equal(runtime_block_on(&rt, &task), 0);
    future_drop(&task.base);
    runtime_destroy(&rt);
    memset(&rt, 0xdb, sizeof rt);
    int blocks = blocks_alive();
    waker_wake_by_ref(&kept);
    struct waker another = waker_clone(&kept);
    waker_wake(another);
    waker_drop(kept);
    assert_int_equal(blocks_alive(), blocks - 1); /* the slab */
}

/* --- many, on all threads --- */

enum { THREADS = 3, ROUNDS = 3000 };

struct child {
    struct future base;
    char rest[200];
};

static enum poll child_poll(struct future *f, struct context *cx)
{
    (void)f, (void)cx;
    return POLL_READY;
}

FUTURE_TYPE(child, child_poll, NULL);

/* Spawned here, ended on a worker, given back by whoever is last. */
static void *spawn_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        struct join_handle handle;
        struct child child;
        future_init(&child.base, &child_type);
        sure(task_spawn(&rt, &child, &handle) == 0);
        if (i % 3 == 0)
            sure(runtime_block_on(&rt, &handle) == 0);
        future_drop(&handle.base);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(runtime_init(&rt, 2), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, spawn_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    runtime_destroy(&rt);
    assert_int_equal(seen(TRACE_TASK_SPAWN), seen(TRACE_TASK_FREE));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_blocks_of_all_sizes),
        TEST(test_memory_is_used_again),
        TEST(test_neighbours_lie_apart),
        TEST(test_given_back_by_another_thread),
        TEST(test_the_last_block_ends_it),
        TEST(test_only_tasks_that_are_not_over_count),
        TEST(test_no_memory),
        TEST(test_huge_futures),
        TEST(test_a_waker_outlives_its_runtime),
        TEST(test_many_threads),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
