/* LINK: @tests/support.link */
/* Timers come out of the heap in order, whatever was put in and taken out. */
#include "support.h"

#include "timer_heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct timer *first_of(const struct timer_heap *heap)
{
    return heap->length > 0 ? heap->entries[0].timer : NULL;
}

static void test_equal_deadlines_keep_their_order(void **state)
{
    enum { COUNT = 100 };
    struct timer timers[COUNT] = {0};
    struct timer_heap heap = {0};

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        timers[i].base.id = i + 1;
        assert_int_equal(timer_heap_add(&heap, &timers[i], 7), 0);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(first_of(&heap)->base.id, i + 1);
        timer_heap_remove(&heap, first_of(&heap));
    }
    assert_null(first_of(&heap));
    timer_heap_destroy(&heap);
}

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13; /* xorshift64 */
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* The same timers once more, sorted in the plainest way. */
enum { TIMERS = 300, OPERATIONS = 100000 };

static struct {
    struct timer timers[TIMERS];
    uint64_t deadlines[TIMERS];
    bool queued[TIMERS];
    int sorted[TIMERS]; /* their indices */
    int count;
    struct timer_heap heap;
    uint32_t last_number;
} model;

static bool model_is_before(int a, int b)
{
    return model.deadlines[a] != model.deadlines[b] ? model.deadlines[a] < model.deadlines[b]
                                                    : model.timers[a].base.id < model.timers[b].base.id;
}

static void model_add(int which, uint64_t deadline)
{
    int i = model.count++;

    model.deadlines[which] = deadline;
    model.queued[which] = true;
    model.timers[which].base.id = ++model.last_number;
    for (; i > 0 && model_is_before(which, model.sorted[i - 1]); i--)
        model.sorted[i] = model.sorted[i - 1];
    model.sorted[i] = which;
    assert_int_equal(timer_heap_add(&model.heap, &model.timers[which], deadline), 0);
}

static void model_remove(int which)
{
    int i = 0;

    while (model.sorted[i] != which)
        i++;
    memmove(&model.sorted[i], &model.sorted[i + 1], (size_t)(--model.count - i) * sizeof *model.sorted);
    model.queued[which] = false;
    timer_heap_remove(&model.heap, &model.timers[which]);
}

static void assert_same_first(void)
{
    assert_ptr_equal(first_of(&model.heap), model.count > 0 ? &model.timers[model.sorted[0]] : NULL);
}

static void test_random_operations_against_a_sorted_list(void **state)
{
    uint64_t seed = trace_now() | 1;

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    memset(&model, 0, sizeof model);
    for (int i = 0; i < OPERATIONS; i++) {
        int which = (int)(random_next(&seed) % TIMERS);
        if (model.count > 0 && random_next(&seed) % 4 == 0)
            which = model.sorted[0]; /* as if it fired */
        if (model.queued[which])
            model_remove(which);
        else
            model_add(which, random_next(&seed) % 50); /* many are equal */
        assert_same_first();
    }
    while (model.count > 0) {
        assert_same_first();
        model_remove(model.sorted[0]);
    }
    assert_same_first();
    timer_heap_destroy(&model.heap);
}

/* Each is earlier than all before it, so each rises to the top; and the heap grows while they are in it. */
static void test_a_hundred_thousand_timers(void **state)
{
    enum { COUNT = 100000 };
    struct timer *timers = calloc(COUNT, sizeof *timers);
    struct timer_heap heap = {0};

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        timers[i].base.id = i;
        assert_int_equal(timer_heap_add(&heap, &timers[i], COUNT - i), 0);
    }
    for (uint32_t i = COUNT; i-- > 0;) {
        assert_ptr_equal(first_of(&heap), &timers[i]);
        timer_heap_remove(&heap, &timers[i]);
    }
    assert_int_equal(heap.length, 0);
    timer_heap_destroy(&heap);
    free(timers);
}

/* Those that are in it stay. */
static void test_no_memory(void **state)
{
    static struct timer timers[20000];
    struct timer_heap heap = {0};
    uint32_t count = 0;

    (void)state;
    assert_int_equal(timer_heap_add(&heap, &timers[0], 1), 0);
    nth_call_fails(1);
    while (++count < 20000 && timer_heap_add(&heap, &timers[count], count + 1) == 0)
        ;
    assert_int_equal(call_failed(), CALL_REALLOC);
    assert_int_equal(heap.length, count);
    assert_int_equal(timer_heap_add(&heap, &timers[count], count + 1), 0);
    for (uint32_t i = 0; i <= count; i++) {
        assert_ptr_equal(first_of(&heap), &timers[i]);
        timer_heap_remove(&heap, &timers[i]);
    }
    timer_heap_destroy(&heap);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_equal_deadlines_keep_their_order),
        TEST(test_random_operations_against_a_sorted_list),
        TEST(test_a_hundred_thousand_timers),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests_name("timer_heap", tests, NULL, NULL);
}
