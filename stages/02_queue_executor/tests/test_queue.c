/* The run queue: first in, first out, whatever the order of pushes and pops. */
/* LINK: -Wl,--wrap=malloc,--wrap=free */
#include "support.h"

#include "queue.h"
#include "task.h"

#include <stdlib.h>

enum { TASKS = 64 };

static struct task tasks[TASKS];

static void test_empty(void **state)
{
    struct queue q, other;

    (void)state;
    queue_init(&q);
    queue_init(&other);
    assert_null(queue_pop(&q));
    assert_int_equal(q.length, 0);
    assert_int_not_equal(q.id, 0);
    assert_int_not_equal(q.id, other.id);
}

static void test_first_in_first_out(void **state)
{
    struct queue q;

    (void)state;
    queue_init(&q);
    for (int i = 0; i < TASKS; i++)
        queue_push(&q, &tasks[i]);
    assert_int_equal(q.length, TASKS);
    for (int i = 0; i < TASKS; i++)
        assert_ptr_equal(queue_pop(&q), &tasks[i]);
    assert_null(queue_pop(&q));
}

/* What was popped last still points to its neighbour: pushed again, it must be the last one. */
static void test_a_popped_task_can_be_pushed_again(void **state)
{
    struct queue q;

    (void)state;
    queue_init(&q);
    queue_push(&q, &tasks[0]);
    queue_push(&q, &tasks[1]);
    queue_push(&q, queue_pop(&q));
    assert_ptr_equal(queue_pop(&q), &tasks[1]);
    assert_ptr_equal(queue_pop(&q), &tasks[0]);
    assert_null(queue_pop(&q));
    queue_push(&q, &tasks[2]); /* and an empty queue is as good as a new one */
    assert_ptr_equal(queue_pop(&q), &tasks[2]);
    assert_null(queue_pop(&q));
}

/* Ten thousand random steps: pushes go round the array, so pops have to go round it in the same order. */
static void test_random_steps(void **state)
{
    struct queue q;
    unsigned pushed = 0, popped = 0;

    (void)state;
    srand(1);
    queue_init(&q);
    for (int i = 0; i < 10000; i++) {
        if (rand() % 2 && pushed - popped < TASKS)
            queue_push(&q, &tasks[pushed++ % TASKS]);
        else if (pushed == popped)
            assert_null(queue_pop(&q));
        else
            assert_ptr_equal(queue_pop(&q), &tasks[popped++ % TASKS]);
        assert_int_equal(q.length, pushed - popped);
    }
}

/* Writes, for each event, '+' or '-', the task's number and the length. */
static void watch(void *arg, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    assert_int_equal(a, ((struct queue *)arg)->id);
    journal_add(kind == TRACE_QUEUE_PUSH ? '+' : kind == TRACE_QUEUE_POP ? '-' : '?');
    journal_add((char)('0' + task));
    journal_add((char)('0' + b));
}

static void test_records_who_and_how_many(void **state)
{
    struct task one = {.id = 1}, two = {.id = 2};
    struct queue q;

    (void)state;
    queue_init(&q);
    trace_set_hook(watch, &q);
    queue_push(&q, &one);
    queue_push(&q, &two);
    queue_pop(&q);
    queue_pop(&q);
    queue_pop(&q);
    assert_journal("+11 +22 -11 -20 -00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),        TEST(test_first_in_first_out),       TEST(test_a_popped_task_can_be_pushed_again),
        TEST(test_random_steps), TEST(test_records_who_and_how_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
