/* Events of several threads are put in the order in which they happened, whatever the clocks say. */
#include "judged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct script s;

/* An event of a thread at a time of its own, in us. */
static void at(uint64_t us, uint16_t thread, enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b)
{
    s.thread = thread;
    s.time = (us - 1) * 1000;
    script_add(&s, kind, task, a, b);
}

static void start(void)
{
    script_start(&s);
    at(1, 1, TRACE_THREAD, 0, 1, 0);
    at(2, 2, TRACE_THREAD, 0, 2, 0);
    at(3, 3, TRACE_THREAD, 0, 3, 0);
    at(4, 1, TRACE_RUNTIME, 0, 3, TRACE_HAS_WAKES);
    at(5, 1, TRACE_FUTURE_NEW, 0, 3, 1);
    at(6, 1, TRACE_TASK_SPAWN, 1, 3, 1);
    at(7, 1, TRACE_QUEUE_PUSH, 1, 1, 1);
    at(8, 1, TRACE_QUEUE_POP, 1, 1, 0);
    at(9, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 1);
    at(10, 1, TRACE_WAKER_CLONE, 1, 0, 0);
    at(11, 1, TRACE_WAKER_CLONE, 1, 0, 0);
}

/* Checks that nothing is broken, and that the events from the twelfth on come in that order of their lines. */
static void assert_order(const unsigned *order, size_t count)
{
    struct judged j;
    char words[1000];

    s.killed = true;
    judge_script(&j, &s);
    assert_string_equal(judged_words(&j, words, sizeof words), "clean");
    assert_int_equal(j.rec.count, 11 + count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(event_place(&j.rec, &j.rec.events[11 + i])->line, order[i]);
        assert_true(j.rec.events[11 + i].time >= j.rec.events[10 + i].time);
    }
    judged_free(&j);
}

#define ASSERT_ORDER(...)                                                                                              \
    do {                                                                                                               \
        static const unsigned order[] = {__VA_ARGS__};                                                                 \
        assert_order(order, sizeof order / sizeof *order);                                                             \
    } while (0)

/* The waker's thread records late that it has woken the task: it is polled by then. */
static void wake_is_recorded_after_the_poll(void **state)
{
    (void)state;
    start();
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(30, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1); /* 114 */
    at(23, 1, TRACE_QUEUE_POP, 1, 2, 0);
    at(24, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 2); /* 116 */
    ASSERT_ORDER(111, 112, 113, 115, 114, 116);
}

/* The poll's thread records late that the poll has ended: the task is woken and polled elsewhere by then. */
static void end_of_poll_is_recorded_after_the_next_poll(void **state)
{
    (void)state;
    start();
    at(40, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(23, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1); /* 114 */
    at(24, 3, TRACE_QUEUE_POP, 1, 2, 0);
    at(25, 3, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 2); /* 116 */
    ASSERT_ORDER(112, 113, 111, 114, 115, 116);
}

/* The waker nudges a sleeper, and while it does so the task is polled. */
static void wake_is_recorded_after_a_call_in_which_the_task_is_polled(void **state)
{
    (void)state;
    start();
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(23, 2, TRACE_UNPARK, 0, 0, 0);
    at(24, 2, TRACE_SYSCALL_BEGIN, 0, TRACE_CALL_WRITE, 8); /* 115 */
    at(27, 2, TRACE_SYSCALL_END, 0, TRACE_CALL_WRITE, 8);
    at(28, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1); /* 117 */
    at(25, 1, TRACE_QUEUE_POP, 1, 2, 0);
    at(26, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 2); /* 119 */
    ASSERT_ORDER(111, 112, 113, 114, 117, 115, 118, 119, 116);
}

/* A coalesced wake changes nothing, so it fits wherever the task is queued: before the poll, where it happened. */
static void coalesced_wake_is_recorded_after_the_poll(void **state)
{
    (void)state;
    start();
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(23, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1);
    at(24, 3, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(29, 3, TRACE_WAKE_END, 1, STATES(Q, Q), 1); /* 116 */
    at(25, 1, TRACE_QUEUE_POP, 1, 2, 0);
    at(26, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 2); /* 118 */
    ASSERT_ORDER(111, 112, 113, 114, 115, 117, 116, 118);
}

/* The first of two wakes has marked the task, but not recorded its push yet, when the second one is through. */
static void second_wake_overtakes_the_push_of_the_first(void **state)
{
    (void)state;
    start();
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(25, 2, TRACE_QUEUE_PUSH, 1, 2, 1);          /* 113 */
    at(26, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1); /* 114 */
    at(22, 3, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(23, 3, TRACE_WAKE_END, 1, STATES(Q, Q), 1); /* 116 */
    ASSERT_ORDER(111, 112, 115, 114, 116, 113);
}

/* One wake is recorded only after its task was polled hundreds of times more. */
static void one_late_record_among_hundreds(void **state)
{
    struct judged j;
    char words[1000];

    (void)state;
    start();
    at(15, 2, TRACE_WAKE_BEGIN, 1, 0, 0);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t t = 20 + 10 * i;

        at(t, 1, TRACE_WAKE_BEGIN, 1, 0, 0);
        at(t + 1, 1, TRACE_WAKE_END, 1, STATES(R, R | Q), 0);
        at(t + 2, 1, TRACE_TASK_POLL_END, 1, STATES(R | Q, Q), 0);
        at(t + 3, 1, TRACE_QUEUE_PUSH, 1, 1, 1);
        at(t + 4, 1, TRACE_QUEUE_POP, 1, 1, 0);
        at(t + 5, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), i + 2);
    }
    at(5000, 2, TRACE_WAKE_END, 1, STATES(R | Q, R | Q), 0);
    s.killed = true;
    judge_script(&j, &s);
    assert_string_equal(judged_words(&j, words, sizeof words), "clean");
    judged_free(&j);
}

/* ---- the other kind of state word: a worker holds the task, polled or not */

/* As start(), but the runtime's workers steal, and the task is polled for the second time, held, and has a waker. */
static void start_held(void)
{
    start();
    for (size_t i = 0; i < s.count; i++) {
        if (s.records[i].kind == TRACE_RUNTIME)
            s.records[i].b = TRACE_HAS_WAKES | TRACE_HAS_WORKERS | TRACE_HAS_STEALING;
        if (s.records[i].kind == TRACE_TASK_POLL_BEGIN)
            s.records[i].a = STATES(R, R);
    }
}

/* A wake of the held task is recorded after the poll that has used its mark up. */
static void wake_of_a_held_task_is_recorded_after_its_poll(void **state)
{
    (void)state;
    start_held();
    at(20, 2, TRACE_WAKE_BEGIN, 1, 0, 1); /* 111 */
    at(21, 1, TRACE_WAKE_BEGIN, 1, 0, 0);
    at(22, 1, TRACE_WAKE_END, 1, STATES(R | Q, R | Q), 0);
    at(23, 1, TRACE_TASK_POLL_END, 1, STATES(R | Q, R | Q), 0);
    at(24, 1, TRACE_QUEUE_PUSH, 1, 1, 1);
    at(25, 1, TRACE_QUEUE_POP, 1, 1, 0);
    at(26, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(R | Q, R), 2);
    at(27, 2, TRACE_WAKE_END, 1, STATES(R, R | Q), 1); /* 118 */
    ASSERT_ORDER(111, 112, 118, 113, 114, 115, 116, 117);
}

/* A thief has taken and polled the task, and its poll has ended, before the wake is recorded that queued it; in between
 * the waker's thread has moved another task out of its way. */
static void wake_is_recorded_after_a_thief_has_polled(void **state)
{
    (void)state;
    start_held();
    at(12, 1, TRACE_FUTURE_NEW, 0, 3, 7);
    at(13, 1, TRACE_TASK_SPAWN, 2, 3, 7);
    at(14, 1, TRACE_QUEUE_PUSH, 2, 2, 1);
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 114 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(23, 3, TRACE_QUEUE_POP, 1, 2, 1);
    at(24, 3, TRACE_TASK_POLL_BEGIN, 1, STATES(Q, R), 2); /* 118 */
    at(25, 2, TRACE_QUEUE_POP, 2, 2, 0);
    at(26, 2, TRACE_QUEUE_PUSH, 2, 3, 1);
    at(27, 3, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 121 */
    at(28, 2, TRACE_WAKE_END, 1, STATES(0, Q), 1);      /* 122 */
    ASSERT_ORDER(111, 112, 113, 114, 115, 116, 117, 122, 118, 119, 120, 121);
}

/* Who gives way in its own poll does not look at the word: it is running, whatever mark a wake has left there. */
static void mark_is_not_seen_by_who_gives_way(void **state)
{
    (void)state;
    start_held();
    at(20, 2, TRACE_WAKE_BEGIN, 1, 0, 1); /* 111 */
    at(21, 2, TRACE_WAKE_END, 1, STATES(R, R | Q), 1);
    at(22, 1, TRACE_WAKE_BEGIN, 1, 0, 0);
    at(23, 1, TRACE_WAKE_END, 1, STATES(R, R), 0);
    at(24, 1, TRACE_TASK_POLL_END, 1, STATES(R, R), 0);
    at(25, 1, TRACE_QUEUE_PUSH, 1, 1, 1);
    at(26, 1, TRACE_QUEUE_POP, 1, 1, 0);
    at(27, 1, TRACE_TASK_POLL_BEGIN, 1, STATES(R | Q, R), 2);
    ASSERT_ORDER(111, 112, 113, 114, 115, 116, 117, 118);
}

/* The wake that comes too late also gives up its waker, and records that only when the memory is given back. */
static void task_is_freed_before_its_last_wake_is_recorded(void **state)
{
    (void)state;
    start_held();
    at(20, 2, TRACE_WAKE_BEGIN, 1, 0, 1); /* 111 */
    at(21, 1, TRACE_WAKER_DROP, 1, 0, 0);
    at(22, 1, TRACE_TASK_POLL_END, 1, STATES(R, D), 1);
    at(23, 1, TRACE_FUTURE_DROP, 0, 3, 1);
    at(24, 1, TRACE_TASK_FREE, 1, 0, 0);
    at(25, 2, TRACE_WAKE_END, 1, STATES(D, D | Q), 1); /* 116 */
    ASSERT_ORDER(111, 112, 113, 114, 116, 115);
}

/* The step that ends a task gives its output away: it may be taken, dropped and freed before the poll's end is recorded. */
static void output_is_taken_before_the_end_of_the_poll_is_recorded(void **state)
{
    (void)state;
    start_held();
    at(20, 1, TRACE_WAKER_DROP, 1, 0, 0); /* 111 */
    at(21, 1, TRACE_WAKER_DROP, 1, 0, 0);
    at(22, 2, TRACE_JOIN, 1, 0, 0);
    at(23, 2, TRACE_FUTURE_DROP, 0, 3, 1);
    at(24, 2, TRACE_TASK_FREE, 1, 0, 0);
    at(25, 1, TRACE_TASK_POLL_END, 1, STATES(R, D), 1); /* 116 */
    ASSERT_ORDER(111, 112, 116, 113, 114, 115);
}

/* A wake marks the task, then makes room for it in its queue; meanwhile another wake finds the mark. */
static void second_wake_overtakes_what_makes_room_for_the_first(void **state)
{
    (void)state;
    start_held();
    at(12, 1, TRACE_FUTURE_NEW, 0, 3, 7);
    at(13, 1, TRACE_TASK_SPAWN, 2, 3, 7);
    at(14, 1, TRACE_QUEUE_PUSH, 2, 2, 1);
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 114 */
    at(21, 1, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(22, 2, TRACE_WAKE_BEGIN, 1, 0, 1);
    at(23, 2, TRACE_WAKE_END, 1, STATES(Q, Q), 1); /* 117 */
    at(24, 1, TRACE_QUEUE_POP, 2, 2, 0);
    at(25, 1, TRACE_QUEUE_PUSH, 1, 2, 1);
    at(26, 1, TRACE_QUEUE_PUSH, 2, 1, 1);
    at(27, 1, TRACE_WAKE_END, 1, STATES(0, Q), 1); /* 121 */
    ASSERT_ORDER(111, 112, 113, 114, 115, 116, 121, 117, 118, 119, 120);
}

/* No order mends it: then it stays as the clocks have it, and check says what is wrong. */
static void broken_chain_stays_in_clock_order(void **state)
{
    struct judged j;
    char words[1000];

    (void)state;
    start();
    at(20, 1, TRACE_TASK_POLL_END, 1, STATES(R, 0), 0); /* 111 */
    at(21, 2, TRACE_WAKE_BEGIN, 1, 0, 0);
    at(22, 2, TRACE_WAKE_END, 1, STATES(R, R | Q), 0); /* 113 */
    s.killed = true;
    judge_script(&j, &s);
    assert_string_equal(judged_words(&j, words, sizeof words), "states task 1 line 113");
    assert_int_equal(event_place(&j.rec, &j.rec.events[13])->line, 113);
    judged_free(&j);
}

/* A signal handler writes while its thread is filling another run of records: both are put in one order. */
static void runs_of_one_thread_overlap(void **state)
{
    (void)state;
    start();
    at(20, 1, TRACE_NOTE, 0, 0, 0); /* 111 */
    at(30, 1, TRACE_NOTE, 0, 0, 0);
    at(25, 1, TRACE_NOTE, 0, 0, 0); /* 113: further back in the file, earlier in time */
    at(35, 1, TRACE_NOTE, 0, 0, 0);
    ASSERT_ORDER(111, 113, 112, 114);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(wake_is_recorded_after_the_poll),
        cmocka_unit_test(end_of_poll_is_recorded_after_the_next_poll),
        cmocka_unit_test(wake_is_recorded_after_a_call_in_which_the_task_is_polled),
        cmocka_unit_test(coalesced_wake_is_recorded_after_the_poll),
        cmocka_unit_test(second_wake_overtakes_the_push_of_the_first),
        cmocka_unit_test(one_late_record_among_hundreds),
        cmocka_unit_test(wake_of_a_held_task_is_recorded_after_its_poll),
        cmocka_unit_test(wake_is_recorded_after_a_thief_has_polled),
        cmocka_unit_test(mark_is_not_seen_by_who_gives_way),
        cmocka_unit_test(task_is_freed_before_its_last_wake_is_recorded),
        cmocka_unit_test(output_is_taken_before_the_end_of_the_poll_is_recorded),
        cmocka_unit_test(second_wake_overtakes_what_makes_room_for_the_first),
        cmocka_unit_test(broken_chain_stays_in_clock_order),
        cmocka_unit_test(runs_of_one_thread_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
