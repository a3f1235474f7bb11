/* The ring, with room for four, so that it is full, empty and all around within a few steps. Its functions are built in
 * here for that, in the place of those that the workers have; no worker runs.
 *
 * What "the other side" does in the middle of a theft is done by the hook, on the same thread. */
#define RING_CAPACITY 4u
#include "ring.c"

#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Where positions start: at zero, and just before they wrap. */
static const uint32_t starts[] = {0, 1, UINT32_MAX - 5, UINT32_MAX - 1, UINT32_MAX};
enum { STARTS = sizeof starts / sizeof *starts };

enum { MANY = 20000 };

static _Alignas(struct task) unsigned char blocks[MANY][sizeof(struct task)];

static struct task *task_number(uint32_t number)
{
    struct task *task = (struct task *)blocks[number];
    task->id = number;
    return task;
}

static void ring_start(struct ring *ring, uint32_t at)
{
    ring_init(ring);
    atomic_store(&ring->head, head_of(at, at));
    atomic_store(&ring->tail, at);
}

/* Pushes those numbered first to last. */
static void push_from_to(struct ring *ring, uint32_t first, uint32_t last)
{
    for (uint32_t number = first; number <= last; number++)
        sure(ring_push(ring, task_number(number)));
}

/* Expects to pop those, one by one. */
static void pop_from_to(struct ring *ring, uint32_t first, uint32_t last)
{
    for (uint32_t number = first; number <= last; number++) {
        struct task *task = NULL;
        sure(ring_pop(ring, &task, 1) == 1);
        sure(task->id == number);
    }
}

static void expect_empty(struct ring *ring)
{
    struct task *task;
    assert_int_equal(ring_length(ring), 0);
    assert_int_equal(ring_pop(ring, &task, 1), 0);
}

#define AT_EACH_START(at) for (uint32_t i_##at = 0, at; i_##at < STARTS && (at = starts[i_##at], true); i_##at++)

/* --- one side alone --- */

static void test_first_in_first_out(void **state)
{
    struct ring ring;

    (void)state;
    AT_EACH_START(at)
    {
        ring_start(&ring, at);
        for (uint32_t round = 0; round < 3; round++) {
            push_from_to(&ring, 1, 3);
            assert_int_equal(ring_length(&ring), 3);
            pop_from_to(&ring, 1, 2);
            push_from_to(&ring, 4, 6);
            pop_from_to(&ring, 3, 6);
            expect_empty(&ring);
        }
    }
}

static void test_it_says_when_it_is_full(void **state)
{
    struct ring ring;

    (void)state;
    AT_EACH_START(at)
    {
        ring_start(&ring, at);
        push_from_to(&ring, 1, 4);
        assert_false(ring_push(&ring, task_number(5)));
        pop_from_to(&ring, 1, 1);
        assert_true(ring_push(&ring, task_number(5)));
        assert_false(ring_push(&ring, task_number(6)));
        pop_from_to(&ring, 2, 5);
    }
}

static void test_several_are_popped_at_once(void **state)
{
    struct task *tasks[4];
    struct ring ring;

    (void)state;
    AT_EACH_START(at)
    {
        ring_start(&ring, at);
        push_from_to(&ring, 1, 3);
        assert_int_equal(ring_pop(&ring, tasks, 2), 2);
        assert_int_equal(tasks[0]->id, 1);
        assert_int_equal(tasks[1]->id, 2);
        assert_int_equal(ring_pop(&ring, tasks, 4), 1);
        assert_int_equal(tasks[0]->id, 3);
        expect_empty(&ring);
    }
}

/* --- thefts --- */

static void test_a_thief_takes_the_first_half_rounded_up(void **state)
{
    struct ring from, to;

    (void)state;
    AT_EACH_START(at)
    {
        AT_EACH_START(there)
        {
            for (uint32_t length = 0; length <= 4; length++) {
                ring_start(&from, at);
                ring_start(&to, there);
                push_from_to(&from, 1, length);
                uint32_t stolen = ring_steal(&from, &to);
                assert_int_equal(stolen, (length + 1) / 2);
                assert_int_equal(ring_length(&to), stolen);
                pop_from_to(&to, 1, stolen);
                pop_from_to(&from, stolen + 1, length);
                expect_empty(&from);
                expect_empty(&to);
            }
        }
    }
}

static struct ring victim, other;

static void fill(struct ring *ring, uint32_t at)
{
    ring_start(ring, at);
    push_from_to(ring, 1, 4);
}

static void empty_and_push(void *unused)
{
    (void)unused;
    pop_from_to(&victim, 3, 4);
    sure(ring_length(&victim) == 0);
    sure(!ring_push(&victim, task_number(5))); /* all of the room there is is still being copied, or behind that */
}

static void test_no_slot_is_used_while_a_thief_copies_it(void **state)
{
    struct ring thief;

    (void)state;
    AT_EACH_START(at)
    {
        fill(&victim, at);
        ring_start(&thief, 0);
        at_point(TRACE_QUEUE_STEAL, victim.id, empty_and_push, NULL);
        assert_int_equal(ring_steal(&victim, &thief), 2);
        pop_from_to(&thief, 1, 2);
        push_from_to(&victim, 5, 8); /* now all slots are free */
        pop_from_to(&victim, 5, 8);
    }
}

static void push_one_and_pop_all(void *unused)
{
    (void)unused;
    push_from_to(&victim, 4, 4);
    pop_from_to(&victim, 3, 4);
}

static void test_the_owner_goes_on_meanwhile(void **state)
{
    struct ring thief;

    (void)state;
    AT_EACH_START(at)
    {
        ring_start(&victim, at);
        ring_start(&thief, 0);
        push_from_to(&victim, 1, 3);
        at_point(TRACE_QUEUE_STEAL, victim.id, push_one_and_pop_all, NULL);
        assert_int_equal(ring_steal(&victim, &thief), 2);
        pop_from_to(&thief, 1, 2);
        expect_empty(&victim);
        push_from_to(&victim, 5, 8);
        assert_false(ring_push(&victim, task_number(9)));
    }
}

static void steal_from_victim(void *unused)
{
    (void)unused;
    sure(ring_steal(&victim, &other) == 0);
}

static void test_one_thief_at_a_time(void **state)
{
    struct ring thief;

    (void)state;
    AT_EACH_START(at)
    {
        fill(&victim, at);
        ring_start(&thief, 0);
        ring_start(&other, 0);
        at_point(TRACE_QUEUE_STEAL, victim.id, steal_from_victim, NULL);
        assert_int_equal(ring_steal(&victim, &thief), 2);
        assert_int_equal(ring_steal(&victim, &other), 1);
        pop_from_to(&other, 3, 3);
        pop_from_to(&victim, 4, 4);
    }
}

/* Somebody copies the owner's first two tasks; it has no others any more, and goes stealing itself. What it steals must
 * not lie where the two are being copied. */
static void empty_and_steal(void *unused)
{
    (void)unused;
    pop_from_to(&victim, 3, 4);
    ring_steal(&other, &victim);
}

static void test_who_is_being_stolen_from_steals_elsewhere(void **state)
{
    struct ring thief;

    (void)state;
    AT_EACH_START(at)
    {
        fill(&victim, at);
        ring_start(&thief, 0);
        ring_start(&other, 0);
        push_from_to(&other, 11, 14);
        at_point(TRACE_QUEUE_STEAL, victim.id, empty_and_steal, NULL);
        assert_int_equal(ring_steal(&victim, &thief), 2);
        pop_from_to(&thief, 1, 2);
        assert_int_equal(ring_length(&victim) + ring_length(&other), 4);
    }
}

/* --- an owner and two thieves, for real: what goes in comes out, once --- */

static struct ring rings[3];
static atomic_int times_out[MANY];
static atomic_bool all_are_in;
static unsigned seed;

static void take_out(struct ring *ring)
{
    struct task *tasks[4];
    uint32_t count = ring_pop(ring, tasks, 1 + (uint32_t)rand() % 3);

    for (uint32_t i = 0; i < count; i++)
        atomic_fetch_add_explicit(&times_out[tasks[i]->id], 1, memory_order_relaxed);
}

static void *thief_main(void *arg)
{
    struct ring *mine = arg;

    for (bool last = false; !last;) {
        last = atomic_load(&all_are_in);
        for (int i = 0; i < 3; i++)
            if (&rings[i] != mine && ring_length(mine) == 0)
                ring_steal(&rings[i], mine);
        while (ring_length(mine) > 0)
            take_out(mine);
    }
    return NULL;
}

static void owner_main(struct ring *mine)
{
    unsigned random = seed;

    for (uint32_t number = 0; number < MANY;) {
        random = random * 1103515245 + 12345;
        if (random >> 16 & 3 && ring_push(mine, task_number(number)))
            number++;
        else
            take_out(mine);
    }
}

static void test_what_goes_in_comes_out_once(void **state)
{
    pthread_t thieves[2];

    (void)state;
    seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    trace_set_hook(NULL, NULL);
    for (int i = 0; i < 3; i++)
        ring_start(&rings[i], starts[i + 2]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thieves[i], NULL, thief_main, &rings[i + 1]), 0);
    owner_main(&rings[0]);
    while (ring_length(&rings[0]) > 0)
        take_out(&rings[0]);
    atomic_store(&all_are_in, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thieves[i], NULL);
    for (int i = 0; i < 3; i++)
        while (ring_length(&rings[i]) > 0) /* stolen from a thief, in the end */
            take_out(&rings[i]);
    for (int number = 0; number < MANY; number++)
        assert_int_equal(times_out[number], 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_first_in_first_out),
        TEST(test_it_says_when_it_is_full),
        TEST(test_several_are_popped_at_once),
        TEST(test_a_thief_takes_the_first_half_rounded_up),
        TEST(test_no_slot_is_used_while_a_thief_copies_it),
        TEST(test_the_owner_goes_on_meanwhile),
        TEST(test_one_thief_at_a_time),
        TEST(test_who_is_being_stolen_from_steals_elsewhere),
        TEST(test_what_goes_in_comes_out_once),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
